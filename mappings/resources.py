"""Reading FHIR R4 resources as plain dictionaries: references, labels, status, dates.

Pure reading; nothing here changes a resource. Tolerant: foreign records may lack anything.
"""

from __future__ import annotations

import re
from typing import Any

from mappings.systems import HAPI_PLACEHOLDER, HFR_ID, TAG, TAG_RECEIVED

Resource = dict[str, Any]
_LITERAL = re.compile(r"([A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]+)?\Z")
_REFERENCE_KEYS = frozenset({"reference", "type", "identifier", "display", "id", "extension"})

# Where each type keeps the date on which the thing happened or was written, best first.
_DATE_FIELDS = (
    "effectiveDateTime",
    "effectiveInstant",
    "performedDateTime",
    "occurrenceDateTime",
    "authoredOn",
    "recordedDate",
    "onsetDateTime",
    "dateAsserted",
    "date",
    "issued",
    "created",
    "createdDateTime",
    "started",
    "receivedTime",
)
_PERIOD_FIELDS = ("effectivePeriod", "performedPeriod", "occurrencePeriod", "period")


def key(resource: Resource) -> str:
    """`Type/id`, the name under which other resources refer to this one."""
    return f"{resource.get('resourceType', '')}/{resource.get('id', '')}"


def reference_key(reference: object) -> str | None:
    """`Type/id` of a Reference or reference string; None unless it is a relative literal one.

    A version (`/_history/2`) is ignored. Absolute URLs name another server, `#x` a contained
    resource: neither is a record of this store.
    """
    if isinstance(reference, dict):
        reference = reference.get("reference")
    if not isinstance(reference, str):
        return None
    match = _LITERAL.match(reference)
    return match[1] if match else None


def is_reference(value: dict[str, Any]) -> bool:
    """True for a Reference with a literal `reference`."""
    return isinstance(value.get("reference"), str) and _REFERENCE_KEYS.issuperset(value)


def references(value: object) -> list[str]:
    """The keys of all records that a resource (or part of one) refers to, in no special order."""
    found = []
    pending = [value]
    while pending:
        each = pending.pop()
        if isinstance(each, dict):
            name = reference_key(each) if "reference" in each else None
            if name is not None:
                found.append(name)
            pending += [v for v in each.values() if isinstance(v, dict | list)]
        elif isinstance(each, list):
            pending += [v for v in each if isinstance(v, dict | list)]
    return found


def as_list(value: object) -> list[Any]:
    """A list as it is, one thing as a list of one, nothing as an empty list."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def codings(concept: object) -> list[dict[str, Any]]:
    """The codings of a CodeableConcept, or of each of a list of them."""
    found = []
    for each in as_list(concept):
        if isinstance(each, dict):
            found += [c for c in as_list(each.get("coding")) if isinstance(c, dict)]
    return found


def has_code(concept: object, codes: frozenset[tuple[str, str]]) -> bool:
    """True if a concept (or list of them) has one of these (system, code) pairs."""
    return any((c.get("system", ""), c.get("code", "")) in codes for c in codings(concept))


def concept_text(concept: object) -> str:
    """A CodeableConcept as a person reads it: its text, else a display, else a code; else ""."""
    if not isinstance(concept, dict):
        return ""
    if concept.get("text"):
        return str(concept["text"])
    found = codings(concept)
    for part in ("display", "code"):
        texts = [str(c[part]) for c in found if c.get(part)]
        if texts:
            return texts[0]
    return ""


def human_name(names: object) -> str:
    """A person's name as written: `text`, else prefix, given, family, suffix; "" if there is none.

    Of several names the official one, else the usual one, else the first is taken.
    """
    ranked = [n for n in as_list(names) if isinstance(n, dict)]
    ranked.sort(key=lambda n: {"official": 0, "usual": 1}.get(n.get("use", ""), 2))
    for name in ranked:
        if name.get("text"):
            return str(name["text"])
        parts = [
            *as_list(name.get("prefix")),
            *as_list(name.get("given")),
            name.get("family"),
            *as_list(name.get("suffix")),
        ]
        joined = " ".join(str(p) for p in parts if p)
        if joined:
            return joined
    return ""


def label(resource: Resource) -> str:
    """What to call a resource in a reference's `display` or a list: never empty."""
    kind = str(resource.get("resourceType", "Record"))
    text = ""
    if kind in ("Patient", "Practitioner", "RelatedPerson"):
        text = human_name(resource.get("name"))
    elif kind in ("Organization", "Location", "HealthcareService"):
        text = str(resource.get("name") or "")
    elif kind == "PractitionerRole":
        text = _display(resource.get("practitioner")) or _first_text(resource.get("code"))
    elif kind == "Encounter":
        text = _first_text(resource.get("type")) or str(
            (resource.get("class") or {}).get("display", "")
        )
    elif kind in ("MedicationRequest", "MedicationStatement"):
        text = concept_text(resource.get("medicationCodeableConcept")) or _display(
            resource.get("medicationReference")
        )
    elif kind == "DocumentReference":
        titles = [
            (c.get("attachment") or {}).get("title") for c in as_list(resource.get("content"))
        ]
        text = str(resource.get("description") or "") or next((t for t in titles if t), "")
        text = text or concept_text(resource.get("type"))
    elif kind == "Appointment":
        text = str(resource.get("description") or "") or _first_text(resource.get("serviceType"))
    elif kind == "FamilyMemberHistory":
        text = concept_text(resource.get("relationship"))
    elif kind == "CarePlan":
        text = str(resource.get("title") or resource.get("description") or "")
    elif kind == "Immunization":
        text = concept_text(resource.get("vaccineCode"))
    elif kind == "ImmunizationRecommendation":
        wanted = [r for r in as_list(resource.get("recommendation")) if isinstance(r, dict)]
        text = ", ".join(filter(None, (recommended(r) for r in wanted)))
    elif kind == "Invoice":
        numbers = [i.get("value") for i in as_list(resource.get("identifier"))]
        text = " ".join(str(n) for n in ("Invoice", next(filter(None, numbers), "")) if n)
    elif kind == "Media":
        text = str((resource.get("content") or {}).get("title") or "")
        text = text or concept_text(resource.get("modality"))
    elif kind == "Specimen":
        text = concept_text(resource.get("type"))
    elif kind == "ImagingStudy":
        text = str(resource.get("description") or "") or _first_text(resource.get("procedureCode"))
    else:
        text = concept_text(resource.get("code"))
    return text.strip() or kind


