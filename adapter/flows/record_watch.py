"""Finds visits and other records that are new or changed, and has them linked: nobody asks for it.

    hook of the FHIR server ─ ring ─┐
    WATCH_SWEEP_SECONDS ────────────┴─► search of one type ─► queue ─► care contexts ─► links

The searches are the truth: each type, since the FHIR server's own time at its last search less
WATCH_OVERLAP_SECONDS, because a transaction's records bear the time at which it began and show when
it ends. What an earlier search has shown in the same version is passed over, so a search that finds
nothing new costs itself and no more. A hook only makes the next search sooner; a lost one costs
WATCH_SWEEP_SECONDS. Found records are brought to their visit, or to their patient where they have
none, in a queue in SQL that commits with them; the watermark moves only once all of a search is
there. So an outage of either side, a bulk load and a killed worker lose nothing, and a step done
twice changes nothing.

`advance` does one chore of the watch: a search, a look at what is queued, the repair of the
Subscriptions, or going on with links that a passing trouble or a block left behind; this last one
also where WATCH_RECORDS is false. The look is `record_look`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import structlog

from adapter.flows import change_hooks, hip_linking, record_look
from adapter.protocol.errors import (
    AskedAlready,
    ClockRejected,
    FhirUnavailable,
    RetryLater,
    SessionExpired,
)
from adapter.rules import watching
from adapter.runtime import Adapter
from adapter.stores import watch
from adapter.stores.fhir_changes import written_at
from mappings.resources import key

log = structlog.get_logger(__name__)

REQUESTER = "record watch"

#: The hooks of one visit's records come together; one search sees them all.
GATHER = timedelta(seconds=3)
AFTER_OUTAGE = timedelta(seconds=5)

#: Reasons of failed links that pass by themselves, or once the adapter's own settings or clock are
#: put right: nothing is wrong with the visit or the patient.
PASSING = (
    *(each.__name__ for each in (RetryLater, AskedAlready, SessionExpired, ClockRejected)),
    "Unanswered",
)
LONGEST_WAIT = timedelta(days=1)


def advance(adapter: Adapter, row_id: str) -> None:
    """Do one chore of the watch: the row of a type, or `watch.QUEUE`, `HOOKS`, `LINKS`."""
    try:
        if row_id == watch.QUEUE:
            record_look.look(adapter)
        elif row_id == watch.HOOKS:
            _plan(adapter, row_id, change_hooks.EVERY)
            change_hooks.repair(adapter)
        elif row_id == watch.LINKS:
            _go_on(adapter)
        else:
            search(adapter, row_id)
    except FhirUnavailable as error:
        log.warning("the record watch waits for the FHIR server", chore=row_id, reason=str(error))
        _plan(adapter, row_id, min(AFTER_OUTAGE, _interval(adapter)))


def ring(adapter: Adapter, resource_type: str) -> None:
    """Something of this type was written: search in a moment. Types not watched change nothing."""
    watch.ring(adapter.db, resource_type, adapter.clock() + GATHER)


def search(adapter: Adapter, resource_type: str) -> int:
    """Search for what is new of one type, queue it, and move the watermark; how many were new.

    Raises FhirUnavailable; what was queued until then stays, the watermark too.
    """
    _plan(adapter, resource_type, _interval(adapter))
    with adapter.db.reading() as tx:
        last = watch.watermark(tx, resource_type)
    since = (last or adapter.fhir.time(resource_type)) - _overlap(adapter)
    found = adapter.fhir.changes(resource_type, since, watching.OUTLINE)
    new = sum(_take(adapter, resource_type, page, found.server_time) for page in found.pages)
    with adapter.db.transaction() as tx:
        # Twice the overlap: the next search reaches back by one from its own watermark.
        watch.finish_search(tx, resource_type, found.server_time, since - _overlap(adapter))
    if new:
        log.info("the record watch found something new", type=resource_type, records=new)
    return new


def _take(
    adapter: Adapter, resource_type: str, page: list[dict[str, Any]], server_time: datetime
) -> int:
    """Queue the new ones of a page, and remember that they were seen."""
    versions = {key(each): watching.version_of(each) for each in page}
    with adapter.db.transaction() as tx:
        unseen = watch.unseen(tx, versions)
        new = [each for each in page if key(each) in unseen]
        watch.see(
            tx,
            resource_type,
            {key(e): (versions[key(e)], written_at(e) or server_time) for e in new},
        )
        keys = [place for each in new for place in watching.places(each)]
        if resource_type == "Patient":
            # Whoever has no visit here yet is found with the first one.
            known = watch.known_patients(tx, [each.partition("/")[2] for each in keys])
            known |= watch.awaited_patients(tx, keys)
            keys = [each for each in keys if each.partition("/")[2] in known]
        watch.queue(tx, keys, adapter.clock(), requester=REQUESTER)
    return len(new)


def _go_on(adapter: Adapter) -> None:
    """Try again what failed for a reason that passes, and ask for tokens nobody has asked for."""
    now = adapter.clock()
    pacing = timedelta(seconds=adapter.config.link_token_pacing_seconds)
    _plan(adapter, watch.LINKS, _interval(adapter))
    with adapter.db.transaction() as tx:
        watch.plan_retries(tx, PASSING, now, pacing, LONGEST_WAIT)
        pairs = dict.fromkeys([*watch.take_retries(tx, now), *watch.stalled(tx)])
        for hip_id, address in pairs:
            hip_linking.advance(adapter, tx, hip_id, address)
    if pairs:
        adapter.wake()


def _plan(adapter: Adapter, row_id: str, delay: timedelta) -> None:
    with adapter.db.transaction() as tx:
        watch.plan(tx, row_id, adapter.clock() + delay)


def _interval(adapter: Adapter) -> timedelta:
    return timedelta(seconds=adapter.config.watch_sweep_seconds)


def _overlap(adapter: Adapter) -> timedelta:
    return timedelta(seconds=adapter.config.watch_overlap_seconds)
