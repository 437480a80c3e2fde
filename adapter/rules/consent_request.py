"""May this consent request leave, and is what a patient granted what we asked for? Pure.

`read` checks everything that ABDM would refuse, before any call (case HIU_FLOW_101): every fault is
one sentence that names the field. Field names and defaults are those of the specification's
ConsentRequest. Whether an ABHA address exists cannot be asked in M3: V3 has no such message, and
ABDM answers the request itself with ABDM-1012 or 9999 (no such address), 1170 (malformed) or 1407
(deactivated); the request then fails with that reason.

`differences` compares a fetched artefact with the request. A patient may narrow HI types, dates,
visits and access; wider or other means that it isn't the answer to what was asked, and nothing is
fetched under it. The erase date is the patient's word alone: it opens no further record.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from adapter.protocol import ids, timestamps
from adapter.protocol.errors import MalformedRequest
from adapter.protocol.messages import (
    CareContextRef,
    ConsentArtefact,
    ConsentRequestInit,
    DateRange,
    Frequency,
    Permission,
    Requester,
)

#: V3 contract 12.2: a code and its text are sent as a pair.
PURPOSES = {
    "CAREMGT": "Care Management",
    "BTG": "Break the Glass",
    "PUBHLTH": "Public Health",
    "HPAYMT": "Healthcare Payment",
    "DSRCH": "Disease Specific Healthcare Research",
    "PATRQT": "Self Requested",
}
HI_TYPES = (
    "Prescription",
    "DiagnosticReport",
    "OPConsultation",
    "DischargeSummary",
    "ImmunizationRecord",
    "HealthDocumentRecord",
    "WellnessRecord",
    "Invoice",
)
ACCESS_MODES = ("VIEW", "STORE", "QUERY", "STREAM")
FREQUENCY_UNITS = ("HOUR", "DAY", "WEEK", "MONTH", "YEAR")

FIELDS = (
    "patient_abha",
    "purpose",
    "hi_types",
    "hip",
    "hiu",
    "care_contexts",
    "requester",
    "requester_identifier",
    "access_mode",
    "from_time",
    "to_time",
    "expiry",
    "frequency_unit",
    "frequency_value",
    "frequency_repeats",
)

#: The specification's defaults: the last 30 days, to be erased in 30 days, one pull an hour.
SPAN = timedelta(days=30)

LONGEST_TEXT = 255
LARGEST_NUMBER = 32767
_SERVICE_ID = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_-]{0,62}[A-Za-z0-9])?")
_FREE_TEXT = re.compile(r"[a-zA-Z0-9_\-@,. \":/]{1,255}")
_IDENTIFIER = ("type", "value", "system")
_CARE_CONTEXT = ("patientReference", "careContextReference")
_ZONED = re.compile(r".*([Zz]|[+-]\d\d:?\d\d)", re.DOTALL)


@dataclass(frozen=True)
class Asked:
    """A request that may leave once its patient's ABHA address is known.

    `init.abha_address` is empty where an ABHA number was given; `hiu_id`: the facility of ours
    that asks, None where the caller left that to us.
    """

    init: ConsentRequestInit
    abha_number: str | None
    hiu_id: str | None


def read(body: Mapping[str, Any], *, now: datetime, user: str, user_system: str) -> Asked:
    """The request that `body` describes, with the specification's field names.

    `user`: who acts, and asks unless `requester` names another; `user_system`: what issued that
    name. Raises MalformedRequest whose text has one sentence for each fault.
    """
    form = _Form(body, [])
    address, number = _patient(form)
    dates, erase_at = _times(form, now)
    init = ConsentRequestInit(
        purpose_code=(purpose := form.choice("purpose", PURPOSES)),
        purpose_text=PURPOSES.get(purpose, ""),
        abha_address=address,
        requester=_requester(form, user, user_system),
        hi_types=_hi_types(form),
        permission=Permission(
            access_mode=form.choice("access_mode", ACCESS_MODES, "VIEW"),
            date_range=dates,
            data_erase_at=erase_at,
            frequency=Frequency(
                unit=form.choice("frequency_unit", FREQUENCY_UNITS, "HOUR"),
                value=form.number("frequency_value", least=1, default=1),
                repeats=form.number("frequency_repeats", least=0, default=0),
            ),
        ),
        hip_id=form.service_id("hip"),
        care_contexts=_care_contexts(form),
    )
    hiu_id = form.service_id("hiu")
    if init.care_contexts and init.hip_id is None:
        form.fault("care_contexts", "belong to one hospital: name it in hip too.")
    for name in sorted(set(body) - set(FIELDS)):
        form.faults.append(f"{name[:64]} is no field of a consent request; see the list of fields.")
    if form.faults:
        raise MalformedRequest(" ".join(form.faults))
    return Asked(init, number, hiu_id)


def differences(asked: ConsentRequestInit, hiu_id: str, artefact: ConsentArtefact) -> list[str]:
    """What in `artefact` is wider than `asked`, or something else; empty where it may be used.

    `hiu_id`: the facility that asked. The sentences name fields, never values.
    """
    granted, permitted = artefact.permission, asked.permission
    dates, wanted = granted.date_range, permitted.date_range
    rules: tuple[tuple[bool, str], ...] = (
        (
            artefact.patient_id.strip().casefold() == asked.abha_address.casefold(),
            "The patient is another than the one asked about.",
        ),
        (artefact.hiu_id in (None, hiu_id), "It was given to another HIU."),
        (artefact.purpose_code == asked.purpose_code, "The purpose is another than stated."),
        (
            asked.hip_id is None or artefact.hip_id in (None, asked.hip_id),
            "It is for another HIP than the one asked about.",
        ),
        (bool(artefact.hip_id or asked.hip_id), "It names no HIP, so nobody can be asked."),
        (
            set(artefact.hi_types) <= set(asked.hi_types),
            "It has HI types that were not asked for.",
        ),
        (
            wanted.start <= dates.start <= dates.end <= wanted.end,
            "Its dates reach beyond those asked for.",
        ),
        (
            granted.access_mode in ("VIEW", permitted.access_mode),
            "Its access mode permits more than was asked for.",
        ),
        (
            not asked.care_contexts or set(artefact.care_contexts) <= set(asked.care_contexts),
            "It names visits that were not asked for.",
        ),
    )
    return [sentence for holds, sentence in rules if not holds]


# --- reading the body ------------------------------------------------------------------------


@dataclass(frozen=True)
class _Form:
    """Reads fields; what is wrong is noted, and something of the right type is returned."""

    body: Mapping[str, Any]
    faults: list[str]

    def fault(self, name: str, what: str) -> None:
        self.faults.append(f"{name} {what}")

    def text(self, name: str) -> str | None:
        value = self.body.get(name)
        if value is None or value == "":
            return None
        if not isinstance(value, str) or not value.isprintable() or len(value) > LONGEST_TEXT:
            self.fault(name, f"must be a text of at most {LONGEST_TEXT} characters.")
            return None
        return value.strip()

    def choice(self, name: str, known: Collection[str], default: str | None = None) -> str:
        value = self.text(name) or default
        if value is None or value not in known:
            self.fault(name, f"must be one of {', '.join(known)}.")
            return ""
        return value

    def number(self, name: str, *, least: int, default: int) -> int:
        value = self.body.get(name)
        if value is None:
            return default
        if type(value) is not int or not least <= value <= LARGEST_NUMBER:
            self.fault(name, f"must be a whole number from {least} to {LARGEST_NUMBER}.")
            return default
        return value

    def time(self, name: str, default: datetime) -> datetime:
        value = self.text(name)
        if value is None:
            return _milliseconds(default)
        if not _ZONED.fullmatch(value):
            self.fault(name, "must be a time with its zone, like 2026-11-23T00:00:00+05:30.")
            return default
        try:
            return _milliseconds(timestamps.parse(value))
        except ValueError:
            self.fault(name, "must be a time with its zone, like 2026-11-23T00:00:00+05:30.")
            return default

    def service_id(self, name: str) -> str | None:
        value = self.text(name)
        if value is not None and not _SERVICE_ID.fullmatch(value):
            self.fault(name, "must be a service id: letters and digits, with - or _ between them.")
            return None
        return value


def _patient(form: _Form) -> tuple[str, str | None]:
    """ABHA address and ABHA number: one of them is empty."""
    value = form.text("patient_abha")
    if value is not None and "@" in value:
        if ids.is_abha_address(value):
            return value, None
        form.fault(
            "patient_abha", "is no ABHA address: write name@abdm, or name@sbx in the sandbox."
        )
    elif value is not None:
        try:
            return "", ids.digits(value)
        except ValueError:
            form.fault("patient_abha", "is neither an ABHA address nor an ABHA number (14 digits).")
    elif not form.body.get("patient_abha"):
        form.fault("patient_abha", "is missing: give the patient's ABHA address or number.")
    return "", None


def _times(form: _Form, now: datetime) -> tuple[DateRange, datetime]:
    end = form.time("to_time", now)
    start = form.time("from_time", end - SPAN)
    erase_at = form.time("expiry", now + SPAN)
    if end > now:
        form.fault("to_time", "lies in the future; ABDM takes dates up to now only.")
    if start > end:
        form.fault("from_time", "must not be later than to_time.")
    if erase_at <= now:
        form.fault("expiry", "must lie in the future: it is when the records are to be erased.")
    return DateRange(start, end), erase_at


def _requester(form: _Form, user: str, user_system: str) -> Requester:
    name = form.text("requester") or user
    given = form.body.get("requester_identifier")
    if given is None:
        # ABDM wants one for every requester; not everybody who asks has a registration number.
        return Requester(
            name,
            "USERNAME",
            ids.free_text(user, "hims-user"),
            ids.free_text(user_system, "hims"),
        )
    parts = [given.get(part) if isinstance(given, Mapping) else None for part in _IDENTIFIER]
    if not all(isinstance(part, str) and _FREE_TEXT.fullmatch(part) for part in parts):
        form.fault(
            "requester_identifier",
            'must be {"type": …, "value": …, "system": …}, each of letters, digits and -_@,. ":/.',
        )
    return Requester(name, *(str(part) for part in parts))


def _hi_types(form: _Form) -> tuple[str, ...]:
    given = form.body.get("hi_types")
    known = isinstance(given, list | tuple) and all(each in HI_TYPES for each in given)
    if not given or not known:
        form.fault("hi_types", f"must be a list with at least one of {', '.join(HI_TYPES)}.")
        return ()
    return tuple(dict.fromkeys(given))


def _care_contexts(form: _Form) -> tuple[CareContextRef, ...]:
    given = form.body.get("care_contexts") or []
    if not isinstance(given, list) or not all(
        isinstance(each, Mapping) and all(map(_is_reference, map(each.get, _CARE_CONTEXT)))
        for each in given
    ):
        form.fault(
            "care_contexts",
            'must be a list of {"patientReference": …, "careContextReference": …}.',
        )
        return ()
    pairs = ((each["patientReference"], each["careContextReference"]) for each in given)
    return tuple(CareContextRef(*pair) for pair in dict.fromkeys(pairs))


def _is_reference(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip()) and len(value) <= LONGEST_TEXT


def _milliseconds(moment: datetime) -> datetime:
    """As precise as what leaves, so that an artefact with our own dates fits them."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
