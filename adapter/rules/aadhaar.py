"""What a desk may enter: an Aadhaar number, a mobile number, an OTP, an ABHA address. Pure.

Checked before any call (cases CRT_ABHA_104, VRFY_ABHA_301, 401). Aadhaar numbers end in a Verhoeff
check digit, which notices every single wrong digit and every swap of neighbours. No error here
quotes what was entered. Source: M0 and M1, section 3.
"""

from __future__ import annotations

import re

from adapter.protocol.errors import MalformedRequest

# The dihedral group D5, and the permutation applied by position (Verhoeff, 1969).
_TIMES = tuple(
    tuple(
        (a + b) % 5 if a < 5 and b < 5
        else (a + b - 5) % 5 + 5 if a < 5
        else (a - 5 - b) % 5 + 5 if b < 5
        else (a - b) % 5
        for b in range(10)
    )
    for a in range(10)
)  # fmt: skip
_PERMUTED = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)

_MOBILE = re.compile(r"(?:\+91|0)?([1-9][0-9]{9})", re.ASCII)
_LOCAL = re.compile(
    r"[a-zA-Z0-9]+\.?[a-zA-Z0-9]*_?[a-zA-Z0-9]+|[a-zA-Z0-9]+_?[a-zA-Z0-9]*\.?[a-zA-Z0-9]+"
)
_TAKEN_FOR_NUMBERS = re.compile(r"\d{10}|\d{14}", re.ASCII)


def verhoeff(number: str) -> bool:
    """Whether the last digit of `number` is the Verhoeff check digit of those before it."""
    check = 0
    for place, digit in enumerate(reversed(number)):
        value = int(digit)
        for _ in range(place % 8):
            value = _PERMUTED[value]
        check = _TIMES[check][value]
    return check == 0


def aadhaar_digits(entered: str) -> str:
    """The twelve digits of an Aadhaar number, entered with or without blanks or dashes.

    Raises MalformedRequest.
    """
    bare = re.sub(r"[ -]", "", entered)
    if not re.fullmatch(r"\d{12}", bare, re.ASCII):
        raise MalformedRequest("An Aadhaar number has 12 digits; check what was entered.")
    if bare[0] in "01" or not verhoeff(bare):
        raise MalformedRequest("This is no Aadhaar number: its digits do not fit; enter it again.")
    return bare


def mobile_digits(entered: str) -> str:
    """The ten digits of an Indian mobile number. Raises MalformedRequest."""
    found = _MOBILE.fullmatch(re.sub(r"[ -]", "", entered))
    if found is None:
        raise MalformedRequest("A mobile number has ten digits and does not begin with 0.")
    return found.group(1)


def otp_digits(entered: str) -> str:
    """The six digits of a one-time password. Raises MalformedRequest."""
    bare = entered.strip()
    if not re.fullmatch(r"\d{6}", bare, re.ASCII):
        raise MalformedRequest("A one-time password has six digits; enter it again.")
    return bare


def address_choice(entered: str) -> str:
    """The local part of an ABHA address that a person chose, without its suffix.

    Raises MalformedRequest: 8 to 18 letters and digits, at most one dot and one underscore inside,
    no mobile or ABHA number (section 3; case CRT_ABHA_112).
    """
    local = entered.strip().partition("@")[0]
    if not 8 <= len(local) <= 18 or not _LOCAL.fullmatch(local):
        raise MalformedRequest(
            "An ABHA address has 8 to 18 letters and digits, with at most one dot and one "
            "underscore, neither first nor last."
        )
    if _TAKEN_FOR_NUMBERS.fullmatch(local):
        raise MalformedRequest("An ABHA address must not be a mobile number or an ABHA number.")
    return local
