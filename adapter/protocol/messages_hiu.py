"""Messages of consent and data as HIU.

See `messages`, which has them all.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from adapter.protocol.messages_common import (
    CareContextRef,
    ConsentArtefact,
    DateRange,
    ErrorObject,
    KeyMaterial,
    Permission,
)
from adapter.protocol.messages_hip import (
    ConsentNotice,
    ContextStatus,
)


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
