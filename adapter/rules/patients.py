"""What a Patient on record says about who it is. Pure; anything absent or unreadable is absent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from mappings import systems
from mappings.resources import as_list, codings, human_name

#: FHIR administrative gender for ABDM's letters; U says nothing, so it is compared with nothing.
GENDERS = {"M": "male", "F": "female", "O": "other", "T": "other", "D": "other", "U": "unknown"}
#: The letter that we send for each.
GENDER_LETTERS = {"male": "M", "female": "F", "other": "O", "unknown": "U"}


ABHA_DIGITS = 14


@dataclass(frozen=True)
class PatientFacts:
    """Identifiers, names, gender, birth year, and birth date where it is known to the day. ABHA
    numbers and mobiles are bare digits, ABHA addresses as written; the first of each is the one to
    use."""

    patient_id: str
    abha_addresses: tuple[str, ...] = ()
    abha_numbers: tuple[str, ...] = ()
    mobiles: tuple[str, ...] = ()
    record_numbers: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    gender: str | None = None
    birth_year: int | None = None
    birth_date: date | None = None


def digits(text: str) -> str:
    """The digits of a number, however it is written."""
    return "".join(c for c in text if c.isdigit() and c.isascii())


def mobile_digits(text: str) -> str:
    """The ten digits of an Indian mobile number, or "" if it isn't one."""
    found = digits(text)
    return found[-10:] if len(found) >= 10 else ""


def folded(text: str) -> str:
    """An ABHA address or record number for comparison: case and outer spaces do not matter."""
    return text.strip().casefold()


def read_patient(patient: dict[str, Any]) -> PatientFacts:
    """The facts of a FHIR Patient."""
    addresses: list[str] = []
    numbers: list[str] = []
    records: list[str] = []
    for identifier in as_list(patient.get("identifier")):
        system, value = identifier.get("system", ""), str(identifier.get("value", "")).strip()
        if not value or identifier.get("use") == "old":
            continue
        if system in (systems.ABHA_ADDRESS, systems.ABHA_NUMBER):
            # Some systems write both forms under one URL; only an address has an @.
            if "@" in value:
                addresses.append(value)
            elif len(digits(value)) == ABHA_DIGITS:
                numbers.append(digits(value))
        elif any(coding.get("code") == "MR" for coding in codings(identifier.get("type"))):
            records.append(value)
    mobiles = [
        mobile_digits(str(telecom.get("value", "")))
        for telecom in as_list(patient.get("telecom"))
        if telecom.get("system") in ("phone", "sms") and telecom.get("use") != "old"
    ]
    names = [human_name([name]) for name in as_list(patient.get("name"))]
    year = str(patient.get("birthDate", ""))[:4]
    return PatientFacts(
        patient_id=str(patient["id"]),
        abha_addresses=_distinct(addresses),
        abha_numbers=_distinct(numbers),
        mobiles=_distinct(mobiles),
        record_numbers=_distinct(records),
        names=_distinct(names),
        gender=patient.get("gender"),
        birth_year=int(year) if len(year) == 4 and year.isdigit() else None,
        birth_date=whole_date(patient.get("birthDate")),
    )


def _distinct(values: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for value in values if value))


def whole_date(text: object) -> date | None:
    """A date that is known to the day, None for a year or a month alone."""
    try:
        return date.fromisoformat(text) if isinstance(text, str) and len(text) == 10 else None
    except ValueError:
        return None
