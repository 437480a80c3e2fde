"""What a HIP of the simulator holds, and how it cuts documents into pages; pure.

The default style is NHA's: one document per page under a key of its own, hex MD5, counted from 1.
The others are habits of deployed HIPs, and mistakes that a receiver must survive. Source: V3
contract 9.2, 9.3, 14 (rows 18 to 23) and 15 (item 6).
"""

import base64
import hashlib
from dataclasses import dataclass, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from conformance.simulator.refcrypto import KeyForm

Checksum = Literal["hex", "base64", "empty", "placeholder", "wrong"]
Which = Literal["none", "first", "all"]
Order = Literal["forward", "backward"]


@dataclass(frozen=True)
class Holding:
    """One document at a HIP, as the bytes to send or as the file that has them.

    `dated_at` None: it falls under every date range. `name` is its file's, empty without one.
    """

    hip_id: str
    care_context: str
    hi_type: str
    dated_at: datetime | None
    content: bytes | Path
    name: str = ""

    def read(self) -> bytes:
        """The document, byte for byte."""
        return self.content.read_bytes() if isinstance(self.content, Path) else self.content


class StyleError(ValueError):
    """An unknown field of PushStyle, or a value it cannot have."""


@dataclass(frozen=True)
class PushStyle:
    """How pages are made and sent; `seconds` is the pause before each page.

    entries_per_page: 0 puts everything on one page. fresh_keys: a key pair and nonce for each
    page, else one for all. bearer: with a session token of the realm. twice: the last page is sent
    again. missing: the last page is never sent. early: the pages arrive before
    OnHiuHealthInformationRequest. transactions: over how many, of which only the first is known
    to the gateway. after_end: goes on pushing when the consent has ended. refuses: on-request
    has this error code, and nothing is sent. silent: the HIP never reacts. tries: how often a page
    that is not accepted is sent.
    """

    entries_per_page: int = 1
    first_page: int = 1
    key_form: KeyForm = "x509-explicit"
    fresh_keys: bool = True
    checksum: Checksum = "hex"
    wrong_tag: Which = "none"
    bearer: bool = False
    order: Order = "forward"
    twice: bool = False
    missing: bool = False
    early: bool = False
    transactions: int = 1
    after_end: bool = False
    refuses: str = ""
    silent: bool = False
    seconds: float = 0.0
    tries: int = 3

    def changed(self, **values: Any) -> "PushStyle":
        """A copy with some fields changed; raises StyleError for what does not fit."""
        known = {field.name: getattr(self, field.name) for field in fields(self)}
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise StyleError(f"A push has no {', '.join(unknown)}; it has {', '.join(known)}.")
        for name, value in values.items():
            wanted = type(known[name])
            if not isinstance(value, wanted) and not (wanted is float and isinstance(value, int)):
                raise StyleError(f"{name} must be of type {wanted.__name__}.")
            if name in CHOICES and value not in CHOICES[name]:
                raise StyleError(f"{name} is one of {', '.join(CHOICES[name])}.")
        return replace(self, **values)


CHOICES: dict[str, tuple[str, ...]] = {
    "key_form": ("raw", "x509-explicit", "x509-named"),
    "checksum": ("hex", "base64", "empty", "placeholder", "wrong"),
    "wrong_tag": ("none", "first", "all"),
    "order": ("forward", "backward"),
}

# What three kinds of deployed HIPs do (V3 contract 14, rows 18 to 23).
PEERS: dict[str, dict[str, Any]] = {
    "nha": {},
    "all-on-one-page": {
        "entries_per_page": 0,
        "fresh_keys": False,
        "checksum": "empty",
        "bearer": True,
    },
    "seven-per-page": {
        "entries_per_page": 7,
        "first_page": 0,
        "fresh_keys": False,
        "checksum": "placeholder",
    },
}


@dataclass(frozen=True)
class PlannedPage:
    """A page before encryption: its number, of how many, in which transaction, with what."""

    number: int
    count: int
    transaction_id: str
    holdings: tuple[Holding, ...]
    spoilt: bool


def plan(
    holdings: list[Holding], style: PushStyle, transaction_ids: list[str]
) -> list[PlannedPage]:
    """The pages in the order in which they are sent, repeats included.

    The documents are dealt out to the transactions in turn, each with a page count of its own.
    """
    pages: list[PlannedPage] = []
    for position, transaction_id in enumerate(transaction_ids):
        part = holdings[position :: len(transaction_ids)]
        size = style.entries_per_page or max(1, len(part))
        groups = [tuple(part[start : start + size]) for start in range(0, len(part), size)]
        pages += [
            PlannedPage(
                number + style.first_page,
                len(groups),
                transaction_id,
                group,
                style.wrong_tag == "all" or (style.wrong_tag == "first" and number == 0),
            )
            for number, group in enumerate(groups)
        ]
    if style.missing:
        pages = pages[:-1]
    if style.order == "backward":
        pages.reverse()
    return pages + pages[-1:] if style.twice else pages


def checksum(content: bytes, kind: Checksum) -> str:
    """The checksum of a plaintext in one of the forms that are sent."""
    digest = hashlib.md5(content, usedforsecurity=False).digest()
    wrong = hashlib.md5(content + b" ", usedforsecurity=False)
    forms: dict[Checksum, str] = {
        "hex": digest.hex(),
        "base64": base64.b64encode(digest).decode(),
        "empty": "",
        "placeholder": "string",
        "wrong": wrong.hexdigest(),
    }
    return forms[kind]


def spoil(sealed: str) -> str:
    """The same content with one bit of its tag turned over."""
    raw = bytearray(base64.b64decode(sealed))
    raw[-1] ^= 1
    return base64.b64encode(raw).decode()
