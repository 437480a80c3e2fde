"""procedure, and the procedures that a consultation lists -> Procedure.

https://nrces.in/ndhm/fhir/r4/StructureDefinition/Procedure
"""

from __future__ import annotations

from typing import Any

from mappings.building import (
    annotation,
    concept,
    encounter_reference,
    patient_reference,
    practitioner_reference,
    present,
)
from mappings.hims import Consultation, Procedure
from mappings.ids import fhir_id
from mappings.resources import Resource

# http://hl7.org/fhir/R4/valueset-event-status.html
_STATUSES = frozenset(
    {
        "preparation",
        "in-progress",
        "not-done",
        "on-hold",
        "stopped",
        "completed",
        "entered-in-error",
    }
)


def to_fhir_procedure(procedure: Procedure) -> list[Resource]:
    """One Procedure; its status is unknown unless the HIMS gives one of FHIR's."""
    performer = practitioner_reference(procedure, procedure.performed_by)
    recorder = practitioner_reference(procedure, procedure.created_by)
    written = (procedure.status or "").lower().replace("_", "-").replace(" ", "-")
    performed: dict[str, Any] = present(performedDateTime=procedure.time)
    if procedure.end_time:
        performed = {
            "performedPeriod": present(start=procedure.time, end=procedure.end_time),
        }
    return [
        {
            "resourceType": "Procedure",
            "id": fhir_id(procedure.facility, "procedure", procedure.id),
            "status": written if written in _STATUSES else "unknown",
            **present(
                code=concept(
                    procedure, "procedure", procedure.procedure, procedure.code, procedure.system
                )
            ),
            "subject": patient_reference(procedure),
            **present(encounter=encounter_reference(procedure)),
            **performed,
            **present(
                recorder=recorder,
                performer=[{"actor": performer}] if performer else None,
                reasonCode=[{"text": procedure.reason}] if procedure.reason else None,
                bodySite=[{"text": procedure.body_site}] if procedure.body_site else None,
                outcome={"text": procedure.outcome} if procedure.outcome else None,
                note=annotation(
                    repeated(procedure.repetitive, procedure.frequency), procedure.notes
                ),
            ),
        }
    ]


def repeated(repetitive: bool, frequency: str | None) -> str | None:
    """CARE's frequency of a repeated procedure or test, in words."""
    return f"Repeated every {frequency}" if repetitive and frequency else None


def procedures_of(consultation: Consultation, about: dict[str, Any]) -> list[Resource]:
    """The procedures that a consultation lists, and its operation; whether they were done the HIMS
    doesn't say: status unknown."""
    listed: list[dict[str, Any]] = [
        {
            "code": {"text": each.procedure},
            **about,
            **present(
                performedDateTime=each.time,
                note=annotation(repeated(each.repetitive, each.frequency), each.notes),
            ),
        }
        for each in consultation.procedure
        if each.procedure
    ]
    if consultation.operation:
        listed.append({"code": {"text": consultation.operation}, **about})
    return [
        {
            "resourceType": "Procedure",
            "id": fhir_id(
                consultation.facility, "consultation", f"{consultation.id}\x1fprocedure {number}"
            ),
            "status": "unknown",
            **each,
        }
        for number, each in enumerate(listed)
    ]
