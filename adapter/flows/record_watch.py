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
Subscriptions, or going on with links that a passing trouble left behind.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

import mappings
from adapter.flows import change_hooks, hip_linking, link_changes, lookup
from adapter.protocol.errors import FhirRejected, FhirUnavailable, RetryLater
from adapter.rules import care_contexts, watching
from adapter.rules.care_contexts import CareContext
from adapter.rules.states import CareContextLinkState
from adapter.rules.watching import Choice
from adapter.runtime import Adapter
from adapter.stores import links, watch
from adapter.stores.db import Tx
from adapter.stores.fhir_changes import written_at
from adapter.stores.fhir_parts import is_own
from adapter.stores.fhir_visits import BATCH
from adapter.stores.watch import Item
from mappings.records import Records
from mappings.resources import key

log = structlog.get_logger(__name__)

REQUESTER = "record watch"

#: The hooks of one visit's records come together; one search sees them all.
GATHER = timedelta(seconds=2)
AFTER_OUTAGE = timedelta(seconds=5)
#: How long something waits that the FHIR server refuses to show.
AFTER_REFUSAL = timedelta(hours=1)
#: Patients looked at in one go: each is several searches.
PATIENTS = 5

#: Reasons of failed links that pass by themselves.
PASSING = (RetryLater.__name__, "Unanswered")
LONGEST_WAIT = timedelta(days=1)


def advance(adapter: Adapter, row_id: str) -> None:
    """Do one chore of the watch: the row of a type, or `watch.QUEUE`, `HOOKS`, `LINKS`."""
    try:
        if row_id == watch.QUEUE:
            look(adapter)
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
            keys = [each for each in keys if each.partition("/")[2] in known]
        watch.queue(tx, keys, adapter.clock(), requester=REQUESTER)
    return len(new)


def look(adapter: Adapter) -> None:
    """Look at the visits and patients that have waited longest, and have linked what should be.

    Raises FhirUnavailable; what was looked at until then is done.
    """
    now = adapter.clock()
    with adapter.db.reading() as tx:
        items = watch.due_items(tx, now, BATCH)
    visits = [item for item in items if not item.key.startswith("Patient/")]
    patients = [item for item in items if item.key.startswith("Patient/")][:PATIENTS]
    if visits:
        _look_at(adapter, visits)
    for patient in patients:
        _look_at(adapter, [patient])
    with adapter.db.transaction() as tx:
        watch.plan_queue(tx, now + _interval(adapter))


def _look_at(adapter: Adapter, items: Sequence[Item]) -> None:
    """Look at these in one go; where the FHIR server refuses that, at each alone."""
    served = lookup.served_pairs(adapter)
    try:
        facility = lookup.only_facility(adapter, served)
        found = _found(adapter, items, facility)
        patients = {item.key: _patient(adapter, item) for item in items if _of_patient(item)}
    except FhirRejected as error:
        if len(items) > 1:
            for item in items:
                _look_at(adapter, [item])
            return
        log.error("the record watch cannot read a record", key=items[0].key, reason=str(error))
        with adapter.db.transaction() as tx:
            watch.postpone(tx, items[0], adapter.clock() + AFTER_REFUSAL, str(error))
        return
    gone = {item.key for item in items if not _of_patient(item)}
    gone -= {key(records.root) for _, records in found}
    read = [_read(adapter, served, item, each) for item, each in found]
    with adapter.db.transaction() as tx:
        _follow(adapter, tx, patients, gone, read)
        _note(adapter, tx, read)
        watch.done(tx, items)
    adapter.wake()


def _of_patient(item: Item) -> bool:
    return item.key.startswith("Patient/")


def _patient(adapter: Adapter, item: Item) -> dict[str, Any] | None:
    return adapter.fhir.patient(item.key.partition("/")[2])


def _follow(
    adapter: Adapter,
    tx: Tx,
    patients: Mapping[str, dict[str, Any] | None],
    gone: Iterable[str],
    read: Sequence[_Context | None],
) -> None:
    """Bring links in line with patients and records that have changed (`link_changes`)."""
    for name, patient in patients.items():
        if patient is None:
            link_changes.patient_gone(adapter, tx, name.partition("/")[2])
    for name in gone:
        sentence = f"{name} is not on the FHIR server any more."
        link_changes.record_ended(adapter, tx, name.replace("/", "-", 1), sentence)
    found = [each for each in read if each is not None]
    changed = {each.patient["id"]: each.patient for each in found}
    changed |= {patient["id"]: patient for patient in patients.values() if patient is not None}
    for patient in changed.values():
        link_changes.patient_changed(adapter, tx, patient)
    for each in found:
        link_changes.record_changed(
            adapter, tx, each.context.reference, each.patient, each.context.ended
        )


