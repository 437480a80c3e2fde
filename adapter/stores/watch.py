"""SQL of the record watch: what is searched when, what was seen, what is to be looked at.

Each type of record that is watched has a row with the watermark of its last search (the FHIR
server's time); three further rows (`QUEUE`, `HOOKS`, `LINKS`) are the watch's other chores. Rows
are claimed like those of every lane. Decides nothing itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import Insert

from adapter.rules.states import CareContextLinkState, LinkTokenState
from adapter.rules.watching import WATCHED_TYPES
from adapter.stores.db import (
    Database,
    Tx,
    care_context_link,
    link_token,
    watch,
    watch_item,
    watch_seen,
)

#: Looks at what the searches found; repairs the Subscriptions; goes on with links that wait.
QUEUE, HOOKS, LINKS = "queue", "hooks", "links"

_PART = 500


@dataclass(frozen=True)
class Item:
    """Something to be looked at: `Encounter/17`, or `Patient/5` for records without a visit.

    `ticket` is new each time it is queued; `any_age`: however long ago it was.
    """

    key: str
    ticket: str
    requester: str
    any_age: bool
    attempts: int


def prepare(tx: Tx, now: datetime, *, watching: bool) -> None:
    """Make the rows of the watch as far as they are missing; new ones are due at once.

    `watching`: it is switched on, so its first searches reach back to now (less the overlap, which
    makes up for clocks that differ), however late the FHIR server answers the first of them.
    """
    rows = [{"id": each, "due_at": now, "created_at": now} for each in _CHORES]
    tx.execute(_insert(tx, watch).on_conflict_do_nothing(), rows)
    if watching:
        unsearched = sa.and_(watch.c.id.in_(WATCHED_TYPES), watch.c.watermark.is_(None))
        tx.execute(sa.update(watch).where(unsearched).values(watermark=now))


_CHORES = (*WATCHED_TYPES, QUEUE, HOOKS, LINKS)


def ring(db: Database, row_id: str, at: datetime) -> None:
    """Have a row worked on at `at` unless it is due sooner; a burst writes once."""
    later = sa.and_(watch.c.id == row_id, watch.c.due_at > at)
    with db.reading() as tx:
        found = tx.scalar(sa.select(watch.c.id).where(later))
    if found is not None:
        with db.transaction() as tx:
            tx.execute(sa.update(watch).where(later).values(due_at=at))


def plan(tx: Tx, row_id: str, due_at: datetime) -> None:
    """Say when a row is next due."""
    tx.execute(sa.update(watch).where(watch.c.id == row_id).values(due_at=due_at))


def watermark(tx: Tx, resource_type: str) -> datetime | None:
    """The FHIR server's time at the last search of this type; before the first, our time when the
    watch was switched on, or None."""
    found: datetime | None = tx.scalar(
        sa.select(watch.c.watermark).where(watch.c.id == resource_type)
    )
    return found


def finish_search(
    tx: Tx, resource_type: str, server_time: datetime, forget_before: datetime
) -> None:
    """Keep the new watermark, and forget versions that no later search can show again."""
    tx.execute(sa.update(watch).where(watch.c.id == resource_type).values(watermark=server_time))
    tx.execute(
        sa.delete(watch_seen).where(
            watch_seen.c.resource_type == resource_type, watch_seen.c.seen_at < forget_before
        )
    )


def unseen(tx: Tx, versions: Mapping[str, str]) -> set[str]:
    """The keys of which this version was not seen yet."""
    found = {
        row.key: row.version
        for some in _parts(list(versions))
        for row in tx.execute(
            sa.select(watch_seen.c.key, watch_seen.c.version).where(watch_seen.c.key.in_(some))
        )
    }
    return {name for name, version in versions.items() if found.get(name) != version}


def see(tx: Tx, resource_type: str, versions: Mapping[str, tuple[str, datetime]]) -> None:
    """Remember these versions, by key with the time they were written."""
    rows = [
        {"key": name, "resource_type": resource_type, "version": version, "seen_at": at}
        for name, (version, at) in versions.items()
    ]
    if rows:
        insert = _insert(tx, watch_seen)
        renewed = {name: insert.excluded[name] for name in ("version", "seen_at")}
        tx.execute(insert.on_conflict_do_update(index_elements=["key"], set_=renewed), rows)


def queue(
    tx: Tx, keys: Iterable[str], now: datetime, *, requester: str, any_age: bool = False
) -> None:
    """Have these looked at; one that waits already is looked at once, after now."""
    rows = [
        {
            "key": key,
            "ticket": str(uuid4()),
            "requester": requester,
            "any_age": any_age,
            "due_at": now,
            "attempts": 0,
        }
        for key in dict.fromkeys(keys)
    ]
    if not rows:
        return
    insert = _insert(tx, watch_item)
    renewed = {
        **{name: insert.excluded[name] for name in ("ticket", "due_at", "attempts")},
        "any_age": sa.or_(watch_item.c.any_age, insert.excluded.any_age),
    }
    tx.execute(insert.on_conflict_do_update(index_elements=["key"], set_=renewed), rows)
    # Last, so that whoever empties the queue meanwhile sees these rows or is due again.
    plan(tx, QUEUE, now)


def await_(
    tx: Tx, key: str, until: datetime, sentence: str, *, requester: str, any_age: bool
) -> None:
    """Have this looked at then, because it is not there yet; nothing if it is queued already."""
    values = {
        "key": key,
        "ticket": str(uuid4()),
        "requester": requester,
        "any_age": any_age,
        "due_at": until,
        "attempts": 1,
        "sentence": sentence,
    }
    tx.execute(_insert(tx, watch_item).on_conflict_do_nothing(), values)


def awaited_patients(tx: Tx, keys: Collection[str]) -> set[str]:
    """The ids of those of these (`Patient/5`) that are queued or waited for."""
    return {
        found.partition("/")[2]
        for some in _parts(list(keys))
        for found in tx.scalars(sa.select(watch_item.c.key).where(watch_item.c.key.in_(some)))
    }


def due_items(tx: Tx, now: datetime, limit: int) -> list[Item]:
    """What is to be looked at now, what has waited longest first."""
    found = tx.execute(
        sa.select(
            watch_item.c.key,
            watch_item.c.ticket,
            watch_item.c.requester,
            watch_item.c.any_age,
            watch_item.c.attempts,
        )
        .where(watch_item.c.due_at <= now)
        .order_by(watch_item.c.due_at, watch_item.c.key)
        .limit(limit)
    )
    return [Item(**row._mapping) for row in found]


def done(tx: Tx, items: Iterable[Item]) -> None:
    """These have been looked at; one that was queued again meanwhile stays."""
    for item in items:
        tx.execute(sa.delete(watch_item).where(_same(item)))


def postpone(tx: Tx, item: Item, until: datetime, sentence: str) -> None:
    """It could not be looked at; again then, unless it was queued again meanwhile."""
    tx.execute(
        sa.update(watch_item)
        .where(_same(item))
        .values(due_at=until, attempts=item.attempts + 1, sentence=sentence[:500])
    )


def plan_queue(tx: Tx, idle_until: datetime) -> None:
    """Have the queue looked at when its next item is due, or at `idle_until`."""
    tx.execute(sa.select(watch.c.id).where(watch.c.id == QUEUE).with_for_update())
    first = tx.scalar(sa.select(sa.func.min(watch_item.c.due_at)).select_from(watch_item))
    plan(tx, QUEUE, min(first, idle_until) if first is not None else idle_until)


def waiting(tx: Tx) -> int:
    """How many items are in the queue."""
    return tx.scalar(sa.select(sa.func.count()).select_from(watch_item)) or 0


def troubled(tx: Tx, linked_at: Collection[str] | None = None) -> list[tuple[str, str]]:
    """(key, sentence) of the items that could not be looked at.

    `linked_at`: only of those that have a link at one of these HIPs, as whose they are known.
    """
    found = sa.select(watch_item.c.key, watch_item.c.sentence).where(watch_item.c.attempts > 0)
    if linked_at is not None:
        # Ids hold no slash, so what the replacements leave alone fits nothing.
        found = found.where(
            sa.exists().where(
                care_context_link.c.hip_id.in_(linked_at),
                sa.or_(
                    care_context_link.c.reference == sa.func.replace(watch_item.c.key, "/", "-"),
                    care_context_link.c.patient_id
                    == sa.func.replace(watch_item.c.key, "Patient/", ""),
                ),
            )
        )
    return [(row.key, row.sentence or "") for row in tx.execute(found.order_by(watch_item.c.key))]


# --- links ------------------------------------------------------------------------------------


def known_patients(tx: Tx, patient_ids: Collection[str]) -> set[str]:
    """Those of these patients who have any link, done or waiting."""
    return {
        found
        for some in _parts(list(patient_ids))
        for found in tx.scalars(
            sa.select(care_context_link.c.patient_id)
            .where(care_context_link.c.patient_id.in_(some))
            .distinct()
        )
    }


def keep_content(tx: Tx, link_ids: Collection[str], content: str) -> None:
    """Remember what the care context of these links holds now."""
    tx.execute(
        sa.update(care_context_link)
        .where(care_context_link.c.id.in_(link_ids))
        .values(content=content)
    )


def contents(tx: Tx, link_ids: Collection[str]) -> dict[str, str | None]:
    """What was remembered, by link id."""
    found = tx.execute(
        sa.select(care_context_link.c.id, care_context_link.c.content).where(
            care_context_link.c.id.in_(link_ids)
        )
    )
    return {row.id: row.content for row in found}


def stalled(tx: Tx) -> list[tuple[str, str]]:
    """(HIP id, ABHA address in lower case) of links that wait for a token nobody asks for."""
    address = sa.func.lower(care_context_link.c.abha_address)
    waits = care_context_link.c.state.in_(
        [CareContextLinkState.PENDING, CareContextLinkState.WAITING_FOR_TOKEN]
    )
    rows = tx.execute(
        sa.select(care_context_link.c.hip_id, address.label("address"))
        .join(
            link_token,
            sa.and_(
                link_token.c.hip_id == care_context_link.c.hip_id,
                link_token.c.abha_address == address,
            ),
        )
        .where(waits, link_token.c.state != LinkTokenState.REQUESTED)
        .distinct()
    )
    return [(row.hip_id, row.address) for row in rows]


def plan_retries(
    tx: Tx, errors: Collection[str], now: datetime, first: timedelta, longest: timedelta
) -> None:
    """Say when links that failed for one of these passing reasons are tried again.

    The first two times after `first`, then after twice as long each time, up to `longest`.
    """
    failed = sa.and_(
        care_context_link.c.state == CareContextLinkState.FAILED,
        care_context_link.c.error.in_(errors),
        care_context_link.c.again_at.is_(None),
    )
    counts = list(tx.scalars(sa.select(care_context_link.c.retries).where(failed).distinct()))
    for retries in counts:
        delay = min(first * 2 ** min(max(retries - 1, 0), 20), longest)
        tx.execute(
            sa.update(care_context_link)
            .where(failed, care_context_link.c.retries == retries)
            .values(again_at=now + delay)
        )


def take_retries(tx: Tx, now: datetime) -> list[tuple[str, str]]:
    """Have the failed links whose time has come wait again; (HIP id, ABHA address) of each."""
    due = sa.and_(
        care_context_link.c.state == CareContextLinkState.FAILED,
        care_context_link.c.again_at <= now,
    )
    pairs = tx.execute(
        sa.select(
            care_context_link.c.hip_id,
            sa.func.lower(care_context_link.c.abha_address).label("address"),
        )
        .where(due)
        .distinct()
    ).all()
    tx.execute(
        sa.update(care_context_link)
        .where(due)
        .values(
            state=CareContextLinkState.PENDING,
            retries=care_context_link.c.retries + 1,
            again_at=None,
        )
    )
    return [(row.hip_id, row.address) for row in pairs if row.address]


def _same(item: Item) -> sa.ColumnElement[bool]:
    return sa.and_(watch_item.c.key == item.key, watch_item.c.ticket == item.ticket)


def _parts(items: list[str]) -> Iterable[list[str]]:
    return (items[start : start + _PART] for start in range(0, len(items), _PART))


def _insert(tx: Tx, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    made: type[Insert] = postgresql.Insert if tx.dialect.name == "postgresql" else sqlite.Insert
    return made(table)  # type: ignore[return-value]
