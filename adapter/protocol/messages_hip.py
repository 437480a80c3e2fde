"""Messages of consent and data as HIP.

See `messages`, which has them all.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from adapter.protocol.messages_common import (
    ConsentArtefact,
    DateRange,
    KeyMaterial,
)

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
