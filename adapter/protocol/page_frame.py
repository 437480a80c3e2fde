"""Takes a page's long texts out of its JSON while the bytes pass by, so that none is ever held.

A pushed page is one JSON object in which one or many encrypted contents may be a hundred megabytes.
`PageFrame` is fed the bytes as they arrive and keeps the *frame*: the same JSON, in which each text
longer than LONGEST_TEXT stands as `span:<start>:<end>`, its place in the page (bytes between the
quotes, end exclusive). The frame is small and can be parsed like any message; a content is later
read from wherever the page was put. A colon is no character of base64, so a span is never taken for
a content; a sender who writes one by hand only points into its own page.

Pure. What is no JSON is found when the frame is parsed, or here, where its end is missing.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import orjson

from adapter.protocol.errors import MalformedRequest

#: Characters (bytes) of a text that stays in the frame.
LONGEST_TEXT = 4096
#: What is not long text must be small: keys and references of some ten thousand entries.
LARGEST_FRAME = 4 * 1024 * 1024

_SPAN = re.compile(r"span:(\d{1,12}):(\d{1,12})")
_QUOTE, _BACKSLASH = b'"', b"\\"


class Span(NamedTuple):
    """Where a text stands in its page: bytes from `start` up to `end`."""

    start: int
    end: int


class PageFrame:
    """One page as it arrives: `feed` each part, then `finish`."""

    def __init__(self) -> None:
        self._frame = bytearray()
        self._seen = 0
        self._inside = False
        self._escaped = False
        self._start = 0
        self._held = bytearray()

    def feed(self, data: bytes) -> None:
        """The next bytes. Raises MalformedRequest where the frame becomes too large."""
        at = 0
        while at < len(data):
            at = self._text(data, at) if self._inside else self._between(data, at)
            if len(self._frame) > LARGEST_FRAME:
                raise MalformedRequest(
                    "More than 4 MiB of this page is not content; send fewer entries in one page."
                )
        self._seen += len(data)

    def finish(self) -> bytes:
        """The frame. Raises MalformedRequest where the page ends within a text."""
        if self._inside:
            raise MalformedRequest("The body is not JSON.")
        return bytes(self._frame)

    def _between(self, data: bytes, at: int) -> int:
        quote = data.find(_QUOTE, at)
        if quote < 0:
            self._frame += data[at:]
            return len(data)
        self._frame += data[at : quote + 1]
        self._inside = True
        self._start = self._seen + quote + 1
        return quote + 1

    def _text(self, data: bytes, at: int) -> int:
        quote = self._closing_quote(data, at)
        stop = len(data) if quote < 0 else quote
        if len(self._held) <= LONGEST_TEXT:
            self._held += data[at : min(stop, at + LONGEST_TEXT + 1)]
        if quote < 0:
            return stop
        end = self._seen + quote
        if end - self._start > LONGEST_TEXT:
            self._frame += b"span:%d:%d" % (self._start, end)
        else:
            self._frame += self._held
        self._frame += _QUOTE
        self._held.clear()
        self._inside = False
        return quote + 1

    def _closing_quote(self, data: bytes, at: int) -> int:
        """Where the text ends, -1 if not in these bytes; a backslash takes the next byte along."""
        if self._escaped:
            self._escaped = False
            at += 1
        quote = data.find(_QUOTE, at)
        while True:
            stop = len(data) if quote < 0 else quote
            backslash = data.find(_BACKSLASH, at, stop)
            if backslash < 0:
                return quote
            at = backslash + 2
            if at > len(data):
                self._escaped = True
                return -1
            if quote >= 0 and at > quote:
                quote = data.find(_QUOTE, at)


def span_of(text: str) -> Span | None:
    """The span that stands for a long text, None for a text that is itself."""
    found = _SPAN.fullmatch(text)
    return Span(int(found[1]), int(found[2])) if found else None


def unescaped(raw: bytes) -> bytes:
    """The text of a span as its sender meant it: some escape `/` and `=` in base64.

    Raises MalformedRequest where the bytes are no JSON text.
    """
    if _BACKSLASH not in raw:
        return raw
    try:
        text: str = orjson.loads(b'"%b"' % raw)
        return text.encode("ascii")
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        raise MalformedRequest("A content of this page is no JSON text of base64.") from None
