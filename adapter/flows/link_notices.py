"""Tells ABDM what a linked care context holds: after the link, and when it has changed since.

    CareContextNotifyRequest  →  OnCareContextNotify

Within seconds after a link the gateway doesn't know it yet and answers 1006, so the first notice
waits 5 s and is repeated after 5, 15 and 60 s (V3 contract 6.3). Changes of a linked care context
are told together, LINK_UPDATE_SECONDS after the first of them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta

from adapter.flows.handler import ANY_REPLY, Commit, Handler
from adapter.flows.linked import answered, self_started
from adapter.protocol.errors import RetryLater
from adapter.protocol.messages import CareContextNotifyRequest, Envelope, OnCareContextNotify
from adapter.protocol.refusals import reaction
from adapter.rules.states import CareContextLinkState
from adapter.runtime import Adapter
from adapter.stores import facilities, links, outbox
from adapter.stores.db import Tx
from adapter.stores.links import ContextLink

#: When ABDM is told of linked content: after the link, and after each "not linked yet".
DELAYS = tuple(timedelta(seconds=s) for s in (5, 5, 15, 60))
PATIENCE = timedelta(hours=1)


def note_changed(adapter: Adapter, tx: Tx, link_ids: Collection[str]) -> None:
    """The care contexts of these links hold something new: ABDM is told, once for all changes of
    the next LINK_UPDATE_SECONDS. Links that aren't LINKED are left out: their link tells it."""
    now = adapter.clock()
    window = timedelta(seconds=adapter.config.link_update_seconds)
    changed = [link for link in links.by_ids(tx, link_ids) if _is_told(link)]
    for link in {(row.hip_id, row.patient_id, row.reference): row for row in changed}.values():
        same = links.contexts_of(tx, link.hip_id, link.patient_id, link.reference)
        if any(row.update_due_at is not None and row.update_due_at > now for row in same):
            continue
        for row in same:
            links.note(tx, row.id, update_due_at=now + window)
        tell(adapter, tx, replace(link, notices=0), after=window)


def tell(adapter: Adapter, tx: Tx, link: ContextLink, *, after: timedelta = timedelta(0)) -> None:
    """Queue the notice for all HI types of the link's care context, `after` at the earliest."""
    same = links.contexts_of(tx, link.hip_id, link.patient_id, link.reference)
    message = CareContextNotifyRequest(
        abha_address=link.abha_address or "",
        patient_reference=link.patient_reference,
        care_context_reference=link.reference,
        hi_types=tuple(row.hi_type for row in same if _is_told(row)),
        date=adapter.clock(),
        hip_name=facilities.name_of(tx, link.hip_id),
    )
    outbox.queue(
        tx,
        adapter,
        self_started(adapter, link.hip_id),
        message,
        deadline=after + ANY_REPLY,
        delay=max(after, DELAYS[min(link.notices, len(DELAYS) - 1)]),
        subject=link.id,
    )
    links.note(tx, link.id, notices=link.notices + 1)


def on_care_context_notify(
    adapter: Adapter, envelope: Envelope, message: OnCareContextNotify
) -> Commit:
    """ABDM knows of the content; or doesn't know the link yet, and is told again later."""

    def commit(tx: Tx) -> None:
        link = links.by_id(tx, answered(adapter, tx, envelope, "CareContextNotifyRequest"))
        if link is None or message.error is None:
            return
        refusal = reaction("CareContextNotifyRequest", message.error)
        if isinstance(refusal, RetryLater) and _is_told(link) and link.notices < len(DELAYS):
            tell(adapter, tx, link)
        else:
            links.note(tx, link.id, error=type(refusal).__name__, sentence=refusal.sentence[:500])

    return commit


def _is_told(link: ContextLink) -> bool:
    return link.state is CareContextLinkState.LINKED


HANDLER = Handler(on_care_context_notify, None, PATIENCE)
