"""What the registry and the sharing of profiles remember: facilities, shares. Plain records."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass
class Facility:
    """A facility of the registry (HFR), and the service id it gets when it is linked."""

    id: str
    name: str
    address: str
    status: str
    service_id: str


@dataclass
class Share:
    """A profile that a patient shared at a counter, and what the facility answered.

    `status` is SENT, ACCEPTED, FAILED, or UNANSWERED when the time for an answer has passed. The
    id is the REQUEST-ID of the callback.
    """

    id: str
    abha_address: str
    hip_id: str
    counter: str
    sent_at: datetime
    body: dict[str, Any] = field(repr=False)
    status: str = "SENT"
    token_number: str | None = None
    expires_at: datetime | None = None
    answered_at: datetime | None = None
    error: dict[str, Any] | None = None
