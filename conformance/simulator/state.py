"""What the simulated ABDM remembers, in memory, under one lock.

Plain records and their container; no rules and no I/O. Whoever reads or changes anything holds
`State.changed`, and must not send anything while holding it.
"""

import itertools
import threading
import uuid
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from conformance.simulator.abha_state import AbhaState
from conformance.simulator.auth_state import UserAuth
from conformance.simulator.facility_state import Facility, Share
from conformance.simulator.push_plan import Holding, PushStyle
from conformance.simulator.refcrypto import KeyPair

MAX_EXCHANGES = 5000

# The gateway's interfaces that exist side by side.
Generation = Literal["v3", "v0.5"]


def new_id() -> str:
    """A fresh UUID as text."""
    return str(uuid.uuid4())


@dataclass
class Bridge:
    """One registered client, where its callbacks go, and in which generation they are written."""

    client_id: str
    client_secret: str
    url: str | None = None
    generation: Generation = "v3"


@dataclass
class Service:
    """A facility in one or more roles; without a client it belongs to the simulator itself.

    `generation`: that of its callbacks if not its bridge's.
    """

    id: str
    name: str
    types: list[str]
    client_id: str | None = None
    active: bool = True
    generation: Generation | None = None


@dataclass
class Patient:
    """An invented person with an ABHA."""

    abha_address: str
    abha_number: str | None
    name: str
    gender: str
    year_of_birth: int
    mobile: str
    deactivated: bool = False


@dataclass(frozen=True)
class Link:
    """A care context linked to an ABHA address under one HI type.

    v0.5 links without saying what a care context holds: then the HI type is empty.
    """

    abha_address: str
    hip_id: str
    patient_reference: str
    care_context: str
    hi_type: str
    display: str
    linked_at: datetime

    def may_hold(self, hi_types: Collection[str]) -> bool:
        """Whether the care context may hold documents of one of these HI types."""
        return not self.hi_type or self.hi_type in hi_types

    @property
    def key(self) -> tuple[str, str, str, str, str]:
        """What makes two links the same link."""
        return (
            self.abha_address,
            self.hip_id,
            self.patient_reference,
            self.care_context,
            self.hi_type,
        )


@dataclass
class LinkToken:
    """A token issued for one HIP and one ABHA address; `uses_left` None: as often as one likes."""

    id: str
    hip_id: str
    abha_address: str
    abha_number: str | None
    issued_at: datetime
    uses_left: int | None = None


@dataclass
class Expected:
    """A callback that a bridge must answer by repeating its REQUEST-ID."""

    message: str
    key: str
    client_id: str | None
    answered: bool = False


@dataclass
class LinkTransaction:
    """One user-initiated linking: discovery, selection, confirmation."""

    id: str
    abha_address: str
    hip_id: str
    identifier_types: list[str]
    started_at: datetime
    discovery: dict[str, Any] | None = None
    selection: list[dict[str, Any]] = field(default_factory=list)
    challenge: dict[str, Any] | None = None
    confirmation: dict[str, Any] | None = None
    warnings: list[str] = field(default_factory=list)


@dataclass
class Notice:
    """One consent notice to a HIP or HIU, the artefacts it names, and what came back."""

    status: str
    request_id: str
    sent_at: datetime
    artefacts: list[str]
    acknowledged: str | None = None
    error: dict[str, Any] | None = None
    acknowledged_at: datetime | None = None


@dataclass
class ConsentRequest:
    """A request of an HIU to a patient."""

    id: str
    hiu_id: str
    abha_address: str
    purpose: str
    hi_types: list[str]
    date_from: datetime
    date_to: datetime
    erase_at: datetime
    hip_id: str | None
    created_at: datetime
    care_contexts: list[str] | None = None
    requester: dict[str, Any] | None = None
    access_mode: str = "VIEW"
    frequency: dict[str, Any] | None = None
    status: str = "REQUESTED"
    artefacts: list[str] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)


@dataclass
class Artefact:
    """One granted consent for one HIP."""

    id: str
    request_id: str
    hip_id: str
    hiu_id: str
    abha_address: str
    detail: dict[str, Any]
    signature: str
    erase_at: datetime
    status: str = "GRANTED"
    notices: list[Notice] = field(default_factory=list)


