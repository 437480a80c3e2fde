"""Single values as FHIR R4 writes them: is one allowed where it stands, and if not, what is.

Source: http://hl7.org/fhir/R4/datatypes.html#primitive, and what HAPI's parser takes. HAPI refuses
a whole resource for one bad date, so a value that isn't allowed is taken out and kept as text. What
can be read in one way only (" FINAL ", 3.0 for 3) is read so; nothing is guessed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import date
from typing import Any, Final

from mappings.received.elements import Element

_TEMPORAL = re.compile(
    r"(?P<year>\d{4})(-(?P<month>\d\d)(-(?P<day>\d\d)"
    r"(T(?P<hour>[01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?"
    r"(Z|[+-](0\d|1[0-3]):[0-5]\d|[+-]14:00)?)?)?)?\Z",
    re.ASCII,
)
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?\Z", re.ASCII)
_INTEGER = re.compile(r"-?\d{1,10}\Z", re.ASCII)
_DECIMAL = re.compile(r"-?\d{1,400}(\.\d{1,400})?([eE][+-]?\d{1,4})?\Z", re.ASCII)
_SPACES: Final = " \t\r\n"
# Possessive (`*+`): going back over megabytes of spaces would take hours.
_BASE64 = re.compile(rf"[A-Za-z0-9+/{_SPACES}]*+={{0,2}}+[{_SPACES}]*+\Z")
_DATA_URL = re.compile(r"\s*data:[^,]{0,200};base64,")
_URL_SAFE = str.maketrans("-_", "+/")
# FHIR R4: 32 bits, signed.
_MOST_INTEGER: Final = (1 << 31) - 1

# Stands for "not allowed here", which None can't: that is JSON's null.
INVALID: Final = object()


def checked(value: Any, element: Element) -> Any:
    """The value as it may stand at an element; INVALID if there is no way.

    The very same object comes back where nothing had to be done.
    """
    return _CHECKS.get(element.type, _text)(value, element)


def _text(value: Any, _element: Element) -> Any:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else INVALID


def _code(value: Any, element: Element) -> Any:
    text = _text(value, element)
    if text is INVALID or not element.codes or text in element.codes:
        return text
    meant = [c for c in element.codes if c.casefold() == text.strip().casefold()]
    return meant[0] if len(meant) == 1 else INVALID


def _boolean(value: Any, _element: Element) -> Any:
    if isinstance(value, bool):
        return value
    words = value.strip().casefold() if isinstance(value, str) else ""
    return {"true": True, "false": False}.get(words, INVALID)


def _integer(value: Any, _element: Element) -> Any:
    if isinstance(value, bool):
        return INVALID
    if isinstance(value, str):
        value = int(value) if _INTEGER.match(value.strip()) else INVALID
    elif isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and -_MOST_INTEGER <= value <= _MOST_INTEGER:
        return value
    return INVALID


def _decimal(value: Any, _element: Element) -> Any:
    if isinstance(value, bool):
        return INVALID
    if isinstance(value, int | float):
        return value if _is_finite(value) else INVALID
    if isinstance(value, str) and _DECIMAL.match(value.strip()) and math.isfinite(float(value)):
        # As text it keeps its digits (4.50): the FHIR server reads it as the number it is.
        return value.strip()
    return INVALID


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _temporal(value: Any, _element: Element) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return INVALID
    text = value.strip()
    match = _TEMPORAL.match(text)
    if match is None:
        return INVALID
    try:
        date(int(match["year"]), int(match["month"] or 1), int(match["day"] or 1))
    except ValueError:
        return INVALID
    return value if text == value else text


def _time(value: Any, _element: Element) -> Any:
    text = value.strip() if isinstance(value, str) else ""
    if not _TIME.match(text):
        return INVALID
    return value if text == value else text


def _base64(value: Any, _element: Element) -> Any:
    if not isinstance(value, str):
        return INVALID
    if _BASE64.match(value):
        plain = value
    else:
        prefix = _DATA_URL.match(value)
        plain = value[prefix.end() if prefix else 0 :].translate(_URL_SAFE)
        if not _BASE64.match(plain):
            return INVALID
    beyond = (len(plain) - sum(map(plain.count, _SPACES))) % 4
    if beyond == 0:
        return plain
    return INVALID if beyond == 1 or "=" in plain[-4:] else plain + "=" * (4 - beyond)


_CHECKS: Final[dict[str, Callable[[Any, Element], Any]]] = {
    "base64Binary": _base64,
    "boolean": _boolean,
    "code": _code,
    "date": _temporal,
    "dateTime": _temporal,
    "decimal": _decimal,
    "instant": _temporal,
    "integer": _integer,
    "positiveInt": _integer,
    "time": _time,
    "unsignedInt": _integer,
}
