"""Dosage of a medicine as FHIR: structured where it is certain, and all of it as words. Pure."""

from __future__ import annotations

import re
from typing import Any

from mappings.building import listed, present, quantity
from mappings.hims import Prescription, TaperStep
from mappings.systems import UCUM
from mappings.terminology import FREQUENCIES, ROUTES

# "1 tablet(s)", "500 mg", "2.5 ml": a number and a unit as people write them.
_DOSE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([^\d\s].*?)?\s*\Z", re.ASCII)
# "1-0-1": doses in the morning, at noon (afternoon) and at night, as written in India.
_TIMES_OF_DAY = re.compile(r"([0-9])-([0-9])-([0-9])(?:-([0-9]))?\Z", re.ASCII)


def dosages(prescription: Prescription) -> list[dict[str, Any]]:
    """The dosage instructions of a prescription: one, or one per step of a tapering dose."""
    if prescription.taper:
        steps = enumerate(prescription.taper, start=1)
        return [d for d in (_step(prescription, s, n) for n, s in steps) if d]
    words = _words(prescription)
    if not words:
        return []
    as_needed = prescription.dosage_type == "PRN"
    reason = prescription.indicator
    return [
        {
            "text": words,
            **present(
                timing=timing(prescription.frequency, prescription.days)
                or _bounded(prescription.days),
                asNeededCodeableConcept={"text": reason} if as_needed and reason else None,
                asNeededBoolean=True if as_needed and not reason else None,
                route=_route(prescription),
                doseAndRate=_doses(prescription.base_dosage, prescription.target_dosage),
                maxDosePerPeriod=_most(prescription.max_dosage),
            ),
        }
    ]


def _step(prescription: Prescription, step: TaperStep, number: int) -> dict[str, Any] | None:
    frequency = step.frequency or prescription.frequency
    dosage = step.dosage or prescription.base_dosage
    parts = (
        dosage,
        _spoken(frequency),
        prescription.route,
        f"for {step.days} days" if step.days else None,
        f"from {step.start_date}" if step.start_date else None,
        step.instruction,
    )
    words = ", ".join(p for p in parts if p)
    if not words:
        return None
    when = timing(frequency, step.days) or {}
    if step.start_date:
        bounds = {"boundsPeriod": {"start": step.start_date}}
        repeat = {k: v for k, v in when.get("repeat", {}).items() if k != "boundsDuration"}
        when = {**when, "repeat": {**bounds, **repeat}}
    return {
        "sequence": number,
        "text": words,
        **present(timing=when, route=_route(prescription), doseAndRate=_doses(dosage, None)),
    }


def _route(prescription: Prescription) -> dict[str, Any] | None:
    written = prescription.route
    return listed(ROUTES.get((written or "").strip().upper()), written)


def timing(frequency: str | None, days: int | None) -> dict[str, Any] | None:
    """How often and how long as a FHIR Timing; words only where the frequency isn't certain.

    Args:
        frequency: CARE's FrequencyEnum, an abbreviation (TDS), or doses of a day ("1-0-1").
        days: for how many days.
    """
    repeat = _repeat(frequency)
    if repeat is None:
        return {"code": {"text": frequency}} if frequency else None
    bounds = _bounded(days) or {"repeat": {}}
    return {"repeat": {**bounds["repeat"], **repeat}, "code": {"text": _spoken(frequency)}}


def _bounded(days: int | None) -> dict[str, Any] | None:
    if not days:
        return None
    lasting = {"value": days, "unit": "days", "system": UCUM, "code": "d"}
    return {"repeat": {"boundsDuration": lasting}}


def _repeat(frequency: str | None) -> dict[str, Any] | None:
    written = (frequency or "").strip().upper()
    known = FREQUENCIES.get(written)
    if known:
        return {k: list(v) if isinstance(v, list) else v for k, v in known[1].items()}
    match = _TIMES_OF_DAY.match(written)
    if match:
        # "1-0-2" has no single dose for each time.
        given = [g for g in match.groups() if g and g != "0"]
        if len(set(given)) == 1:
            return {"frequency": len(given), "period": 1, "periodUnit": "d"}
    return None


def _spoken(frequency: str | None) -> str | None:
    return FREQUENCIES.get((frequency or "").strip().upper(), (frequency, {}))[0]


def _doses(base: str | None, target: str | None) -> list[dict[str, Any]] | None:
    """One dose, or the range of a titrated one, if both are numbers of the same unit."""
    low, high = dose(base), dose(target)
    if low and high and low["unit"] == high["unit"] and low["value"] < high["value"]:
        return [{"doseRange": {"low": low, "high": high}}]
    return [{"doseQuantity": low}] if low else None


def dose(written: str | None) -> dict[str, Any] | None:
    """A dose as people write it ("500 mg") as a Quantity; None if it isn't a number and a unit."""
    match = _DOSE.match(written) if written else None
    if not match or not match[2]:
        return None
    return quantity(float(match[1]), match[2].replace("(s)", ""))


def _most(written: str | None) -> dict[str, Any] | None:
    """CARE's maximum dosage is that of 24 hours."""
    most = dose(written)
    if most is None:
        return None
    return {
        "numerator": most,
        "denominator": {"value": 24, "unit": "hours", "system": UCUM, "code": "h"},
    }


def _words(prescription: Prescription) -> str:
    hours, days = prescription.min_hours_between_doses, prescription.days
    target, most = prescription.target_dosage, prescription.max_dosage
    parts = (
        prescription.base_dosage,
        f"up to {target}" if target else None,
        _spoken(prescription.frequency),
        prescription.route,
        "as needed" if prescription.dosage_type == "PRN" else None,
        f"for {prescription.indicator}" if prescription.indicator else None,
        f"for {days} days" if days else None,
        f"at most {most}" if most else None,
        f"at least {hours} hours between doses" if hours else None,
        prescription.instruction_on_titration,
    )
    return ", ".join(str(p) for p in parts if p)
