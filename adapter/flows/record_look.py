"""Looks at what the record watch has found: which links a visit or patient should have, and has.

A visit is read with all it holds, a patient with every care context. What should be linked and is
not goes to `hip_linking`; what has changed since it was linked is told to ABDM; what ended is
withdrawn (`link_changes`). One bad record stops no other, and a visit that was stored before its
patient waits for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog

import mappings
from adapter.faults import failure
from adapter.flows import hip_linking, link_changes, lookup
from adapter.protocol.errors import FhirRejected, FhirUnavailable
from adapter.rules import care_contexts, watching
from adapter.rules.care_contexts import CareContext
from adapter.rules.states import CareContextLinkState
from adapter.rules.watching import Choice
from adapter.runtime import Adapter
from adapter.stores import links, watch
from adapter.stores.db import Tx
from adapter.stores.fhir_parts import is_own
from adapter.stores.fhir_visits import BATCH
from adapter.stores.watch import Item
from mappings.records import Records
from mappings.resources import key, subject_of

log = structlog.get_logger(__name__)

#: How long something waits that cannot be read.
AFTER_REFUSAL = timedelta(hours=1)
#: Patients looked at in one go: each is several searches.
PATIENTS = 5

#: A visit may be stored before its patient; how long and how often the patient is waited for.
FIRST_WAIT = timedelta(minutes=10)
LONGEST_WAIT = timedelta(days=1)
LOOKS_FOR_PATIENT = 30

_NO_PATIENT = "A visit names this Patient, who is not on the FHIR server yet."
_UNFORESEEN = "It could not be read in an unforeseen way; the log has the reason."


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
        watch.plan_queue(tx, now + timedelta(seconds=adapter.config.watch_sweep_seconds))


def _look_at(adapter: Adapter, items: Sequence[Item]) -> None:
    """Look at these in one go; where that fails, at each alone, so that one bad record stops no
    other. Raises FhirUnavailable."""
    try:
        _look_together(adapter, items)
    except FhirUnavailable:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a foreign record brings about
        if len(items) > 1:
            for item in items:
                _look_at(adapter, [item])
            return
        log.error("the record watch cannot read a record", key=items[0].key, **failure(error))
        sentence = str(error) if isinstance(error, FhirRejected) else _UNFORESEEN
        with adapter.db.transaction() as tx:
            watch.postpone(tx, items[0], adapter.clock() + AFTER_REFUSAL, sentence)


def _look_together(adapter: Adapter, items: Sequence[Item]) -> None:
    served = lookup.served_pairs(adapter)
    facility = lookup.only_facility(adapter, served)
    found = _found(adapter, items, facility)
    patients = {item.key: _patient(adapter, item) for item in items if _of_patient(item)}
    gone = {item.key for item in items if not _of_patient(item)}
    gone -= {key(records.root) for _, records in found}
    orphans = {
        subject: item
        for item, records in found
        if not _has_patient(records) and (subject := subject_of(records.root))
    }
    read = [_read(adapter, served, item, each) for item, each in found if _has_patient(each)]
    with adapter.db.transaction() as tx:
        _follow(adapter, tx, patients, gone, read)
        _note(adapter, tx, read)
        _await_patients(adapter, tx, items, patients, orphans)
    adapter.wake()


def _has_patient(records: Records) -> bool:
    return records.patient is not None and is_own(records.patient)


def _await_patients(
    adapter: Adapter,
    tx: Tx,
    items: Sequence[Item],
    patients: Mapping[str, dict[str, Any] | None],
    orphans: Mapping[str, Item],
) -> None:
    """The items are done, save that visits which were stored before their patient wait for them:
    looked at as soon as they are written, and now and then in any case."""
    now = adapter.clock()
    for item in items:
        missing = item.key in patients and patients[item.key] is None
        if missing and 0 < item.attempts < LOOKS_FOR_PATIENT:
            wait = min(FIRST_WAIT * 2 ** min(item.attempts, 20), LONGEST_WAIT)
            watch.postpone(tx, item, now + wait, _NO_PATIENT)
        else:
            watch.done(tx, [item])
    for name, item in orphans.items():
        watch.await_(
            tx, name, now + FIRST_WAIT, _NO_PATIENT, requester=item.requester, any_age=item.any_age
        )


def _of_patient(item: Item) -> bool:
    return item.key.startswith("Patient/")


def _patient(adapter: Adapter, item: Item) -> dict[str, Any] | None:
    return adapter.fhir.patient(item.key.partition("/")[2])


def _follow(
    adapter: Adapter,
    tx: Tx,
    patients: Mapping[str, dict[str, Any] | None],
    gone: Iterable[str],
    read: Sequence[_Context],
) -> None:
    """Bring links in line with patients and records that have changed (`link_changes`)."""
    for name, patient in patients.items():
        if patient is None:
            link_changes.patient_gone(adapter, tx, name.partition("/")[2])
    for name in gone:
        sentence = f"{name} is not on the FHIR server any more."
        link_changes.record_ended(adapter, tx, name.replace("/", "-", 1), sentence)
    changed = {each.patient["id"]: each.patient for each in read}
    changed |= {patient["id"]: patient for patient in patients.values() if patient is not None}
    for patient in changed.values():
        link_changes.patient_changed(adapter, tx, patient)
    for each in read:
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
) -> _Context:
    context = care_contexts.care_context(records, mappings.hi_types(records), served)
    choice = choice_of(adapter, served, any_age=item.any_age)
    reason = watching.why_not(records.root, context.hip_id, choice, adapter.clock())
    content = watching.content_of(records)
    return _Context(records.patient or {}, context, item.requester, reason, content)


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


def _note(adapter: Adapter, tx: Tx, found: Sequence[_Context]) -> None:
    """Have linked what isn't yet, and have ABDM told of what has changed since it was linked."""
    for requester in dict.fromkeys(each.requester for each in found):
        wanted = []
        for each in found:
            if each.requester != requester or each.context.hip_id is None:
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
        if each.context.hip_id is not None:
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
