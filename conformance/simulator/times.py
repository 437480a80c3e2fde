"""Times as ABDM writes and reads them: UTC with milliseconds and Z out, loose forms in."""

import re
from datetime import UTC, datetime


def now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.now(UTC)


def timestamp(moment: datetime) -> str:
    """`2026-11-23T06:12:00.000Z`; raises ValueError for a time without a zone."""
    if moment.tzinfo is None:
        raise ValueError("Give the time with its time zone.")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse(text: str) -> datetime:
    """An aware UTC time from any form that peers send; no zone is read as UTC.

    Raises ValueError if it is no date and time.
    """
    shortened = re.sub(r"\.(\d{6})\d+", r".\1", text.strip())
    moment = datetime.fromisoformat(shortened)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
