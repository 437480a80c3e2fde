"""By HI type: whole care contexts of foreign records, in a visit and alone."""

from __future__ import annotations

from tests.unit.mappings.foreign import (
    Resource,
    file,
    imaging_report,
    immunizations,
    invoice,
    lab_report,
    people,
    slip,
    stay,
    summary_file,
    taken,
    wellness,
)
from tests.unit.mappings.samples import encounter, everything, medication_request


def whole_stay() -> list[Resource]:
    """A stay with everything: the visit of `samples` as a stay, reports, files, a statement."""
    rest = [r for r in everything() if r["resourceType"] != "Encounter"]
    return [
        stay(),
        *rest,
        *lab_report(),
        *imaging_report(),
        file(),
        summary_file(),
        taken(),
    ]


#: By HI type: the records of one care context that offers it, visit and stand-alone.
BY_TYPE: dict[str, dict[str, list[Resource]]] = {
    "DiagnosticReport": {
        "in a visit": [encounter(), *people(), *lab_report(), *imaging_report()],
        "laboratory alone": [*people(), *lab_report(visit=False)],
        "imaging alone": [*people(), *imaging_report(visit=False)],
    },
    "ImmunizationRecord": {
        "in a visit": [encounter(), *people(), *immunizations()],
        "alone": [*people(), *immunizations(visit=False)],
    },
    "HealthDocumentRecord": {
        "in a visit": [
            encounter(reasonCode=None),
            *people(),
            file(),
            file("f2", status=None, type=None, content=file()["content"] * 2),
        ],
        "alone": [*people(), file(visit=False)],
    },
    "WellnessRecord": {
        "in a visit": [encounter(reasonCode=None), *people(), *wellness()],
        "alone": [*people(), *wellness(visit=False)[:-1]],
    },
    "Invoice": {
        "in a visit": [encounter(), *people(), *invoice(), *invoice("b2", identifier=None)],
        "alone": [*people(), *invoice(visit=False)],
        "bare": [
            *people(),
            invoice(visit=False, lineItem=None, date=None, totalGross=None, type={"text": "X"})[0],
        ],
    },
    "Prescription": {
        "two slips": [encounter(), *people(), medication_request(), slip(), slip("slip2")]
    },
    "DischargeSummary": {"a whole stay": whole_stay()},
}
