"""HIMS entities into the FHIR server: one transaction a batch, repeatable, in any order.

Ids are derived and writes are PUTs, so the same entity again changes nothing; a newer version
updates and removes what it no longer has; an older one that arrives late is left out. A record may
come before what it points to: the FHIR server makes a placeholder, which the later entity fills.
Versions are compared with what the FHIR server holds and written with If-Match, so of two writers
the one that read too early reads again. (Only when both create an entity at the same moment does
the last one count.)
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import tzinfo

import structlog

from adapter.faults import failure
from adapter.protocol.errors import Conflict, FhirConflict, FhirRejected
from adapter.rules import abha_patient, entities, entity_access, entity_batches
from adapter.rules.entities import Item, Mapped, Outcome, Result
from adapter.rules.entity_batches import Batch
from adapter.runtime import Adapter
from adapter.stores import abha_profiles, entity_resources
from mappings.hims import Fault
from mappings.ids import fhir_id
from mappings.resources import Resource, key

log = structlog.get_logger(__name__)

#: How often a batch is tried again because somebody else wrote one of its records meanwhile.
ATTEMPTS = 4

_NOT_YOURS = Fault(
    "facility",
    "is no facility that this key may act for; name it by its HFR id, or send the facility's own "
    "entity with hf_id first",
)
_CONFLICT = (
    "could not be stored, because something else changes the same records now, or still points to "
    "what fell away (HTTP 409); send it again"
)


def check(items: Iterable[Item], zone: tzinfo, *, coverage: bool = True) -> Iterator[list[Result]]:
    """Map entities and write nothing: the results of `store`, batch by batch, before storing."""
    for batch in _batches(items, zone, coverage):
        yield batch.results(each.result(Outcome.MAPPED) for each in batch.mapped)


def store(
    adapter: Adapter,
    items: Iterable[Item],
    may_act_for: Callable[[str], bool],
    *,
    coverage: bool = True,
) -> Iterator[list[Result]]:
    """Store entities; one list of results for each batch, as soon as that batch is stored.

    `may_act_for`: of the caller, for an HFR id. `coverage`: whether results say what became of each
    field. Refused entities are results too; the others of
    their batch go in. Raises FhirUnavailable: what was yielded is stored, the rest may be sent
    again as it is.
    """
    for batch in _batches(items, adapter.config.hims_zone, coverage):
        allowed = _allowed(adapter, batch.mapped, may_act_for)
        stored = {
            r.position: r
            for r in _store(adapter, [m for m in batch.mapped if m.position in allowed])
        }
        yield batch.results(
            stored.get(each.position) or each.result(Outcome.REFUSED, _NOT_YOURS)
            for each in batch.mapped
        )


def is_not_yours(result: Result) -> bool:
    """Whether an entity was refused only because of the caller's facilities."""
    return result.faults == (_NOT_YOURS,)


def _batches(items: Iterable[Item], zone: tzinfo, coverage: bool) -> Iterator[Batch]:
    return entity_batches.batches(_mapped(item, zone, coverage) for item in items)


def _mapped(item: Item, zone: tzinfo, coverage: bool) -> Mapped | Result:
    """One entity mapped; a fault of ours in one stops no other."""
    try:
        return entities.to_mapped(item, zone, coverage=coverage)
    except Exception as error:  # noqa: BLE001 - whatever it is, it concerns this entity only
        log.error("entity not mapped", kind=item.kind, **failure(error))
        sentence = (
            f"met a fault of the adapter ({type(error).__name__}); keep it, tell who maintains "
            "the adapter, and send it again after the correction"
        )
        return entities.refused(item, None, Fault("entity", sentence))


