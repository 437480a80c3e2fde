"""How the linking of every visit stands: linked, waiting and why, failed and what to do.

Of one patient every visit and record is read anew from FHIR, so those without a link are told of
too, with the reason. Of the whole hospital: what is not linked yet, from our own tables.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import mappings
from adapter.flows import lookup
from adapter.flows.hip_linking import LinkReport, link_encounter
from adapter.flows.record_look import choice_of
from adapter.protocol.errors import NotFound
from adapter.rules import care_contexts, watching
from adapter.rules.link_status import LinkRow, standing
from adapter.runtime import Adapter
from adapter.stores import link_overview, watch

_NOTHING_TO_SHARE = "It holds nothing yet that ABDM has a document type for."
_SWITCHED_OFF = "WATCH_RECORDS is false: link it by `abdm-adapter link now`."


def of_patient(adapter: Adapter, patient_id: str, hip_ids: Collection[str]) -> list[dict[str, Any]]:
    """Every care context of a patient at these facilities, and those of no facility served.

    Raises NotFound (these facilities know no such patient), FhirUnavailable.
    """
    served = lookup.served_pairs(adapter)
    facility = lookup.only_facility(adapter, served)
    with adapter.db.reading() as tx:
        linked = {
            (each.hip_id, each.reference): each
            for each in link_overview.of_patient(tx, hip_ids, patient_id)
        }
    found = []
    for records in adapter.fhir.care_contexts_of(patient_id, facility=facility):
        hi_types = mappings.hi_types(records)
        context = care_contexts.care_context(records, hi_types, served)
        if context.hip_id is not None and context.hip_id not in hip_ids:
            continue
        known = linked.pop((context.hip_id or "", context.reference), None)
        choice = choice_of(adapter, served)
        why = watching.why_not(records.root, context.hip_id, choice, adapter.clock())
        why = why or ("" if hi_types else _NOTHING_TO_SHARE)
        why = why or ("" if adapter.config.watch_records else _SWITCHED_OFF)
        rows = known.rows if known else ()
        found.append(_shown(context.reference, context.display, context.hip_id, rows, why))
    for gone in linked.values():
        why = "Its record is no longer on the FHIR server."
        found.append(_shown(gone.reference, gone.display, gone.hip_id, gone.rows, why))
    if not found:
        raise NotFound("There is no patient with this id who has visits at your facilities.")
    return sorted(found, key=lambda each: str(each["reference"]))


def of_hospital(adapter: Adapter, hip_ids: Collection[str], *, limit: int) -> dict[str, Any]:
    """What is not linked yet at these facilities (`care_contexts`), how many links are in which
    state (`links`), how many visits and patients of all facilities are still to be looked at
    (`to_be_looked_at`), and which of them the FHIR server does not show (`unreadable`).

    Whose a record is that cannot be read, nobody knows unless it was linked before: who asks for
    some facilities only is told of those alone.
    """
    every = {hip_id for _, hip_id in lookup.served_pairs(adapter)}
    with adapter.db.reading() as tx:
        unreadable = watch.troubled(tx, None if every <= set(hip_ids) else hip_ids)
        return {
            "links": link_overview.counts(tx, hip_ids),
            "to_be_looked_at": watch.waiting(tx),
            "unreadable": [{"record": key, "why": sentence} for key, sentence in unreadable],
            "care_contexts": [
                {
                    "patient": each.patient_id,
                    **_shown(each.reference, each.display, each.hip_id, each.rows, ""),
                }
                for each in link_overview.unfinished(tx, hip_ids, limit=limit)
            ],
        }


def retry(
    adapter: Adapter, user: str, hip_ids: Collection[str], *, patient_id: str | None = None
) -> list[LinkReport]:
    """Link again what has failed, of one patient or of all; a report for each care context.

    Raises FhirUnavailable.
    """
    with adapter.db.reading() as tx:
        failed = link_overview.unfinished(tx, hip_ids, limit=100_000, failed_only=True)
    reports = []
    for each in failed:
        if patient_id not in (None, each.patient_id):
            continue
        record = care_contexts.resource_of(each.reference)
        try:
            reports.append(link_encounter(adapter, record, user, hip_ids=hip_ids))
        except NotFound as error:
            reports.append(
                LinkReport(each.reference, each.display, each.hip_id, sentence=str(error))
            )
    return reports


def _shown(
    reference: str, display: str, hip_id: str | None, rows: Collection[LinkRow], why_not: str
) -> dict[str, Any]:
    told = standing(list(rows), why_not)
    return {
        "reference": reference,
        "display": display,
        "hip_id": hip_id,
        "state": told.state,
        "why": told.why,
        "what_to_do": told.to_do,
        "hi_types": [{"hi_type": row.hi_type, "link": str(row.state)} for row in rows],
    }
