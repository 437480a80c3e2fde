"""What a dialect is made of: rows of its table, the wire form of a message, and a JSON reader.

The reader turns a missing or unusable field into MalformedRequest naming the field's place, never
its value: values may be personal data. Pure; knows no dialect.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from adapter.protocol import ids, timestamps
from adapter.protocol.errors import MalformedRequest
from adapter.protocol.messages import Envelope


@dataclass(frozen=True)
class Wire:
    """A message as it leaves: headers of its own (facility, link token) and the JSON body."""

    headers: dict[str, str]
    body: dict[str, Any]


@dataclass(frozen=True)
class Inbound:
    """A message others send to us.

    `answers`: the message of ours whose REQUEST-ID it repeats in `response.requestId`.
    """

    message: type
    path: str
    decode: Callable[[Fields], Any]
    answers: type | None = None


@dataclass(frozen=True)
class Outbound:
    """A message we send. An empty `path`: the address comes with the request (data push).

    `accepts`: HTTP statuses that mean taken. `answered_by`: the callback that tells the outcome.
    """

    message: type
    method: str
    path: str
    encode: Callable[[Envelope, Any], Wire]
    accepts: frozenset[int] = field(default=frozenset({200, 202}))
    answered_by: type | None = None


@dataclass(frozen=True)
class Dialect:
    """One way of speaking with the gateway: its messages, and what is around every one of them.

    `name`: kept on rows, so that a reply uses the dialect of what it answers; `generation`: the
    value of ABDM_API_VERSION that it belongs to; `in_body`: request id and timestamp stand in the
    body (`requestId`, `timestamp`), not in headers; `code`: an error's code by its class name.
    """

    name: str
    generation: str
    inbound: tuple[Inbound, ...]
    outbound: tuple[Outbound, ...]
    sessions_path: str
    certs_path: str
    in_body: bool
    code: Callable[[str], str | int]


@dataclass(frozen=True)
class Fields:
    """Reads one JSON object. `place` is where it stands in the body; `source` the text received."""

    data: Mapping[str, Any]
    place: str = ""
    source: str | None = None

    def fault(self, name: str, what: str) -> MalformedRequest:
        """The error for the field `name`, to be raised by the caller."""
        return MalformedRequest(f"The field {self._at(name)} {what}.")

    def _at(self, name: str) -> str:
        return f"{self.place}.{name}" if self.place else name

    def has(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self.data.get(name) is not None

    def inner(self, name: str) -> Fields:
        """The object `name`."""
        value = self.data.get(name)
        if value is None:
            raise self.fault(name, "is missing")
        if not isinstance(value, dict):
            raise self.fault(name, "must be an object")
        return Fields(value, self._at(name), self.source)

    def inner_or_none(self, name: str) -> Fields | None:
        """The object `name`, or None where it is absent or null."""
        return self.inner(name) if self.has(name) else None

    def items(self, name: str) -> list[Fields]:
        """The list of objects `name`; absent and null are an empty list."""
        value = self.data.get(name)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self.fault(name, "must be a list of objects")
        return [Fields(item, f"{self._at(name)}[{n}]", self.source) for n, item in enumerate(value)]

    def some_items(self, name: str) -> list[Fields]:
        """The list of objects `name`, which must have at least one."""
        found = self.items(name)
        if not found:
            raise self.fault(name, "is missing or empty")
        return found

    def text_or_none(self, name: str) -> str | None:
        """The text `name`; a number is read as its digits; absent, null and blank are None."""
        value = self.data.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if value is None or (isinstance(value, str) and not value.strip()):
            return None
        # PostgreSQL cannot store NUL, so such a text could not be kept.
        if not isinstance(value, str) or "\x00" in value:
            raise self.fault(name, "must be text")
        return value

    def text(self, name: str) -> str:
        """The text `name`, which must be there."""
        value = self.text_or_none(name)
        if value is None:
            raise self.fault(name, "is missing")
        return value

    def some_texts(self, name: str) -> tuple[str, ...]:
        """The list of texts `name`, which must have at least one."""
        value = self.data.get(name)
        if not value:
            raise self.fault(name, "is missing or empty")
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.fault(name, "must be a list of texts")
        return tuple(value)

    def uuid(self, name: str) -> str:
        """The UUID `name`, in lower case."""
        value = self.text(name)
        if not ids.is_uuid(value):
            raise self.fault(name, "must be a UUID")
        return value.lower()

    def integer(self, name: str) -> int:
        """The whole number `name`; digits as text are read too."""
        value = self.text(name)
        if not (value.isascii() and value.strip().isdigit() and len(value) <= 18):
            raise self.fault(name, "must be a whole number")
        return int(value)

    def time_or_none(self, name: str) -> datetime | None:
        """The time `name` in any form of `timestamps.parse`, aware UTC."""
        value = self.text_or_none(name)
        if value is None:
            return None
        try:
            return timestamps.parse(value)
        except ValueError as error:
            raise self.fault(name, f"is {error}") from None

    def time(self, name: str) -> datetime:
        """The time `name`, which must be there."""
        value = self.time_or_none(name)
        if value is None:
            raise self.fault(name, "is missing")
        return value

    def verbatim(self) -> str:
        """This object's JSON text, byte for byte as received where the body's text is known."""
        if self.source is not None:
            found = _slice(self.source, self.place.split("."))
            if found is not None:
                return found
        return json.dumps(self.data, ensure_ascii=False, separators=(",", ":"))


_decoder = json.JSONDecoder()


def _slice(text: str, path: list[str]) -> str | None:
    """The text of the object at `path` (member names from the top) within the JSON `text`."""
    try:
        start = _past_space(text, 0)
        for name in path:
            found = _member(text, start, name)
            if found is None:
                return None
            start = found
        _, end = _decoder.raw_decode(text, start)
    except (ValueError, IndexError, RecursionError):
        # A number of thousands of digits, say: one JSON reader takes it and the other does not.
        return None
    return text[start:end]


def _member(text: str, start: int, wanted: str) -> int | None:
    """Where the value of the member `wanted` of the object at `start` begins; the last one wins."""
    if text[start] != "{":
        return None
    found = None
    at = _past_space(text, start + 1)
    while text[at] != "}":
        name, at = _decoder.raw_decode(text, at)
        at = _past_space(text, _past_space(text, at) + 1)
        if name == wanted:
            found = at
        _, at = _decoder.raw_decode(text, at)
        at = _past_space(text, at)
        if text[at] == ",":
            at = _past_space(text, at + 1)
    return found


def _past_space(text: str, at: int) -> int:
    while text[at] in " \t\r\n":
        at += 1
    return at
