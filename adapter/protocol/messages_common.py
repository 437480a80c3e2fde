"""What messages are made of, and the Envelope around each.

See `messages`, which has them all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime


@dataclass(frozen=True)
class Envelope:
    """What surrounds a message in any dialect.

    `request_id`: theirs on the way in; empty on the way out, where each HTTP attempt gets its own.
    `response_to`: the REQUEST-ID that this message answers (V3 `response.requestId`).
    """

    dialect: str
    request_id: str = ""
    timestamp: datetime | None = None
    hip_id: str | None = None
    hiu_id: str | None = None
    response_to: str | None = None

    def reply(self) -> Envelope:
        """The envelope of the message that answers this one."""
        return replace(self, request_id="", timestamp=None, response_to=self.request_id)


@dataclass(frozen=True)
class ErrorObject:
    """An error as the other side stated it: code without trailing punctuation, and its prose."""

    code: str
    message: str


@dataclass(frozen=True)
class Identifier:
    """A patient identifier in a discovery; type MR, MOBILE, ABHA_NUMBER, ABHA_ADDRESS, EMAIL."""

    type: str
    value: str


@dataclass(frozen=True)
class CareContextEntry:
    """One care context on the wire; `display` may be empty on the way in."""

    reference_number: str
    display: str


@dataclass(frozen=True)
class PatientEntry:
    """A patient's care contexts of one HI type (V3 contract 3.2, PatientEntry)."""

    reference_number: str
    display: str
    hi_type: str
    care_contexts: tuple[CareContextEntry, ...]


@dataclass(frozen=True)
class CareContextRef:
    """A care context inside a consent artefact."""

    patient_reference: str
    care_context_reference: str


@dataclass(frozen=True)
class DateRange:
    """Both ends aware UTC and inclusive."""

    start: datetime
    end: datetime


@dataclass(frozen=True)
class KeyMaterial:
    """A party's public half of the key agreement; base64 key and nonce (V3 contract 9).

    `algorithm` and `curve` as stated, so that a flow can refuse others with KeyMaterialInvalid.
    """

    public_key: str
    nonce: str
    expiry: datetime | None = None
    algorithm: str = "ECDH"
    curve: str = "Curve25519"


@dataclass(frozen=True)
class Frequency:
    """How often an artefact may be used; recorded, not enforced (its meaning is unpublished)."""

    unit: str
    value: int
    repeats: int


@dataclass(frozen=True)
class Permission:
    """What an artefact permits: mode, record dates, and when the receiver must erase."""

    access_mode: str
    date_range: DateRange
    data_erase_at: datetime
    frequency: Frequency | None = None


@dataclass(frozen=True)
class ConsentArtefact:
    """One granted consent for one HIP. `verbatim` is the JSON text exactly as received."""

    consent_id: str
    patient_id: str
    care_contexts: tuple[CareContextRef, ...]
    purpose_code: str
    purpose_text: str | None
    hip_id: str | None
    hiu_id: str | None
    hiu_name: str | None
    requester_name: str | None
    consent_manager_id: str | None
    hi_types: tuple[str, ...]
    permission: Permission
    created_at: datetime | None
    verbatim: str