def _found(
    adapter: Adapter, items: Sequence[Item], facility: dict[str, Any] | None
) -> list[tuple[Item, Records]]:
    by_key = {item.key: item for item in items}
    visits = [name for name in by_key if not name.startswith("Patient/")]
    found = [
        (by_key[key(records.root)], records)
        for records in (adapter.fhir.outlined(visits, facility=facility) if visits else ())
    ]
    for name, item in by_key.items():
        if name.startswith("Patient/"):
            identity = name.partition("/")[2]
            contexts = adapter.fhir.care_contexts_of(identity, facility=facility)
            found += [(item, records) for records in contexts]
    return found


@dataclass(frozen=True)
class _Context:
    """A care context as it was read. `why_not`: why it is not linked by itself; "": it is."""

    patient: dict[str, Any]
    context: CareContext
    requester: str
    why_not: str
    content: str


def _read(
    adapter: Adapter, served: Sequence[tuple[str, str]], item: Item, records: Records
) -> _Context | None:
    if records.patient is None or not is_own(records.patient):
        return None
    context = care_contexts.care_context(records, mappings.hi_types(records), served)
    choice = choice_of(adapter, served, any_age=item.any_age)
    reason = watching.why_not(records.root, context.hip_id, choice, adapter.clock())
    content = watching.content_of(records)
    return _Context(records.patient, context, item.requester, reason, content)


def choice_of(
    adapter: Adapter, served: Sequence[tuple[str, str]], *, any_age: bool = False
) -> Choice:
    """Which records are linked by themselves, by the settings."""
    config = adapter.config
    days = config.watch_max_age_days
    return Choice(
        statuses=config.watch_statuses or watching.STATUSES,
        classes=config.watch_classes,
        facilities=frozenset(
            hip_id
            for hfr_id, hip_id in served
            if not config.watch_facilities or hfr_id in config.watch_facilities
        ),
        max_age=timedelta(days=days) if days and not any_age else None,
    )


def _note(adapter: Adapter, tx: Tx, found: Sequence[_Context | None]) -> None:
    """Have linked what isn't yet, and have ABDM told of what has changed since it was linked."""
    for requester in dict.fromkeys(each.requester for each in found if each):
        wanted = []
        for each in found:
            if each is None or each.requester != requester or each.context.hip_id is None:
                continue
            patient_id = str(each.patient["id"])
            rows = links.contexts_of(tx, each.context.hip_id, patient_id, each.context.reference)
            known = watch.contents(tx, [row.id for row in rows])
            if not each.why_not and _is_to_link(adapter, tx, each, rows, known):
                wanted.append(each)
            linked = [row.id for row in rows if row.state is CareContextLinkState.LINKED]
            changed = [each_id for each_id in linked if known[each_id] not in (None, each.content)]
            if changed and each.context.hi_types:
                hip_linking.note_changed(adapter, tx, changed)
        hip_linking.link_records(adapter, tx, [(w.patient, w.context) for w in wanted], requester)
    for each in found:
        if each is not None and each.context.hip_id is not None:
            patient_id = str(each.patient["id"])
            rows = links.contexts_of(tx, each.context.hip_id, patient_id, each.context.reference)
            watch.keep_content(tx, [row.id for row in rows], each.content)


def _is_to_link(
    adapter: Adapter,
    tx: Tx,
    each: _Context,
    rows: Sequence[links.ContextLink],
    known: dict[str, str | None],
) -> bool:
    """Whether there is a step to take: an HI type that has no link, or a link that waits for an
    ABHA address, or failed and either its content or the patient's record is another now."""
    if not {row.hi_type for row in rows}.issuperset(each.context.hi_types):
        return True
    states = {row.state for row in rows}
    if states & {CareContextLinkState.NO_ABHA, CareContextLinkState.PENDING}:
        return True
    failed = [row for row in rows if row.state is CareContextLinkState.FAILED]
    return any(known[row.id] != each.content for row in failed) or (
        bool(failed) and hip_linking.corrected(adapter, tx, failed[0].hip_id, each.patient)
    )


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
