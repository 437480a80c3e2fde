"""WellnessRecord: vital signs, measurements, activity, assessments, women's health, lifestyle.

https://nrces.in/ndhm/fhir/r4/StructureDefinition/WellnessRecord, whose sections are known by title
and ask for Observations of one NRCeS profile each. A care context that holds
nothing of a consultation is a wellness record as a whole, its files included; of any other visit
the observations that have a section here stand here too.
"""

from __future__ import annotations

from mappings.documents.attachments import readable
from mappings.documents.diagnostic_report import results_of
from mappings.documents.kinds import Content, DocumentType, Part, Section, named_authors, treating
from mappings.documents.visit import SHARED_TYPES, Visit
from mappings.documents.wellness_codes import (
    BODY_MEASUREMENT,
    GENERAL_ASSESSMENT,
    LIFESTYLE,
    PHYSICAL_ACTIVITY,
    VITAL_SIGNS,
    WELLNESS_CODES,
    WOMEN_HEALTH,
)
from mappings.resources import Resource, codings, has_code, key
from mappings.systems import OBSERVATION_CATEGORY

# Section title -> the NRCeS profile that its entries claim.
_NAMED = {
    title: Section(title, entry_profile=profile)
    for title, profile in (
        (VITAL_SIGNS, "ObservationVitalSigns"),
        (BODY_MEASUREMENT, "ObservationBodyMeasurement"),
        (PHYSICAL_ACTIVITY, "ObservationPhysicalActivity"),
        (GENERAL_ASSESSMENT, "ObservationGeneralAssessment"),
        (WOMEN_HEALTH, "ObservationWomenHealth"),
        (LIFESTYLE, "ObservationLifestyle"),
    )
}
OTHER_OBSERVATIONS = Section("Other Observations")
DOCUMENTS = Section("Document Reference")

# The value types that each section's profile allows; a dateTime is told as a string where strings
# are allowed (`fit_wellness`), as an LMP often is.
_QUANTITY_OR_STRING = frozenset({"valueQuantity", "valueString", "valueDateTime"})
_VALUES: dict[str, frozenset[str]] = {
    VITAL_SIGNS: _QUANTITY_OR_STRING,
    BODY_MEASUREMENT: _QUANTITY_OR_STRING,
    PHYSICAL_ACTIVITY: _QUANTITY_OR_STRING,
    WOMEN_HEALTH: _QUANTITY_OR_STRING,
    GENERAL_ASSESSMENT: frozenset({"valueQuantity", "valueCodeableConcept"}),
    LIFESTYLE: frozenset({"valueCodeableConcept"}),
}
#: Profiles that allow no dateTime as a value, but a string.
STRING_FOR_DATE = frozenset(
    s.entry_profile for title, s in _NAMED.items() if _VALUES[title] is _QUANTITY_OR_STRING
)
_VITAL = frozenset({(OBSERVATION_CATEGORY, "vital-signs")})
# Observation.category of what was investigated: it belongs to a report, or to the consultation.
_INVESTIGATED = frozenset(
    (OBSERVATION_CATEGORY, code) for code in ("laboratory", "imaging", "procedure")
)
# Observation.category of what is wellness by its kind, whatever its code.
_OF_WELLNESS = frozenset(
    (OBSERVATION_CATEGORY, code) for code in ("activity", "social-history", "survey", "vital-signs")
)
# What makes a visit more than a measurement.
_OF_A_CONSULTATION = frozenset(
    {
        "AllergyIntolerance",
        "Appointment",
        "CarePlan",
        "Condition",
        "FamilyMemberHistory",
        "MedicationRequest",
        "MedicationStatement",
        "Procedure",
        "ServiceRequest",
    }
)


def section_of(observation: Resource) -> Section | None:
    """The section of the profile that an Observation belongs to by its code and value, or None."""
    title = _title(observation)
    if title is None and has_code(observation.get("category"), _VITAL):
        title = VITAL_SIGNS
    if title is None:
        return None
    values = {name for name in observation if name.startswith("value")}
    return _NAMED[title] if values <= _VALUES[title] else None


def _title(observation: Resource) -> str | None:
    for each in codings(observation.get("code")):
        named = WELLNESS_CODES.get((str(each.get("system")), str(each.get("code"))))
        if named:
            return named[0]
    return None


def _is_wellness(observation: Resource) -> bool:
    """True for what is wellness by its code or category, and wasn't investigated."""
    category = observation.get("category")
    if has_code(category, _INVESTIGATED):
        return False
    return _title(observation) is not None or has_code(category, _OF_WELLNESS)


def fit_wellness(observation: Resource) -> None:
    """Make a document's own copy satisfy its section's profile: a dateTime told as a string."""
    if "valueDateTime" in observation:
        observation["valueString"] = observation.pop("valueDateTime")


def _parts(visit: Visit) -> list[Part]:
    reported = results_of(visit, visit.of("DiagnosticReport"))
    observations = [o for o in visit.of("Observation") if key(o) not in reported]
    sections: dict[str, list[Resource]] = {t: [] for t in (*_NAMED, OTHER_OBSERVATIONS.title)}
    alone = visit.root["resourceType"] == "Observation"
    for observation in observations:
        section = section_of(observation)
        if alone or _is_wellness(observation):
            sections[(section or OTHER_OBSERVATIONS).title].append(observation)
    if not alone and not any(sections[title] for title in _NAMED):
        return []
    files, unread = readable(visit)
    if not _nothing_else(visit):
        sections[OTHER_OBSERVATIONS.title], files, unread = [], (), ()
    return [
        Part(
            [
                *(Content(section, tuple(sections[t])) for t, section in _NAMED.items()),
                Content(OTHER_OBSERVATIONS, tuple(sections[OTHER_OBSERVATIONS.title])),
                Content(DOCUMENTS, files, unread),
            ]
        )
    ]


def _nothing_else(visit: Visit) -> bool:
    """True if nothing makes the care context a consultation."""
    kinds = {r["resourceType"] for r in visit.members}
    return not (kinds & _OF_A_CONSULTATION or visit.root.get("reasonCode"))


def _authors(visit: Visit, _part: Part) -> list[str]:
    """Who measured (also the patient); else who treated the patient."""
    measured = named_authors(visit, *(o.get("performer") for o in visit.of("Observation")))
    people = [n for n in measured if not n.startswith("Organization/")]
    return people or treating(visit) or measured


WELLNESS = DocumentType(
    hi_type="WellnessRecord",
    profile="WellnessRecord",
    code="",
    display="Wellness Record",
    title="Wellness record",
    parts=_parts,
    authors=_authors,
    roots=frozenset({"Encounter", "Observation"}),
    follows=SHARED_TYPES | {"DocumentReference", "Media", "Observation"},
)
