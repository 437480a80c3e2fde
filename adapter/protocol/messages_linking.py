"""Messages of linking, of a patient's account, and of scan and share.

See `messages`, which has them all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

from adapter.protocol.messages_common import (
    ErrorObject,
    Identifier,
    PatientEntry,
)


@dataclass(frozen=True)
class GenerateLinkTokenRequest:
    """HIP asks for a link token (V3 contract 6.1). `abha_number`: 14 digits or None.

    `birth_date` and `mobile` (ten digits): for a challenge by demographics, where one comes; they
    make no other request of it.
    """

    abha_address: str
    abha_number: str | None
    name: str
    gender: str
    year_of_birth: int
    birth_date: date | None = field(default=None, compare=False)
    mobile: str | None = field(default=None, compare=False)


@dataclass(frozen=True)
class OnGenerateLinkToken:
    """The link token, or why there is none.

    `expires_at` and `uses` (how many links it is good for): as stated beside the token, if at all.
    """

    abha_address: str | None
    link_token: str | None
    error: ErrorObject | None
    expires_at: datetime | None = None
    uses: int | None = None


#: How a patient proves a request for a link token. DIRECT: by a tap in their own app.
AuthMode = Literal["DEMOGRAPHICS", "MOBILE_OTP", "AADHAAR_OTP", "DIRECT"]


@dataclass(frozen=True)
class LinkTokenModes:
    """The ways in which a link token may be asked for; unknown ones are left out."""

    modes: tuple[AuthMode, ...]
    error: ErrorObject | None = None


@dataclass(frozen=True)
class LinkTokenInit:
    """HIP chose a way; the patient gets an OTP where it is one."""

    abha_address: str
    mode: AuthMode


@dataclass(frozen=True)
class LinkTokenChallenge:
    """What has to be confirmed before a link token is given, until when; `hint` is for the desk."""

    transaction_id: str | None
    mode: AuthMode | None
    hint: str | None = None
    expires_at: datetime | None = None
    error: ErrorObject | None = None


@dataclass(frozen=True)
class Demographics:
    """Who the patient is, by the hospital's record; `mobile`: ten digits."""

    name: str
    gender: str
    birth_date: date
    mobile: str | None = None


@dataclass(frozen=True)
class LinkTokenConfirm:
    """The answer to a challenge: the OTP as typed at the desk, or the demographics. Never log."""

    transaction_id: str
    otp: str | None = None
    demographics: Demographics | None = None


@dataclass(frozen=True)
class LinkTokenNotify:
    """The patient decided in their app (DIRECT): the link token, or a refusal."""

    transaction_id: str
    granted: bool
    link_token: str | None
    expires_at: datetime | None = None
    uses: int | None = None


@dataclass(frozen=True)
class LinkTokenOnNotifyRequest:
    """Acknowledges LinkTokenNotify."""

    error: str | None = None


@dataclass(frozen=True)
class HipLinkCareContextRequest:
    """HIP links care contexts (6.2). `link_token` is a credential: never log or print."""

    abha_address: str
    abha_number: str | None
    patients: tuple[PatientEntry, ...]
    link_token: str


@dataclass(frozen=True)
class OnHipLinkCareContext:
    """Outcome of a link request: success is the absence of `error` (never the prose)."""

    abha_address: str | None
    status: str | None
    error: ErrorObject | None


@dataclass(frozen=True)
class CareContextNotifyRequest:
    """HIP says that a linked care context has new content (6.3)."""

    abha_address: str
    patient_reference: str
    care_context_reference: str
    hi_types: tuple[str, ...]
    date: datetime
    hip_name: str | None


@dataclass(frozen=True)
class OnCareContextNotify:
    """Outcome of CareContextNotifyRequest."""

    status: str | None
    error: ErrorObject | None


@dataclass(frozen=True)
class SmsNotifyRequest:
    """HIP has ABDM write to a patient with no known ABHA address (6.4). `mobile`: ten digits."""

    mobile: str
    hip_name: str


@dataclass(frozen=True)
class OnSmsNotify:
    """Outcome of SmsNotifyRequest: accepted for sending, or not."""

    status: str | None
    error: ErrorObject | None


@dataclass(frozen=True)
class DiscoverCareContexts:
    """A patient looks for records at this HIP (6.5)."""

    transaction_id: str
    abha_address: str
    verified: tuple[Identifier, ...]
    unverified: tuple[Identifier, ...]
    name: str
    gender: str
    year_of_birth: int


@dataclass(frozen=True)
class OnDiscoverRequest:
    """Answer to DiscoverCareContexts: entries and what matched, or `error`."""

    transaction_id: str
    patients: tuple[PatientEntry, ...] = ()
    matched_by: tuple[str, ...] = ()
    error: str | None = None


@dataclass(frozen=True)
class LinkInit:
    """The patient chose care contexts to link. `error`: the gateway stopped the flow itself."""

    transaction_id: str
    abha_address: str | None
    patients: tuple[PatientEntry, ...]
    error: ErrorObject | None = None


@dataclass(frozen=True)
class OnLinkInitRequest:
    """Answer to LinkInit: an OTP went out (reference, masked hint, expiry), or `error`."""

    transaction_id: str
    link_reference: str = ""
    hint: str = ""
    expires_at: datetime | None = None
    error: str | None = None


@dataclass(frozen=True)
class LinkConfirm:
    """The OTP as typed by the patient, padded to six digits."""

    link_reference: str
    otp: str


@dataclass(frozen=True)
class OnLinkConfirmRequest:
    """Answer to LinkConfirm: exactly the chosen entries, or `error`."""

    patients: tuple[PatientEntry, ...] = ()
    error: str | None = None


PatientStatus = Literal["DEACTIVATED", "REACTIVATED", "DELETED"]


@dataclass(frozen=True)
class PatientStatusNotify:
    """A patient's ABHA was deactivated, reactivated or deleted."""

    abha_address: str
    status: PatientStatus


@dataclass(frozen=True)
class PatientStatusOnNotifyRequest:
    """Acknowledges PatientStatusNotify."""

    error: str | None = None


# --- scan and share --------------------------------------------------------------------------


@dataclass(frozen=True)
class SharedPatient:
    """Who shared their profile. `abha_number` None: an address without a verified identity."""

    abha_address: str
    abha_number: str | None
    name: str
    gender: str
    year_of_birth: int
    month_of_birth: int | None = None
    day_of_birth: int | None = None
    line: str | None = None
    district: str | None = None
    state: str | None = None
    pincode: str | None = None
    phone_number: str | None = None


@dataclass(frozen=True)
class ProfileShare:
    """A patient scanned the QR of a counter and shared their profile (M0 and M1, 17.2)."""

    intent: str
    hip_id: str
    counter: str
    patient: SharedPatient


@dataclass(frozen=True)
class ProfileOnShareRequest:
    """Answer to ProfileShare: the number in the counter's queue and its life, or `error` (17.3)."""

    abha_address: str
    counter: str = ""
    token_number: str = ""
    expires_in: int = 0
    error: str | None = None
