"""When a transfer in is complete, and what is said of each of its care contexts. Pure.

Peers count pages from 0 or from 1, put all entries into one page or seven into each, and some push
each care context as page 1 of 1. So numbers alone prove nothing: a transfer is complete once every
number is there and every care context of the artefact was brought; or, where one brought nothing,
once every number is there and no page has come for a while (architecture 6.D, V3 contract 9.3).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from adapter.protocol.messages import ContextStatus
from adapter.rules.states import IncomingEntryState

NOTHING_CAME = "Nothing came for this care context."
STORED = "Received and stored."


class Progress(StrEnum):
    """How far a transfer is. MISSING: its time is over and pages are missing, or all are."""

    WAITING = "WAITING"
    COMPLETE = "COMPLETE"
    MISSING = "MISSING"


@dataclass(frozen=True)
class Arrived:
    """What has come so far: (page number, page count) of each page, and care contexts brought."""

    pages: tuple[tuple[int, int], ...]
    brought: frozenset[str]
    last_page_at: datetime | None


@dataclass(frozen=True)
class Outcome:
    """What became of one entry; `sentence`: what is wrong with it, or with its document."""

    reference: str
    state: IncomingEntryState
    sentence: str | None


def whole(pages: Iterable[tuple[int, int]]) -> bool:
    """Whether every number up to the largest page count is there, counted from 0 or from 1."""
    pairs = list(pages)
    count = max((count for _, count in pairs), default=0)
    # As many numbers as were promised must at least have come; it also bounds the two sets below.
    numbers = {number for number, _ in pairs}
    if not 0 < count <= len(numbers):
        return False
    return numbers >= set(range(count)) or numbers >= set(range(1, count + 1))


def progress(
    arrived: Arrived,
    wanted: Collection[str],
    *,
    now: datetime,
    quiet: timedelta,
    deadline: datetime,
) -> tuple[Progress, datetime]:
    """How far it is, and when to look again while it is WAITING.

    `wanted`: the artefact's care contexts; an artefact that names none is covered by any page.
    """
    if arrived.last_page_at is not None and whole(arrived.pages):
        silent_at = arrived.last_page_at + quiet
        if arrived.brought.issuperset(wanted) or now >= silent_at:
            return Progress.COMPLETE, now
        deadline = min(deadline, silent_at)
    if now >= deadline:
        return Progress.MISSING, now
    return Progress.WAITING, deadline


def statuses(wanted: Sequence[str], outcomes: Sequence[Outcome]) -> tuple[ContextStatus, ...]:
    """One status per care context: first the artefact's in its order, then others that came.

    `delivered` where at least one document was kept, valid FHIR or not: the description says what
    was not, and what is wrong with what is kept.
    """
    references = dict.fromkeys([*wanted, *(each.reference for each in outcomes)])
    return tuple(
        _status(reference, [each for each in outcomes if each.reference == reference])
        for reference in references
    )


def _status(reference: str, outcomes: Sequence[Outcome]) -> ContextStatus:
    kept = [each for each in outcomes if each.state is IncomingEntryState.STORED]
    said = dict.fromkeys(each.sentence for each in outcomes if each.sentence)
    if not outcomes:
        return ContextStatus(reference, False, NOTHING_CAME)
    head = STORED if len(kept) == len(outcomes) else f"{len(kept)} of {len(outcomes)} stored."
    return ContextStatus(reference, bool(kept), " ".join([head, *said]))
