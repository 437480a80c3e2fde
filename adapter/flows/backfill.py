"""Links what the record watch cannot see as new: years of records of a hospital that joins, or a
restored backup with its old dates of writing.

Visits and stand-alone records are searched by when they happened, month by month; each month's go
through the watch's own queue and are looked at before the next month is searched. The month that
is done is kept, so a backfill that was interrupted goes on where it was. Done twice, it changes
nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import orjson

from adapter.flows import record_look
from adapter.rules import watching
from adapter.runtime import Adapter
from adapter.stores import settings, watch
from adapter.stores.fhir_visits import BATCH

__all__ = ["BATCH", "Month", "forget", "look", "months", "queue_month"]

#: What is searched by its date. What may name a visit is searched without one, where R4 can.
_DATED: tuple[tuple[str, dict[str, str]], ...] = (
    ("Encounter", {}),
    ("DiagnosticReport", {"encounter:missing": "true"}),
    ("DocumentReference", {"encounter:missing": "true"}),
    ("Observation", {"encounter:missing": "true"}),
    ("Immunization", {}),
    ("ImmunizationRecommendation", {}),
    ("Invoice", {}),
)

_KEY = "backfill"


@dataclass(frozen=True)
class Month:
    """`first`: its first day (or the day asked for); `after`: the day behind its last one."""

    first: date
    after: date


def months(adapter: Adapter, since: date) -> list[Month]:
    """The months from `since` until today that are still to be done, the newest first: patients
    look for their last visit."""
    today = adapter.clock().astimezone(adapter.config.hims_zone).date()
    found = []
    first = since
    while first <= today:
        after = (first.replace(day=1) + timedelta(days=32)).replace(day=1)
        found.append(Month(first, after))
        first = after
    done = _done(adapter, since)
    return [month for month in reversed(found) if month.first.isoformat() not in done]


def queue_month(adapter: Adapter, since: date, month: Month, requester: str) -> Iterator[int]:
    """Queue what happened in a month, page by page; yields how many visits and patients each time.

    The caller has them looked at (`look`) before it goes on: so the queue stays short. Raises
    FhirUnavailable.
    """
    # A day more on both sides: servers compare dates without time in a zone of their own.
    begins, ends = month.first - timedelta(days=1), month.after + timedelta(days=1)
    for kind, extra in _DATED:
        search: dict[str, str | list[str]] = {
            **extra,
            "date": [f"ge{begins.isoformat()}", f"lt{ends.isoformat()}"],
        }
        for page in adapter.fhir.dated(kind, search, watching.OUTLINE):
            keys = {place for each in page for place in watching.places(each)}
            with adapter.db.transaction() as tx:
                watch.queue(tx, sorted(keys), adapter.clock(), requester=requester, any_age=True)
            yield len(keys)
    with adapter.db.transaction() as tx:
        done = _done(adapter, since) | {month.first.isoformat()}
        kept = {"since": since.isoformat(), "done": sorted(done)}
        settings.put(tx, _KEY, orjson.dumps(kept).decode())


def look(adapter: Adapter) -> int:
    """Look at a batch of what is queued, here and now; how many items still wait.

    Raises FhirUnavailable.
    """
    record_look.look(adapter)
    with adapter.db.reading() as tx:
        return len(watch.due_items(tx, adapter.clock(), 1000))


def forget(adapter: Adapter) -> None:
    """The backfill is complete: the next one begins anew."""
    with adapter.db.transaction() as tx:
        settings.delete(tx, _KEY)


def _done(adapter: Adapter, since: date) -> set[str]:
    """The months that an interrupted backfill of the same beginning has done."""
    with adapter.db.reading() as tx:
        text = settings.get(tx, _KEY)
    kept = orjson.loads(text) if text else {}
    return set(kept["done"]) if kept.get("since") == since.isoformat() else set()