@dataclass(frozen=True)
class Page:
    """A pushed page as it arrived."""

    number: int
    count: int
    care_contexts: list[str]
    received_at: datetime
    repeated: bool
    with_bearer: bool


@dataclass(frozen=True)
class Document:
    """One decrypted entry."""

    care_context: str
    content: bytes
    checksum_ok: bool | None
    page_number: int


@dataclass(frozen=True)
class Pushed:
    """A page that a HIP of the simulator pushed; `status` None if it never got an answer."""

    number: int
    count: int
    transaction_id: str
    care_contexts: list[str]
    status: int | None


@dataclass
class Transfer:
    """One data request and everything that followed.

    `keys` and `push_path` are those of the simulator's own HIU, None and empty for another's.
    A HIP may spread its pages over `more` transactions of its own making.
    """

    id: str
    artefact_id: str
    hip_id: str
    hiu_id: str
    push_path: str
    keys: KeyPair | None
    started_at: datetime
    asked: dict[str, Any] = field(default_factory=dict)
    more: list[str] = field(default_factory=list)
    pushed: list[Pushed] = field(default_factory=list)
    hiu_notifications: dict[str, dict[str, Any]] = field(default_factory=dict)
    on_request: dict[str, Any] | None = None
    pages: list[Page] = field(default_factory=list)
    page_digests: set[bytes] = field(default_factory=set)
    documents: list[Document] = field(default_factory=list)
    hip_notification: dict[str, Any] | None = None
    errors: list[str] = field(default_factory=list)


@dataclass
class Exchange:
    """One HTTP request and its answer, seen from the simulator."""

    number: int
    direction: str  # "in": somebody called the simulator; "out": the simulator called somebody
    message: str
    method: str
    url: str
    at: datetime
    headers: dict[str, str]
    body: Any
    status: int | None = None
    answer: Any = None
    seconds: float = 0.0
    note: str = ""


class State:
    """All records. `changed` is the lock, and wakes whoever waits for something to arrive."""

    def __init__(self) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        with self.changed:
            self.bridges: dict[str, Bridge] = {}
            self.services: dict[str, Service] = {}
            self.patients: dict[str, Patient] = {}
            self.request_ids: dict[tuple[str, str], Generation] = {}
            self.expected: dict[str, Expected] = {}
            self.link_tokens: dict[str, LinkToken] = {}
            self.user_auths: dict[str, UserAuth] = {}
            self.link_token_requests: dict[tuple[str, str], datetime] = {}
            self.link_refusals: dict[str, int] = {}
            self.blocked_until: dict[str, datetime] = {}
            self.links: dict[tuple[str, str, str, str, str], Link] = {}
            self.link_transactions: dict[str, LinkTransaction] = {}
            self.context_notifications: list[dict[str, Any]] = []
            self.consent_requests: dict[str, ConsentRequest] = {}
            self.artefacts: dict[str, Artefact] = {}
            self.transfers: dict[str, Transfer] = {}
            self.holdings: list[Holding] = []
            self.push_styles: dict[str, PushStyle] = {}
            self.seen_key_material: set[str] = set()
            self.sms: list[dict[str, Any]] = []
            self.abha = AbhaState()
            self.facilities: dict[str, Facility] = {}
            self.shares: dict[str, Share] = {}
            self.exchanges: deque[Exchange] = deque(maxlen=MAX_EXCHANGES)
            self.exchange_numbers = itertools.count(1)
            self.changed.notify_all()

    def expect(self, message: str, key: str, client_id: str | None) -> str:
        """A fresh REQUEST-ID under which the answer to `message` will be recognised."""
        request_id = new_id()
        with self.changed:
            self.expected[request_id] = Expected(message, key, client_id)
        return request_id

    def wait(self, ready: Callable[[], bool], seconds: float) -> bool:
        """Block until `ready()` holds or the time is over; says whether it holds."""
        with self.changed:
            return self.changed.wait_for(ready, seconds)
