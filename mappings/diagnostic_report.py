"""investigation -> DiagnosticReport, its Observations, Specimen, ServiceRequest and Media.

https://nrces.in/ndhm/fhir/r4/StructureDefinition/DiagnosticReportLab and DiagnosticReportImaging
"""

from __future__ import annotations

from typing import Any

from mappings.attachment import attachment, base64_text, media_type
from mappings.building import (
    concept,
    encounter_reference,
    instant,
    numbered,
    organization_reference,
    patient_reference,
    practitioner_reference,
    present,
    reference_to,
)
from mappings.hims import Attachment, Investigation
from mappings.ids import fhir_id
from mappings.resources import Resource
from mappings.results import results_of
from mappings.specimen import specimen_of
from mappings.terminology import IMAGING_SERVICES, SERVICES

# http://hl7.org/fhir/R4/valueset-diagnostic-report-status.html
_STATUSES = frozenset(
    {
        "registered",
        "partial",
        "preliminary",
        "final",
        "amended",
        "corrected",
        "appended",
        "cancelled",
        "entered-in-error",
    }
)


def to_fhir_diagnostic_report(investigation: Investigation) -> list[Resource]:
    """One report with its results; before it what it is based on.

    Results of one group become a panel (hasMember). PDFs and images are shown in `presentedForm`;
    images of an imaging report are its Media too. The status is unknown unless one is given.
    """
    about = present(
        subject=patient_reference(investigation), encounter=encounter_reference(investigation)
    )
    imaging = (investigation.category or "").strip().lower() in IMAGING_SERVICES
    order = _order(investigation, about)
    specimen = specimen_of(investigation)
    sample = investigation.specimen
    when = investigation.effective_date or (sample.collected_date if sample else None)
    status = _status(investigation)
    observations, results = results_of(
        investigation, about, status=status, imaging=imaging, when=when, specimen=specimen
    )
    media = _media(investigation, about) if imaging else []
    files = [f for f in map(_presented, investigation.files) if f]
    before = [r for r in (order, specimen) if r]
    report = {
        "resourceType": "DiagnosticReport",
        "id": fhir_id(investigation.facility, "investigation", investigation.id),
        "identifier": _identifiers(investigation),
        **present(basedOn=[reference_to(order)] if order else None),
        "status": status,
        **present(category=_category(investigation)),
        "code": _code(investigation),
        **about,
        **present(
            effectiveDateTime=when,
            # CARE's session is written when the results are.
            issued=instant(investigation.issued_date or investigation.created_date),
            performer=_performers(investigation),
            resultsInterpreter=_each(
                practitioner_reference(investigation, investigation.interpreted_by)
            ),
            specimen=[reference_to(specimen)] if specimen else None,
            result=[reference_to(r) for r in results],
            media=[{"link": reference_to(m)} for m in media],
            conclusion=_conclusion(investigation),
            conclusionCode=_conclusion_code(investigation),
            presentedForm=files,
        ),
    }
    return [*before, *observations, *media, report]


def _status(investigation: Investigation) -> str:
    written = (investigation.status or "").strip().lower()
    return written if written in _STATUSES else "unknown"


def _each(reference: dict[str, str] | None) -> list[dict[str, str]] | None:
    return [reference] if reference else None


def _identifiers(investigation: Investigation) -> list[dict[str, str]]:
    facility = investigation.facility
    made = [numbered(facility, "investigation", investigation.id)]
    if investigation.session and investigation.session != investigation.id:
        made.append(numbered(facility, "session", investigation.session))
    return made


def _code(investigation: Investigation) -> dict[str, Any]:
    """What the report is called; else the name of its only result or group."""
    name = investigation.name
    if not (name or investigation.code):
        groups = dict.fromkeys(v.group or v.name for v in investigation.values)
        name = next(iter(groups), None) if len(groups) == 1 else None
    name = name or investigation.category
    return concept(
        investigation, "investigation", name, investigation.code, investigation.system
    ) or {"text": "Investigation"}


def _category(investigation: Investigation) -> list[dict[str, Any]] | None:
    written = investigation.category
    if not written:
        return None
    known = SERVICES.get(written.strip().lower())
    codes = [dict(c) for c in known["coding"]] if known else None
    return [present(coding=codes, text=written)]


def _performers(investigation: Investigation) -> list[dict[str, str]]:
    """Who is responsible for the report: the person, the outside laboratory, the facility."""
    person = practitioner_reference(investigation, investigation.performed_by)
    outside = investigation.laboratory
    return [
        *([person] if person else []),
        *([{"display": outside}] if outside else []),
        organization_reference(investigation.facility),
    ]


def _conclusion(investigation: Investigation) -> str:
    parts = (investigation.conclusion, investigation.notes)
    return "\n".join(p for p in parts if p)


def _conclusion_code(investigation: Investigation) -> list[dict[str, Any]] | None:
    code, system = investigation.conclusion_code, investigation.conclusion_system
    words = investigation.conclusion
    return [concept(investigation, "conclusion", words, code, system)] if code else None


def _order(investigation: Investigation, about: dict[str, Any]) -> Resource | None:
    """Who asked for the investigation, if the HIMS says it."""
    requester = practitioner_reference(investigation, investigation.requested_by)
    if not (requester or investigation.requested_date):
        return None
    return {
        "resourceType": "ServiceRequest",
        "id": fhir_id(investigation.facility, "investigation", f"{investigation.id}\x1forder"),
        "status": "unknown",
        "intent": "order",
        "code": _code(investigation),
        **about,
        **present(authoredOn=investigation.requested_date, requester=requester),
    }


def _presented(file: Attachment) -> dict[str, Any] | None:
    data = base64_text(file.data) if file.data else None
    if data is None:
        return None
    kind = media_type(file.mime_type, data, file.name)
    return attachment(data, kind, title=file.name, created=file.created_date)


def _media(investigation: Investigation, about: dict[str, Any]) -> list[Resource]:
    """The images of an imaging report: what is there has been taken."""
    made = []
    for number, file in enumerate(investigation.files):
        content = _presented(file)
        if content and str(content.get("contentType", "")).startswith("image/"):
            made.append(
                {
                    "resourceType": "Media",
                    "id": fhir_id(
                        investigation.facility, "investigation", f"{investigation.id}\x1f{number}"
                    ),
                    "status": "completed",
                    **about,
                    **present(createdDateTime=file.created_date),
                    "content": content,
                }
            )
    return made
