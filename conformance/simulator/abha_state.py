"""What the ABHA service remembers: Aadhaar holders, ABHA accounts, transactions with their codes.

Plain records and their container; no rules and no I/O. Guarded by `State.changed` like all else.
"""

import itertools
from dataclasses import dataclass, field
from datetime import date, datetime


@dataclass
class Person:
    """An invented Aadhaar holder; `mobile` is the one linked to the Aadhaar, "" if none is."""

    aadhaar: str
    first_name: str
    middle_name: str
    last_name: str
    gender: str
    born: date
    mobile: str
    address: str
    district_code: str
    district: str
    state_code: str
    state: str
    pincode: str
    photo: str = ""  # base64

    @property
    def name(self) -> str:
        """The full name as ABHA writes it."""
        return " ".join(p for p in (self.first_name, self.middle_name, self.last_name) if p)


@dataclass
class Account:
    """An ABHA: its number (with dashes), its addresses and its verified mobile, if any."""

    number: str
    person: Person
    mobile: str | None
    addresses: list[str]
    preferred: str
    created: date
    email: str | None = None
    photo: str = ""
    status: str = "ACTIVE"
    blocked_methods: list[str] = field(default_factory=list)


@dataclass
class Challenge:
    """A code that was sent: for which scope and login id, by whom, where to, and what came back."""

    scope: frozenset[str]
    subject: str
    system: str  # "aadhaar" or "abdm"
    to: str
    otp: str = ""
    sent_at: datetime | None = None
    sends: int = 0
    wrong: int = 0
    used: bool = False


@dataclass
class Transaction:
    """One enrolment, login or change, under its txnId; `accounts` are those it may act on.

    `aadhaar` and `mobile`: proven by the steps of the Health ID service so far, "" until then.
    """

    id: str
    client_id: str
    started_at: datetime
    accounts: list[str] = field(default_factory=list)
    challenge: Challenge | None = None
    enrolled: str | None = None
    aadhaar: str = ""
    mobile: str = ""


class AbhaState:
    """All records of the ABHA service."""

    def __init__(self) -> None:
        self.people: dict[str, Person] = {}  # by Aadhaar number
        self.accounts: dict[str, Account] = {}  # by ABHA number
        self.transactions: dict[str, Transaction] = {}
        self.locked_until: dict[str, datetime] = {}  # by login id
        self.created_by: dict[str, int] = {}  # accounts created, by client
        self.ended_tokens: set[str] = set()
        self.serials = itertools.count(1)