def _allowed(
    adapter: Adapter, mapped: list[Mapped], may_act_for: Callable[[str], bool]
) -> set[int]:
    """Positions of the entities whose facility the caller may act for."""
    organization_ids = {m.facility: fhir_id(m.facility, "facility", m.facility) for m in mapped}
    found = adapter.fhir.organizations_by_id(organization_ids.values())
    stored = {
        facility: entity_access.hfr_ids(found[each]) if each in found else frozenset[str]()
        for facility, each in organization_ids.items()
    }
    allowed, claimed = set[int](), defaultdict[str, frozenset[str]](frozenset)
    # Facilities first, since what belongs to one may stand before it in the list.
    for each in sorted(mapped, key=lambda m: m.kind != "facility"):
        own = entity_access.claimed_hfr_ids(each) or claimed[each.facility]
        if entity_access.may_be_stored(each, stored[each.facility], own, may_act_for):
            allowed.add(each.position)
            claimed[each.facility] |= own
    return allowed


def _store(adapter: Adapter, group: list[Mapped]) -> list[Result]:
    """Store in one transaction; one by one where the FHIR server refuses that."""
    fault = Fault("entity", _CONFLICT)
    for _ in range(ATTEMPTS if group else 0):
        try:
            return _transaction(adapter, group)
        except FhirConflict:
            continue
        except FhirRejected as error:
            fault = Fault("entity", str(error))
            break
    if len(group) == 1:
        return [group[0].result(Outcome.REFUSED, fault)]
    return [result for each in group for result in _store(adapter, [each])]


def _transaction(adapter: Adapter, group: list[Mapped]) -> list[Result]:
    """Compare with what is stored, write what is new. Raises FhirError; then nothing is written."""
    parts, stored = _stored(adapter, group)
    results, puts, gone = {}, dict[str, Resource](), dict[str, set[str]]()
    for each in group:
        own = {n: r for n, r in stored.items() if entities.source_of(r) == each.source}
        if entities.is_outdated(each, own.values()):
            results[each.own_id] = Outcome.OUTDATED
            continue
        results[each.own_id] = Outcome.UPDATED if own else Outcome.CREATED
        puts |= {key(r): r for r in each.to_write(stored)}
        made = {key(r) for r in each.resources}
        gone[each.own_id] = (parts[each.own_id] & own.keys()) - made
    puts = _with_abha(adapter, puts)
    written = adapter.fhir.write(
        [(resource, _version(stored.get(name))) for name, resource in puts.items()],
        sorted(name for names in gone.values() for name in names),
    )
    for each in group:
        keys = [key(r) for r in each.to_write(stored)]
        same = all(written.get(name) == _version(stored.get(name)) for name in keys)
        if results[each.own_id] is Outcome.UPDATED and same and not gone[each.own_id]:
            results[each.own_id] = Outcome.UNCHANGED
    return [each.result(results[each.own_id]) for each in group]


def _with_abha(adapter: Adapter, puts: dict[str, Resource]) -> dict[str, Resource]:
    """Patients keep the ABHA that was linked here when the HIMS, which may not know it, sends them
    again; where it states another number, its word stands."""
    patients = {r["id"]: name for name, r in puts.items() if r["resourceType"] == "Patient"}
    with adapter.db.reading() as tx:
        linked = abha_profiles.of_patients(tx, adapter, patients)
    kept = dict(puts)
    for patient_id, profile in linked.items():
        name = patients[patient_id]
        with suppress(Conflict):
            kept[name] = abha_patient.enriched(puts[name], profile)
    return kept


def _stored(
    adapter: Adapter, group: list[Mapped]
) -> tuple[dict[str, set[str]], dict[str, Resource]]:
    """The parts each entity ever had, and outlines of all that is stored of these entities."""
    made = {(each.own_id, part) for each in group for part in each.parts()}
    with adapter.db.reading() as tx:
        parts = entity_resources.of(tx, [each.own_id for each in group])
    if new := [(entity, part) for entity, part in made if part not in parts[entity]]:
        with adapter.db.transaction() as tx:
            entity_resources.add(adapter.db, tx, new)
    known = {part for names in parts.values() for part in names}
    return parts, adapter.fhir.outlines(known | {key(r) for e in group for r in e.resources})


def _version(outline: Resource | None) -> str | None:
    return outline["meta"].get("versionId") if outline else None
