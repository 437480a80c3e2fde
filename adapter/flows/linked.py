"""What follows once ABDM has linked care contexts, however the link began."""

from __future__ import annotations

from collections.abc import Sequence

from adapter.rules.care_contexts import resource_of
from adapter.rules.states import CareContextLinkState, allowed
from adapter.runtime import Adapter
from adapter.stores import audit, links, outbox
from adapter.stores.db import Tx
from adapter.stores.links import ContextLink


def mark_linked(adapter: Adapter, tx: Tx, rows: Sequence[ContextLink]) -> None:
    """Links become LINKED, their records get the "linked" mark, an AuditEvent says so.

    Nothing happens for links that may not move there, so a repeated answer changes nothing.
    """
    fresh = [
        row
        for row in rows
        if row.state is not CareContextLinkState.LINKED
        and allowed(row.state, CareContextLinkState.LINKED)
    ]
    if not fresh:
        return
    links.move(
        tx,
        fresh,
        CareContextLinkState.LINKED,
        linked_at=adapter.clock(),
        error=None,
        sentence=None,
        notices=0,
    )
    references = list(dict.fromkeys(row.reference for row in fresh))
    for reference in references:
        outbox.queue_tag_linked(tx, adapter, resource_of(reference))
    outbox.queue_audit(
        tx,
        adapter,
        audit.linked(
            adapter,
            hip_id=fresh[0].hip_id,
            patient_id=fresh[0].patient_id,
            references=references,
            user=fresh[0].requester,
        ),
    )
