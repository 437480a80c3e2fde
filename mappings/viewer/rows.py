"""What the viewer shows by type, and the sentences about what it does not show. Pure data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mappings.resources import Resource

#: Record types that the viewer has a table for, as a section's entries.
KINDS: Final = frozenset(
    {
        "AllergyIntolerance",
        "Appointment",
        "CarePlan",
        "Condition",
        "DiagnosticReport",
        "DocumentReference",
        "Immunization",
        "MedicationRequest",
        "Observation",
        "Procedure",
    }
)

#: Who, where and with what: the viewer names some of them beside a record, and shows none.
PEOPLE: Final = frozenset(
    {
        "CareTeam",
        "Device",
        "HealthcareService",
        "Location",
        "Organization",
        "Patient",
        "Practitioner",
        "PractitionerRole",
        "RelatedPerson",
    }
)

NO_PLACE: Final = "The viewer has no place for this kind of record."
NOT_NAMED: Final = "No section or report that is shown holds it."
CHANGED: Final = "It bears a mark that changes its meaning, which the viewer cannot show."
NAME_ONLY: Final = "Of people, places and devices at most the name is shown."
TEXT: Final = "The viewer shows the records of a section, not its text."
NOWHERE: Final = "A section names it, and the document does not hold it."
NO_FILE: Final = "The document names this file and does not hold it."


@dataclass(frozen=True)
class Row:
    """Something that a document holds. `why`: why the viewer does not show it; "" if it does."""

    kind: str
    title: str
    date: str
    why: str

    @property
    def of_people(self) -> bool:
        """Whether it is somebody or some place, rather than a record of care."""
        return self.kind in PEOPLE


def is_changed(record: Resource) -> bool:
    """True for a record that means something else than its main fields say."""
    return "modifierExtension" in record or record.get("doNotPerform") is True


def why_not(record: Resource) -> str:
    """Why the viewer does not show this record, given that it does not."""
    kind = record["resourceType"]
    if kind in PEOPLE:
        return NAME_ONLY
    if is_changed(record):
        return CHANGED
    return NOT_NAMED if kind in KINDS or kind in ("Composition", "Encounter") else NO_PLACE
