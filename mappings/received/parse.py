"""Bytes from another hospital into a JSON value, as tolerantly as is safe. Pure; never raises.

Values beyond the limits are not built at all: a megabyte of brackets would take a hundred megabytes
of memory.
"""

from __future__ import annotations

import codecs
import json
import re
from typing import Any, Final

from mappings.received.flags import Flags

# JSON values (commas and brackets) in one document. A stay of 30 days with hourly vital signs has
# some 50,000; a million take about 200 MB of memory while they are read.
MOST_VALUES: Final = 1_000_000
# Levels of nesting. FHIR documents have about 15; HAPI's own parser ends at 1,000.
MOST_DEPTH: Final = 100

_TOO_LARGE = f"It has more than {MOST_VALUES:,} values; only the bytes as received are kept."
_TOO_DEEP = f"It is nested deeper than {MOST_DEPTH} levels; only the bytes as received are kept."
_NOT_JSON = "It can't be read as JSON; only the bytes as received are kept."
# Texts can hold these only where the JSON has an escape. FHIR R4 `string` and XML forbid them, and
# a database may refuse them (PostgreSQL: NUL); half a surrogate pair is no text at all.
# Zero bytes between them: UTF-16.
_ESCAPED = re.compile(rb"\\\x00*[ubf]")
FORBIDDEN_CHARACTERS: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")


def parse(content: bytes, flags: Flags) -> Any:
    """The JSON value of the bytes; None, and a flag that says why, if they can't be read."""
    if sum(map(content.count, (b",", b"[", b"{"))) > MOST_VALUES:
        flags.add("too-large", _TOO_LARGE)
        return None
    value = _loads(_text(content, flags), flags)
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        flags.add("encoded-twice", "The JSON stood inside a JSON text; it was unpacked.")
        if sum(map(value.count, (",", "[", "{"))) > MOST_VALUES:
            flags.add("too-large", _TOO_LARGE)
            return None
        value = _loads(value, flags)
    if value is not None and _deeper_than(value, MOST_DEPTH):
        flags.add("too-deep", _TOO_DEEP)
        return None
    return value


def may_hold_forbidden(content: bytes) -> bool:
    """Whether texts of this JSON may have FORBIDDEN_CHARACTERS: a fast look at the bytes."""
    return _ESCAPED.search(content) is not None


def _text(content: bytes, flags: Flags) -> str:
    if content.startswith(codecs.BOM_UTF8):
        flags.add("wrong-encoding", "It starts with a byte order mark, which was left out.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    encoding = json.detect_encoding(content[:4])
    if encoding.startswith(("utf-16", "utf-32")):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            pass
        else:
            flags.add("wrong-encoding", "It was written in another Unicode form than UTF-8.")
            return text
    flags.add("wrong-encoding", "It isn't UTF-8; it was read as Latin-1, the usual other encoding.")
    # Windows-1252 is what "Latin-1" mostly is; its five unused bytes stand for themselves.
    try:
        return content.decode("cp1252")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _loads(text: str, flags: Flags) -> Any:
    repeated = False

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal repeated
        found = dict(pairs)
        repeated = repeated or len(found) < len(pairs)
        return found

    try:
        value = json.loads(text, object_pairs_hook=unique, parse_constant=_no_number)
    except RecursionError:
        flags.add("too-deep", _TOO_DEEP)
        return None
    except ValueError:
        flags.add("not-json", _NOT_JSON)
        return None
    if repeated:
        flags.add("duplicate-name", "A JSON object has a name twice; the last value counts.")
    if value is None:
        flags.add("not-fhir", "It is an empty JSON value; only the bytes as received are kept.")
    return value


def _no_number(_name: str) -> Any:
    raise ValueError("NaN and Infinity are no JSON")


def _deeper_than(value: Any, most: int) -> bool:
    level = [value]
    for _ in range(most):
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True
