"""ABDM times: read in every form peers send, written in the one form the gateway accepts.

Pure; asks no clock. Source: V3 contract 3.1 (TimestampLoose, TimestampStrict).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

_LOOSE = re.compile(
    r"(?P<seconds>\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d)"
    r"(?:[.,](?P<fraction>\d{0,9}))?"
    r"(?:[Zz]|(?P<sign>[+-])(?P<hours>\d\d):?(?P<minutes>\d\d))?",
    re.ASCII,
)


def parse(text: str) -> datetime:
    """An aware UTC time from 0 to 9 fraction digits with `Z`, an offset, or no zone (read as UTC).

    Raises ValueError, without the value, when it is no such time.
    """
    match = _LOOSE.fullmatch(text.strip())
    if match is None:
        raise ValueError("not a time of the form 2026-11-23T06:12:00.000Z")
    zone = UTC
    if match["sign"]:
        offset = timedelta(hours=int(match["hours"]), minutes=int(match["minutes"]))
        if offset >= timedelta(hours=24):
            raise ValueError("an offset of a day or more")
        zone = timezone(-offset if match["sign"] == "-" else offset)
    microseconds = int((match["fraction"] or "").ljust(6, "0")[:6])
    try:
        seconds = datetime.fromisoformat(match["seconds"].upper().replace(" ", "T"))
        return seconds.replace(microsecond=microseconds, tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("not a time that exists") from None


def format(moment: datetime) -> str:  # noqa: A001  # timestamps.format reads as what it does
    """`YYYY-MM-DDTHH:MM:SS.mmmZ` in UTC. Raises ValueError for a time without zone."""
    if moment.tzinfo is None:
        raise ValueError("a time without zone cannot be sent")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
