"""A person's ABHA profile as one value, whatever told us of it. Pure.

Five sources word the same facts differently: enrolment (9.2), the account (11), the account of an
ABHA address (10.7), a shared profile (17.2) and the QR on a card (16). Field names are those of
CARE's AbhaNumber model. Dates of birth become YYYY-MM-DD, or YYYY where no more is known; what
cannot be read is absent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import date
from typing import Any

from adapter.protocol import ids
from adapter.protocol.messages import SharedPatient
from adapter.rules.patients import digits

_MASKED = re.compile(r"[*xX]{2}")
_PHOTO = re.compile(r"data:[\w/+.-]+;base64,")


@dataclass(frozen=True)
class Profile:
    """What is known. `abha_number` dashed; `mobile` masked where ABDM masks it; `profile_photo`
    base64; `status` as ABDM words it (ACTIVE, DEACTIVATED …)."""

    abha_number: str | None = None
    health_id: str | None = None
    name: str | None = None
    first_name: str | None = None
    middle_name: str | None = None
    last_name: str | None = None
    gender: str | None = None
    date_of_birth: str | None = None
    address: str | None = None
    district: str | None = None
    state: str | None = None
    pincode: str | None = None
    district_code: str | None = None
    state_code: str | None = None
    mobile: str | None = None
    email: str | None = None
    profile_photo: str | None = None
    status: str | None = None
    kyc_verified: bool | None = None

    @property
    def year_of_birth(self) -> int | None:
        """The year, if any is known."""
        return int(self.date_of_birth[:4]) if self.date_of_birth else None

    @property
    def active(self) -> bool:
        """Whether ABDM has not said otherwise."""
        return (self.status or "ACTIVE").upper() == "ACTIVE"

    @property
    def full_mobile(self) -> str | None:
        """The mobile number, unless only its last digits are known."""
        found = digits(self.mobile or "")
        return found[-10:] if len(found) >= 10 and not _MASKED.search(self.mobile or "") else None


def from_enrolment(data: Mapping[str, Any]) -> Profile:
    """`ABHAProfile` of an enrolment."""
    addresses = data.get("phrAddress")
    first = addresses[0] if isinstance(addresses, list) and addresses else None
    return _named(
        Profile(
            abha_number=_number(data.get("ABHANumber")),
            health_id=_text(data.get("preferredAbhaAddress")) or _text(first),
            first_name=_text(data.get("firstName")),
            middle_name=_text(data.get("middleName")),
            last_name=_text(data.get("lastName")),
            gender=_gender(data.get("gender")),
            date_of_birth=read_date(_text(data.get("dob"))),
            address=_text(data.get("address")),
            district=_text(data.get("districtName")),
            state=_text(data.get("stateName")),
            pincode=_text(data.get("pinCode")),
            district_code=_text(data.get("districtCode")),
            state_code=_text(data.get("stateCode")),
            mobile=_text(data.get("mobile")),
            email=_text(data.get("email")),
            profile_photo=_photo(data.get("photo")),
            status=_text(data.get("abhaStatus")),
            kyc_verified=True,
        )
    )


def from_account(data: Mapping[str, Any]) -> Profile:
    """The account's profile, by ABHA number or by ABHA address."""
    kyc = data.get("kycVerified")
    if kyc is None and data.get("kycStatus"):
        kyc = str(data["kycStatus"]).upper() == "VERIFIED"
    return _named(
        Profile(
            abha_number=_number(data.get("ABHANumber") or data.get("abhaNumber")),
            health_id=_text(data.get("preferredAbhaAddress") or data.get("abhaAddress")),
            name=_text(data.get("name") or data.get("fullName")),
            first_name=_text(data.get("firstName")),
            middle_name=_text(data.get("middleName")),
            last_name=_text(data.get("lastName")),
            gender=_gender(data.get("gender")),
            date_of_birth=_parts(data) or read_date(_text(data.get("dateOfBirth"))),
            address=_text(data.get("address")),
            district=_text(data.get("districtName")),
            state=_text(data.get("stateName")),
            pincode=_text(data.get("pincode") or data.get("pinCode")),
            district_code=_text(data.get("districtCode")),
            state_code=_text(data.get("stateCode")),
            mobile=_text(data.get("mobile")),
            email=_text(data.get("email")),
            profile_photo=_photo(data.get("profilePhoto") or data.get("kycPhoto")),
            status=_text(data.get("status")),
            kyc_verified=kyc if isinstance(kyc, bool) else None,
        )
    )


def from_share(patient: SharedPatient) -> Profile:
    """The patient of a shared profile; ABDM vouches for who shared it."""
    born = (patient.year_of_birth, patient.month_of_birth, patient.day_of_birth)
    return Profile(
        abha_number=_number(patient.abha_number),
        health_id=patient.abha_address,
        name=_text(patient.name),
        gender=_gender(patient.gender),
        date_of_birth=_date(*born),
        address=patient.line,
        district=patient.district,
        state=patient.state,
        pincode=patient.pincode,
        mobile=patient.phone_number,
        # Only an account with a verified identity has a number (17.2).
        kyc_verified=patient.abha_number is not None,
    )


def merged(known: Profile, told: Profile) -> Profile:
    """`known` with what `told` says anew; a masked mobile never replaces a whole one."""
    new = {f.name: value for f in fields(Profile) if (value := getattr(told, f.name)) is not None}
    if known.full_mobile and not told.full_mobile:
        new.pop("mobile", None)
    if (known.date_of_birth or "").startswith(told.date_of_birth or "?"):
        new.pop("date_of_birth", None)  # the year alone says no more than the whole date
    return replace(known, **new)


def mobile_differs(entered: str, shown: str | None) -> bool:
    """Whether the mobile for communication still has to be verified (9.2, case CRT_ABHA_109)."""
    last = digits(shown or "")[-4:]
    return len(last) < 4 or not entered.endswith(last)


def read_date(text: str | None) -> str | None:
    """DD-MM-YYYY, D/M/YYYY, YYYY-MM-DD or YYYY; None where it is no date."""
    parts = re.split(r"[-/.]", (text or "").strip())
    if len(parts) == 1:
        return _date(parts[0], None, None)
    if len(parts) != 3:
        return None
    first_is_year = len(parts[0]) == 4
    year, month, day = parts if first_is_year else reversed(parts)
    return _date(year, month, day)


def _date(year: Any, month: Any, day: Any) -> str | None:
    try:
        whole = int(year)
    except (TypeError, ValueError):
        return None
    if not 1800 <= whole <= 2999:
        return None
    try:
        return date(whole, int(month), int(day)).isoformat()
    except (TypeError, ValueError):
        return f"{whole:04d}"


def _parts(data: Mapping[str, Any]) -> str | None:
    return _date(data.get("yearOfBirth"), data.get("monthOfBirth"), data.get("dayOfBirth"))


def _named(profile: Profile) -> Profile:
    parts = (profile.first_name, profile.middle_name, profile.last_name)
    return replace(profile, name=profile.name or " ".join(filter(None, parts)) or None)


def _number(value: Any) -> str | None:
    try:
        return ids.dashed(str(value)) if value else None
    except ValueError:
        return None


def _gender(value: Any) -> str | None:
    letter = (_text(value) or "").upper()[:1]
    return letter if letter and letter in "MFODTU" else None


def _photo(value: Any) -> str | None:
    text = _text(value)
    return _PHOTO.sub("", text, count=1) if text else None


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, bool | dict | list):
        return None
    return " ".join(str(value).replace("\x00", "").split()) or None
