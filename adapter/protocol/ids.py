"""Identifiers of the protocol: request ids, ABHA number and address, references, derived FHIR ids.

Pure apart from the random source of the `new_…` functions. Sources: V3 contract 3.1 and 12.6.
"""

from __future__ import annotations

import re
import secrets
import unicodedata
import uuid
from typing import Literal

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
# AbhaAddressWide: what consents and shares may carry; linking refuses `-` and `!` by itself.
_ABHA_ADDRESS = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.!-]+[a-zA-Z0-9]@(abdm|sbx)")
_REFERENCE = re.compile(r"[a-zA-Z0-9_\-@,. :/]{1,255}")
_NOT_DISPLAY = re.compile(r"[^a-zA-Z0-9_\-@,. \"':|()/]+")
_NOT_FREE = re.compile(r"[^a-zA-Z0-9_\-@,. \":/]+")


def new_request_id() -> str:
    """A REQUEST-ID for one HTTP attempt; retries get their own (V3 contract, rule R3)."""
    return str(uuid.uuid4())


def new_push_token() -> str:
    """The unguessable last part of a push URL: 43 characters that every ABDM service takes there.

    Whoever knows it may push pages of one transfer: it is kept as a keyed hash only.
    """
    return secrets.token_urlsafe(32)


def is_uuid(text: str) -> bool:
    """Whether `text` is 8-4-4-4-12 hexadecimal digits, any case."""
    return _UUID.fullmatch(text) is not None


def digits(abha_number: str) -> str:
    """The 14 digits of an ABHA number, dashed or not. Raises ValueError when it is none."""
    bare = abha_number.replace("-", "").replace(" ", "")
    if not re.fullmatch(r"\d{14}", bare, re.ASCII):
        raise ValueError("an ABHA number has 14 digits")
    return bare


def dashed(abha_number: str) -> str:
    """`NN-NNNN-NNNN-NNNN`, the display form. Raises ValueError when it is no ABHA number."""
    bare = digits(abha_number)
    return f"{bare[:2]}-{bare[2:6]}-{bare[6:10]}-{bare[10:]}"


def is_abha_address(text: str) -> bool:
    """Whether `text` has the form of an ABHA address, `…@abdm` or in the sandbox `…@sbx`."""
    return _ABHA_ADDRESS.fullmatch(text) is not None


def valid_care_context_reference(text: str) -> bool:
    """Whether every ABDM service takes `text` as a reference (the subset common to all four)."""
    return _REFERENCE.fullmatch(text) is not None


def consent_id(party: Literal["hip", "hiu"], artefact_id: str) -> str:
    """The FHIR id of the Consent for an artefact, `hip-…` or `hiu-…`; one adapter may be both.

    Raises ValueError for an artefact id that is no UUID and so could not be a FHIR id.
    """
    if not is_uuid(artefact_id):
        raise ValueError("an artefact id is a UUID")
    return f"{party}-{artefact_id.lower()}"


def display_text(text: str, fallback: str) -> str:
    """`text` reduced to the ASCII that ABDM's displays allow, or `fallback` if nothing is left.

    The gateway refuses the whole message for one Devanagari letter in a display. Accents are
    dropped, a mask's `*` becomes `X`, other characters become spaces; at most 255 characters.
    """
    return _reduced(_NOT_DISPLAY, text) or fallback


def free_text(text: str, fallback: str) -> str:
    """As `display_text`, for the narrower class of descriptions in data-flow messages."""
    return _reduced(_NOT_FREE, text) or fallback


def _reduced(forbidden: re.Pattern[str], text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.replace("*", "X"))
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    plain = " ".join(forbidden.sub(" ", plain).split())[:255].strip()
    return plain if re.search(r"[A-Za-z0-9]", plain) else ""
