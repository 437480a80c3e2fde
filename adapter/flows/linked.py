"""What every way of linking shares: the envelope, and what follows once ABDM has linked."""

from __future__ import annotations

from collections.abc import Sequence

from adapter.protocol.errors import IllegalTransition
from adapter.protocol.messages import Envelope
from adapter.rules.care_contexts import resource_of
from adapter.rules.states import CareContextLinkState, allowed
from adapter.runtime import Adapter
from adapter.stores import audit, links, outbox
from adapter.stores.db import Tx
from adapter.stores.links import ContextLink


def mark_linked(adapter: Adapter, tx: Tx, rows: Sequence[ContextLink]) -> None:
    """Links become LINKED, their records get the "linked" mark, an AuditEvent says so.

    Nothing happens for links that may not move there, so a repeated answer changes nothing. Of one
    that was withdrawn meanwhile it is only noted that ABDM has it.
    """
    for row in rows:
        if row.state is CareContextLinkState.WITHDRAWN:
            links.note(tx, row.id, linked_at=adapter.clock())
    fresh = [
        row
        for row in rows
        if row.state not in (CareContextLinkState.LINKED, CareContextLinkState.WITHDRAWN)
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


def self_started(adapter: Adapter, hip_id: str) -> Envelope:
    """The envelope of a message that answers nothing."""
    return Envelope(adapter.config.api_version_of(hip_id), hip_id=hip_id)


def answered(adapter: Adapter, tx: Tx, envelope: Envelope, name: str) -> str:
    """The subject of the message of ours that a callback answers.

    Raises IllegalTransition where it answers no message `name` of ours.
    """
    row = outbox.answered(tx, envelope.response_to, adapter.clock())
    if row is None or row.message != name or row.hip_id != envelope.hip_id:
        raise IllegalTransition(f"This answers no {name} of ours; ignored.")
    return row.subject or ""
