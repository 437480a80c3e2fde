"""The dates of a document, taken from its records and never from a clock. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone

from mappings.resources import Resource, clinical_date

# A date without a time or zone is read in India's, where these records are written.
_INDIA = timezone(timedelta(hours=5, minutes=30))
_PARTIAL = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?\Z")


def parsed(value: str) -> datetime | None:
    """A FHIR date, dateTime or instant as an aware time (a partial one: its beginning)."""
    match = _PARTIAL.match(value)
    if match:
        value = f"{match[1]}-{match[2] or '01'}-{match[3] or '01'}"
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=_INDIA)


def to_instant(value: str) -> str:
    """A FHIR date or dateTime as an instant (seconds and zone)."""
    moment = parsed(value)
    return moment.isoformat() if moment else value


def document_date(
    root: Resource, resources: Iterable[Resource], focus: Resource | None = None
) -> str:
    """When the document's content was last changed by those who wrote it (Composition.date).

    Of a document about one record (`focus`): when that was issued, or happened. Else the end of the
    visit; while it has none, the newest date that the visit or a record states; for
    records without any date, their newest update on the server. "" if there is nothing at all.
    """
    for stated in (focus.get("issued"), clinical_date(focus)) if focus else ():
        if isinstance(stated, str) and parsed(stated):
            return _with_zone(stated)
    period = root.get("period")
    end = period.get("end") if isinstance(period, dict) else None
    if isinstance(end, str) and parsed(end):
        return _with_zone(end)
    resources = list(resources)
    stated = [d for d in map(clinical_date, (root, *resources)) if d and parsed(d)]
    if stated:
        return _with_zone(max(stated, key=lambda d: (parsed(d), d)))
    return newest_update(resources)


def newest_update(resources: Iterable[Resource]) -> str:
    """The newest `meta.lastUpdated` as an instant; "" if no record has one."""
    updates = [(r.get("meta") or {}).get("lastUpdated") for r in resources]
    moments = [m for m in (parsed(u) for u in updates if isinstance(u, str)) if m]
    return max(moments).isoformat() if moments else ""


def _with_zone(value: str) -> str:
    """FHIR wants a zone and seconds with every time of day."""
    return to_instant(value) if "T" in value else value
