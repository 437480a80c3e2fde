"""The counters' queues: who waits, who is called, who was served.

Numbers are issued by `profile_share`. A call says which patient it is once the profile is linked;
until then the desk sees the profile and, where there are any, the records that may be meant.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from adapter.protocol.errors import Conflict, NotFound
from adapter.rules.states import QueueTokenState
from adapter.runtime import Adapter
from adapter.stores import abha_profiles, queue_tokens
from adapter.stores.abha_profiles import ProfileRow
from adapter.stores.db import Tx
from adapter.stores.queue_tokens import QueueToken

Entry = tuple[QueueToken, ProfileRow | None]

#: A called number that nobody marks as served is over at the end of this.
CALLED_LIFE = timedelta(hours=12)


def today(adapter: Adapter) -> str:
    """The date where the hospital stands."""
    return adapter.clock().astimezone(adapter.config.hims_zone).date().isoformat()


def entries(
    adapter: Adapter,
    hip_ids: Collection[str],
    *,
    day: str | None = None,
    counter: str | None = None,
    states: Collection[str] = (),
) -> list[Entry]:
    """The numbers of a day (today) at these facilities, by counter, with whom each is about."""
    with adapter.db.transaction() as tx:
        queue_tokens.expire(tx, adapter.clock())
    with adapter.db.reading() as tx:
        found = queue_tokens.listed(
            tx, hip_ids, day=day or today(adapter), counter=counter, states=states
        )
        return [_entry(tx, adapter, token) for token in found]


def call_next(adapter: Adapter, hip_ids: Collection[str], counter: str) -> Entry:
    """Call the lowest number that waits at a counter. Raises NotFound where nobody waits."""
    while True:
        waiting = entries(adapter, hip_ids, counter=counter, states=(QueueTokenState.ISSUED,))
        if not waiting:
            raise NotFound("Nobody waits at this counter.")
        try:
            return call(adapter, hip_ids, waiting[0][0].id)
        except Conflict:
            continue  # another desk was quicker


def call(adapter: Adapter, hip_ids: Collection[str], token_id: str) -> Entry:
    """Call a number to the counter. Raises NotFound, Conflict (called already, or over)."""
    now = adapter.clock()
    return _move(
        adapter,
        hip_ids,
        token_id,
        QueueTokenState.CALLED,
        called_at=now,
        expires_at=now + CALLED_LIFE,
    )


def serve(adapter: Adapter, hip_ids: Collection[str], token_id: str) -> Entry:
    """The person of this number has been served. Raises NotFound, Conflict (it is over)."""
    return _move(adapter, hip_ids, token_id, QueueTokenState.SERVED, served_at=adapter.clock())


def end(adapter: Adapter, hip_ids: Collection[str], token_id: str) -> Entry:
    """Take a number off the queue: nobody came. Raises NotFound, Conflict (served already)."""
    return _move(adapter, hip_ids, token_id, QueueTokenState.EXPIRED)


def _move(
    adapter: Adapter,
    hip_ids: Collection[str],
    token_id: str,
    state: QueueTokenState,
    **values: object,
) -> Entry:
    with adapter.db.transaction() as tx:
        queue_tokens.expire(tx, adapter.clock())
        known = queue_tokens.by_id(tx, token_id, hip_ids)
        if known is None:
            raise NotFound("There is no such number at your facilities.")
        if not queue_tokens.move(tx, token_id, state, **values):
            raise Conflict(f"Number {known.number} is {known.state}; it can't become {state}.")
        moved = queue_tokens.by_id(tx, token_id, hip_ids)
        return _entry(tx, adapter, moved or known)


def _entry(tx: Tx, adapter: Adapter, token: QueueToken) -> Entry:
    return token, abha_profiles.by_id(tx, adapter, token.profile_id)