def recommended(recommendation: dict[str, Any]) -> str:
    """What one entry of an ImmunizationRecommendation recommends: the vaccine, else the disease."""
    return _first_text(recommendation.get("vaccineCode")) or concept_text(
        recommendation.get("targetDisease")
    )


def _display(reference: object) -> str:
    return str(reference.get("display") or "") if isinstance(reference, dict) else ""


def _first_text(concepts: object) -> str:
    return next((t for t in map(concept_text, as_list(concepts)) if t), "")


def has_hfr_id(organization: Resource) -> bool:
    """True for an Organization with an HFR id of its own."""
    return any(
        i.get("system") == HFR_ID and i.get("value")
        for i in as_list(organization.get("identifier"))
        if isinstance(i, dict)
    )


def is_placeholder(resource: Resource) -> bool:
    """True for a stub that HAPI made for a reference; never a record."""
    extensions = as_list(resource.get("extension")) + as_list(
        (resource.get("meta") or {}).get("extension")
    )
    return any(isinstance(e, dict) and e.get("url") == HAPI_PLACEHOLDER for e in extensions)


def is_received(resource: Resource) -> bool:
    """True for a record that came from another HIP under a consent; never our own to give."""
    tags = as_list((resource.get("meta") or {}).get("tag"))
    return any(t.get("system") == TAG and t.get("code") == TAG_RECEIVED for t in tags)


def is_outline(resource: Resource) -> bool:
    """True for a record read without all its elements (`_elements`), which servers mark so."""
    tags = as_list((resource.get("meta") or {}).get("tag"))
    return any(t.get("code") == "SUBSETTED" for t in tags if isinstance(t, dict))


def attachments_of(resource: Resource) -> list[dict[str, Any]]:
    """The files of a record, wherever its type keeps them."""
    kind = resource.get("resourceType")
    if kind == "DocumentReference":
        found = [c.get("attachment") for c in as_list(resource.get("content"))]
    elif kind == "DiagnosticReport":
        found = as_list(resource.get("presentedForm"))
    elif kind == "Media":
        found = [resource.get("content")]
    else:
        found = []
    return [a for a in found if isinstance(a, dict)]


def is_error(resource: Resource) -> bool:
    """True for a record marked entered-in-error."""
    if resource.get("status") == "entered-in-error":
        return True
    return any(
        c.get("code") == "entered-in-error" for c in codings(resource.get("verificationStatus"))
    )


def clinical_date(resource: Resource) -> str:
    """When it happened or was written, as the record states it (ISO 8601); "" if it doesn't."""
    for name in _DATE_FIELDS:
        if isinstance(resource.get(name), str):
            return str(resource[name])
    for name in _PERIOD_FIELDS:
        period = resource.get(name)
        if isinstance(period, dict) and isinstance(period.get("start"), str):
            return str(period["start"])
    return ""


def encounters_of(resource: Resource) -> list[str]:
    """The encounters a record says it belongs to (`Encounter/id`), in all R4 spellings."""
    found = [reference_key(r) for r in as_list(resource.get("encounter"))]
    context = resource.get("context")
    if isinstance(context, dict):
        # MedicationStatement.context is the reference; DocumentReference.context holds them.
        found.append(reference_key(context))
        found += [reference_key(r) for r in as_list(context.get("encounter"))]
    return [f for f in found if f and f.startswith("Encounter/")]


def subject_of(resource: Resource) -> str | None:
    """The patient a record is about (`Patient/id`); None if it names none."""
    for name in ("subject", "patient"):
        found = reference_key(resource.get(name))
        if found:
            return found
    for participant in as_list(resource.get("participant")):
        actor = reference_key(participant.get("actor")) if isinstance(participant, dict) else None
        if actor and actor.startswith("Patient/"):
            return actor
    return None
