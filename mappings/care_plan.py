"""consultation -> CarePlan with the follow-up, and the Appointment that a follow-up date proposes.

https://nrces.in/ndhm/fhir/r4/StructureDefinition/CarePlan and Appointment
"""

from __future__ import annotations

from typing import Any

from mappings.building import annotation, present
from mappings.hims import Consultation
from mappings.ids import fhir_id
from mappings.resources import Resource

_FOLLOW_UP = "Follow-up visit"


def plan_of(
    consultation: Consultation, about: dict[str, Any], doctor: dict[str, str] | None
) -> list[Resource]:
    """The treatment plan, instructions, advice and follow-up; [] if the HIMS tells none.

    The HIMS doesn't say how far a plan is carried out: its status is unknown.
    """
    activities = []
    due = consultation.follow_up_date
    # CARE's review interval is in minutes; -1 is none.
    minutes = consultation.review_interval
    if due or (minutes and minutes > 0):
        words = f"{_FOLLOW_UP} within {_span(minutes)}" if minutes and minutes > 0 else _FOLLOW_UP
        detail = {
            "kind": "Appointment",
            "status": "unknown",
            **present(scheduledPeriod={"start": due} if due else None),
            "description": words,
        }
        activities.append({"detail": detail})
    notes = annotation(consultation.special_instruction, consultation.advice)
    if not (activities or notes or consultation.treatment_plan):
        return []
    plan = {
        "resourceType": "CarePlan",
        "id": fhir_id(consultation.facility, "consultation", f"{consultation.id}\x1fplan"),
        "status": "unknown",
        "intent": "plan",
        "title": "Treatment plan" if consultation.treatment_plan else "Advice",
        **present(description=consultation.treatment_plan),
        **about,
        **present(
            created=consultation.encounter_date, author=doctor, activity=activities, note=notes
        ),
    }
    return [plan, *_appointment(consultation, about, doctor)]


def _span(minutes: int) -> str:
    for size, unit in ((24 * 60, "days"), (60, "hours")):
        if minutes % size == 0:
            number = minutes // size
            return f"{number} {unit if number > 1 else unit[:-1]}"
    return f"{minutes} minutes"


def _appointment(
    consultation: Consultation, about: dict[str, Any], doctor: dict[str, str] | None
) -> list[Resource]:
    """A follow-up that is due and not yet booked: FHIR calls it proposed."""
    due = consultation.follow_up_date
    if not due:
        return []
    actors = [about["subject"], *([doctor] if doctor else [])]
    return [
        {
            "resourceType": "Appointment",
            "id": fhir_id(consultation.facility, "consultation", f"{consultation.id}\x1freview"),
            "status": "proposed",
            "description": f"{_FOLLOW_UP}, due {due[:10]}",
            "supportingInformation": [about["encounter"]],
            "requestedPeriod": [{"start": due}],
            "participant": [{"actor": a, "status": "needs-action"} for a in actors],
        }
    ]
