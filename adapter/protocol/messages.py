"""One frozen dataclass per protocol message, and the Envelope around it.

Classes bear the names of the published V3 contract. They carry meaning, not wire form: a dialect
module (`v3.py`) turns each into path, headers and body and back. Outgoing messages that may refuse
carry `error`, the name of an error class of `protocol/errors.py`; its number is the dialect's.
All times are aware UTC. Nothing here may perform I/O.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Literal


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


# --- linking ---------------------------------------------------------------------------------


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


# --- consent and data as HIP -----------------------------------------------------------------

ConsentNotice = Literal["GRANTED", "REVOKED", "EXPIRED", "DENIED", "REQUESTED"]


@dataclass(frozen=True)
class HipConsentNotify:
    """A consent was granted, revoked or expired (6.6). REVOKED and EXPIRED carry only the id."""

    consent_id: str
    status: ConsentNotice
    artefact: ConsentArtefact | None
    signature: str | None


@dataclass(frozen=True)
class HipConsentOnNotifyRequest:
    """Acknowledges a consent notice; sent for every notice."""

    consent_id: str
    error: str | None = None


@dataclass(frozen=True)
class HipHealthInformationRequest:
    """A HIU asks for records under an artefact (6.7)."""

    transaction_id: str
    consent_id: str
    date_range: DateRange
    data_push_url: str
    key_material: KeyMaterial


@dataclass(frozen=True)
class HipHealthInformationOnRequest:
    """ACKNOWLEDGED, or `error` and nothing will be pushed."""

    transaction_id: str
    error: str | None = None


@dataclass(frozen=True)
class HealthInformationEntry:
    """One encrypted document. `checksum`: lower-case hex MD5 of the plaintext."""

    content: str
    checksum: str
    care_context_reference: str


@dataclass(frozen=True)
class HealthInformationPush:
    """One page of a transfer, straight from HIP to HIU; one entry, fresh keys (9.3)."""

    transaction_id: str
    page_number: int
    page_count: int
    entries: tuple[HealthInformationEntry, ...]
    key_material: KeyMaterial


@dataclass(frozen=True)
class ContextStatus:
    """What became of one care context in a transfer."""

    care_context_reference: str
    delivered: bool
    description: str


@dataclass(frozen=True)
class DataFlowNotifyByHip:
    """The HIP's report on a transfer, sent once. FAILED if and only if nothing was delivered."""

    consent_id: str
    transaction_id: str
    done_at: datetime
    statuses: tuple[ContextStatus, ...]


# --- consent and data as HIU -----------------------------------------------------------------


@dataclass(frozen=True)
class Requester:
    """Who asks at the HIU: a name and, where there is one, a registration (12 of the contract)."""

    name: str
    identifier_type: str | None = None
    identifier_value: str | None = None
    identifier_system: str | None = None


@dataclass(frozen=True)
class FindPatientRequest:
    """HIU asks whether an ABHA address exists, before it asks for consent."""

    abha_address: str


@dataclass(frozen=True)
class OnFindPatient:
    """The address as ABDM knows it, or why it does not."""

    abha_address: str | None
    error: ErrorObject | None


@dataclass(frozen=True)
class ConsentRequestInit:
    """HIU asks a patient for consent (7.1); the HIU is the envelope's."""

    purpose_code: str
    purpose_text: str
    abha_address: str
    requester: Requester
    hi_types: tuple[str, ...]
    permission: Permission
    hip_id: str | None = None
    care_contexts: tuple[CareContextRef, ...] = ()


@dataclass(frozen=True)
class OnConsentRequestInit:
    """The handle under which ABDM knows the request, or why it was refused."""

    consent_request_id: str | None
    error: ErrorObject | None


@dataclass(frozen=True)
class ConsentRequestStatusRequest:
    """HIU asks how a request stands, when no notice came."""

    consent_request_id: str


@dataclass(frozen=True)
class OnConsentRequestStatus:
    """How a request stands; the specification's enumeration lacks GRANTED, the gateway sends it."""

    consent_request_id: str | None
    status: ConsentNotice | None
    artefact_ids: tuple[str, ...]
    error: ErrorObject | None


@dataclass(frozen=True)
class HiuConsentNotify:
    """A request was granted or denied, or artefacts were revoked or ran out (7.2).

    EXPIRED without artefacts: the request was never answered; with artefacts: these ran out.
    """

    consent_request_id: str
    status: ConsentNotice
    reason: str | None
    artefact_ids: tuple[str, ...]


@dataclass(frozen=True)
class HiuConsentOnNotifyRequest:
    """Acknowledges a notice: one line per artefact, an empty list for DENIED."""

    artefact_ids: tuple[str, ...] = ()
    error: str | None = None


@dataclass(frozen=True)
class ConsentFetchRequest:
    """HIU fetches an artefact by the id of the notice."""

    consent_id: str


@dataclass(frozen=True)
class OnConsentFetch:
    """The artefact, or only its state once it has ended, or why there is none (7.3)."""

    status: ConsentNotice | None
    artefact: ConsentArtefact | None
    signature: str | None
    error: ErrorObject | None


@dataclass(frozen=True)
class HiuHealthInformationRequest:
    """HIU asks for the records of an artefact (7.5). `data_push_url` holds a credential."""

    consent_id: str
    date_range: DateRange
    data_push_url: str
    key_material: KeyMaterial


@dataclass(frozen=True)
class OnHiuHealthInformationRequest:
    """The transaction under which pages will come, or why none will."""

    transaction_id: str | None
    session_status: str | None
    error: ErrorObject | None


@dataclass(frozen=True)
class ReceivedEntry:
    """One entry of a received page. `checksum` as sent: an MD5, a placeholder, or empty."""

    care_context_reference: str
    content: str | None
    link: str | None
    checksum: str
    media: str


@dataclass(frozen=True)
class HealthInformationPushReceived:
    """One page from a HIP (9.3); any number of entries under one key."""

    transaction_id: str
    page_number: int
    page_count: int
    entries: tuple[ReceivedEntry, ...]
    key_material: KeyMaterial


@dataclass(frozen=True)
class DataFlowNotifyByHiu:
    """The HIU's report on a transfer, sent once. FAILED if and only if nothing usable came."""

    consent_id: str
    transaction_id: str
    done_at: datetime
    hip_id: str
    statuses: tuple[ContextStatus, ...]
