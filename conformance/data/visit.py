"""One visit's table with what every record of it shares: ids, times, references, language.

Pure; makes no particular kind of resource (``observations.py``, ``records.py``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Any

from conformance.data.catalogue import Resource, has_devanagari

IST = timezone(timedelta(hours=5, minutes=30))
TODAY = date(2026, 11, 23)
"""The day on which the demo hospital's tables end: appointments after it are still to come."""

VISIT_KEYS = frozenset(
    ("at", "key", "kind", "status", "minutes", "days", "facility", "doctor", "encounter", "reason")
    + ("history", "examination", "diagnoses", "vitals", "reports", "drugs", "procedures", "orders")
    + ("vaccines", "advice", "follow_up", "note", "scans", "discharge", "bills", "due")
)
"""Keys a visit may have; only ``at`` must be there. ``kind`` is an ActEncounterCode (AMB by
default), ``minutes`` or ``days`` its length; ``key`` replaces the date in ids where
a day has two visits."""


@dataclass(frozen=True)
class Visit:
    """One ``[[visits]]`` table with what it takes from the patient: number, facility, all days."""

    patient_number: str
    facility: str
    days_seen: frozenset[date]
    table: Mapping[str, Any]

    @property
    def start(self) -> datetime:
        """When it began, in Indian Standard Time."""
        at: datetime = self.table["at"]
        return at.replace(tzinfo=IST)

    @property
    def end(self) -> datetime | None:
        """When it ended; nothing while it goes on."""
        if self.status == "in-progress":
            return None
        days, minutes = self.table.get("days", 0), self.table.get("minutes", 20)
        return self.start + (timedelta(days=days) if days else timedelta(minutes=minutes))

    @property
    def status(self) -> str:
        """The Encounter's status."""
        return str(self.table.get("status", "finished"))

    @property
    def in_error(self) -> bool:
        """Whether the visit was entered in error."""
        return self.status == "entered-in-error"

    @property
    def key(self) -> str:
        """What names it in ids: record number and date."""
        return f"{self.patient_number}-{self.table.get('key', self.start.strftime('%Y%m%d'))}"

    @property
    def patient(self) -> Resource:
        """Reference to the patient."""
        return {"reference": f"Patient/pat-{self.patient_number}"}

    @property
    def doctor(self) -> Resource | None:
        """Reference to the doctor, if one was recorded."""
        key = self.table.get("doctor")
        return {"reference": f"Practitioner/doctor-{key}"} if key else None

    @property
    def organization(self) -> Resource | None:
        """Reference to the facility, if one was recorded."""
        key = self.table.get("facility", self.facility)
        return {"reference": f"Organization/org-{key}"} if key else None

    @property
    def encounter(self) -> Resource | None:
        """Reference to the Encounter, unless the records stand alone."""
        alone = self.table.get("encounter", True) is False
        return None if alone else {"reference": f"Encounter/enc-{self.key}"}

    def make(self, kind: str, name: str, **elements: Any) -> Resource:
        """Return a resource of this visit; elements that are None or empty are left out."""
        resource: Resource = {"resourceType": kind, "id": f"{name.replace('_', '-')}-{self.key}"}
        if has_devanagari(repr(elements)):
            resource["language"] = "hi"
        return resource | {k: v for k, v in elements.items() if v not in (None, "", [], {})}


def reference(resource: Resource) -> Resource:
    """Return the literal reference to a resource."""
    return {"reference": f"{resource['resourceType']}/{resource['id']}"}


def as_list(one: Resource | None) -> list[Resource]:
    """Return a list of the one, empty where it is missing."""
    return [one] if one else []
