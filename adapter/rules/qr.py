"""QR codes: what a patient's card or app shows, and the one that a counter shows. Pure.

A card's QR is JSON text whose keys differ by who made it; keys are compared without case, blanks,
underscores and dashes. What it says is unverified. The counter's QR is a URL of the patient's-app
host with HIP service id and counter. Source: M0 and M1, sections 16 and 17.1; case QR-READ.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from adapter.protocol import ids
from adapter.protocol.errors import MalformedRequest
from adapter.rules.abha_profile import Profile, read_date

LARGEST = 8192
_COUNTER = re.compile(r"[A-Za-z0-9]{1,20}", re.ASCII)
_SERVICE = re.compile(r"[A-Za-z0-9_.-]{3,64}", re.ASCII)
_ADDRESS = re.compile(r"[A-Za-z0-9_.!-]{1,64}@[a-z]{2,10}", re.ASCII)

#: The app's host by consent manager, where PHR_URL says nothing.
PHR_HOSTS = {"sbx": "https://phrsbx.abdm.gov.in", "abdm": "https://phr.abdm.gov.in"}


@dataclass(frozen=True)
class CounterQr:
    """The QR of a counter: whose service it is, and which counter."""

    hip_id: str
    counter: str


def read_card(content: str) -> Profile:
    """The profile in a card's or an app's QR.

    Raises MalformedRequest with what to do, for everything that is none.
    """
    text = content.strip().lstrip("\ufeff")
    if len(text) > LARGEST:
        raise MalformedRequest("This QR code holds more than an ABHA card does.")
    if text.startswith(("http://", "https://")):
        raise MalformedRequest(_other_url(text))
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise MalformedRequest(
            "This is no QR code of an ABHA card or app; scan the one beside the ABHA number."
        )
    found = {re.sub(r"[\s_-]", "", str(key)).lower(): value for key, value in data.items()}
    number, address = _number(_text(found, "hidn")), _text(found, "phr", "hid")
    if address is not None and not _ADDRESS.fullmatch(address):
        address = None
    if number is None and address is None:
        raise MalformedRequest(
            "This QR code names neither an ABHA number nor an ABHA address; ask for the number."
        )
    gender = (_text(found, "gender") or "")[:1].upper()
    return Profile(
        abha_number=number,
        health_id=address,
        name=_text(found, "name"),
        gender=gender if gender and gender in "MFODTU" else None,
        date_of_birth=read_date(_text(found, "dob")),
        address=_text(found, "address"),
        district=_text(found, "districtname", "distname"),
        state=_text(found, "statename"),
        district_code=_text(found, "distlgd"),
        state_code=_text(found, "statelgd"),
        mobile=_text(found, "mobile"),
    )


def counter_url(phr_url: str, hip_id: str, counter: str) -> str:
    """The text of a counter's QR. Raises MalformedRequest for a counter that ABDM would refuse."""
    if not _COUNTER.fullmatch(counter):
        raise MalformedRequest("A counter's id has 1 to 20 letters or digits.")
    if not _SERVICE.fullmatch(hip_id):
        raise MalformedRequest("The facility's service id has characters that no QR code may have.")
    return f"{phr_url}/share-profile?hip-id={quote(hip_id)}&counter-id={quote(counter)}"


def read_counter(content: str) -> CounterQr | None:
    """A counter's QR in any of its forms, None for anything else."""
    parts = urlsplit(content.strip())
    given: Any
    if parts.scheme in ("http", "https") and parts.path.rstrip("/").endswith("/share-profile"):
        given = {key.replace("-", "").lower(): value for key, value in parse_qsl(parts.query)}
        hip_id, counter = given.get("hipid"), given.get("counterid")
    else:
        try:
            given = json.loads(content)
        except (ValueError, RecursionError):
            return None
        if not isinstance(given, dict):
            return None
        hip_id, counter = given.get("hipId"), given.get("code")
    if not isinstance(hip_id, str) or not isinstance(counter, str):
        return None
    if not _SERVICE.fullmatch(hip_id) or not _COUNTER.fullmatch(counter):
        return None
    return CounterQr(hip_id, counter)


def _other_url(text: str) -> str:
    if read_counter(text) is not None:
        return "This is a counter's QR code, which the patient scans with their own app."
    if "face-auth" in text:
        return "This is the QR code of a face check; scan the one of the ABHA card or app."
    return "This QR code is a web address; scan the one of the ABHA card or app."


def _text(found: Mapping[str, Any], *names: str) -> str | None:
    for name in names:
        value = found.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if isinstance(value, str) and value.strip() not in ("", "-", "null", "None"):
            return " ".join(value.replace("\x00", "").split())
    return None


def _number(text: str | None) -> str | None:
    try:
        return ids.dashed(text) if text else None
    except ValueError:
        return None
