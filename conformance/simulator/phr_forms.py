"""What the patient's pages read from forms and how they write dates; pure.

Days on a form are whole days in UTC.
"""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

from werkzeug.datastructures import MultiDict

from conformance.simulator.consent_manager import Narrowing
from conformance.simulator.lookups import PatientMistake
from conformance.simulator.state import ConsentRequest, Link


def visits_of(links: list[Link]) -> list[tuple[str, str, str, list[str]]]:
    """(hospital, reference, display, HI types), one per linked care context."""
    grouped: dict[tuple[str, str], tuple[str, str, str, list[str]]] = {}
    for link in links:
        key = (link.hip_id, link.care_context)
        visit = grouped.setdefault(key, (*key, link.display, []))
        if link.hi_type:
            visit[3].append(link.hi_type)
    return list(grouped.values())


def narrowing_of(
    asked: ConsentRequest, form: MultiDict[str, str]
) -> tuple[Narrowing, dict[str, Narrowing]]:
    """What the grant form allows of a request, in general and at each hospital chosen.

    Raises PatientMistake if it allows nothing. A visit on the form is `hospital:reference`, since
    two hospitals may use the same reference.
    """
    hi_types, visits = form.getlist("hi_type"), form.getlist("care_context")
    if not hi_types or not visits:
        raise PatientMistake("Allow at least one kind of record and one visit, or deny.")
    chosen: dict[str, list[str]] = {}
    for visit in visits:
        hip_id, _, reference = visit.partition(":")
        chosen.setdefault(hip_id, []).append(reference)
    # A day on the form is a whole day; the ends of the request itself may lie within one.
    allowed = Narrowing(
        hi_types,
        max(start_of_day(form.get("date_from", "")), asked.date_from),
        min(end_of_day(form.get("date_to", "")), asked.date_to),
        min(end_of_day(form.get("erase_at", "")), asked.erase_at),
        hip_ids=list(chosen),
    )
    return allowed, {
        hip_id: replace(allowed, care_contexts=references) for hip_id, references in chosen.items()
    }


def start_of_day(text: str) -> datetime:
    """Midnight UTC of a date as a form gives it; PatientMistake if it is none."""
    try:
        return datetime.combine(datetime.fromisoformat(text).date(), time.min, UTC)
    except ValueError as error:
        raise PatientMistake("Give each date as year-month-day.") from error


def end_of_day(text: str) -> datetime:
    """The last millisecond of a date as a form gives it."""
    return start_of_day(text) + timedelta(days=1, milliseconds=-1)


def day(when: datetime | str) -> str:
    """A date as a person reads it: 14 Aug 2026."""
    read = datetime.fromisoformat(when) if isinstance(when, str) else when
    return f"{read.day} {read:%b %Y}"


def moment(when: datetime | str) -> str:
    """A time as a person reads it: 14 Aug 2026, 10:05 UTC."""
    read = datetime.fromisoformat(when) if isinstance(when, str) else when
    return f"{day(read)}, {read:%H:%M} UTC"
