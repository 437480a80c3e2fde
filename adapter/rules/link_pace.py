"""When ABDM may be asked about an ABHA address again. Pure.

ABDM remembers a request for a link token about 6.2 minutes, answered or not, and blocks an address
for a day after about 20 refused calls (V3 contract 6.1; field notes 1.1). Both are counted per
address over all facilities of this adapter: nobody knows whose calls ABDM adds up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

#: How long a refusal counts, and how long ABDM blocks an address.
DAY = timedelta(hours=24)


@dataclass(frozen=True)
class Pace:
    """What was asked about one address. `asked_at`: the last request for a link token; `refusals`:
    times of refused calls, the oldest first; `blocked_until`: ABDM said that it blocks it."""

    asked_at: datetime | None = None
    refusals: tuple[datetime, ...] = ()
    blocked_until: datetime | None = None


def next_call(pace: Pace, now: datetime, *, most_refusals: int) -> datetime:
    """When the next call about the address may leave: `now`, or later after a block or after
    `most_refusals` within a day."""
    recent = [time for time in pace.refusals if time > now - DAY]
    times = [now]
    if pace.blocked_until is not None:
        times.append(pace.blocked_until)
    if len(recent) >= most_refusals:
        times.append(recent[-most_refusals] + DAY)
    return max(times)


def next_token_request(
    pace: Pace, now: datetime, *, between: timedelta, most_refusals: int
) -> datetime:
    """When the next request for a link token may leave: `between` after the last, too."""
    earliest = next_call(pace, now, most_refusals=most_refusals)
    return earliest if pace.asked_at is None else max(earliest, pace.asked_at + between)


def refused(pace: Pace, at: datetime) -> Pace:
    """The pace with one more refusal; one noted twice counts once, old ones are forgotten."""
    kept = sorted({time for time in (*pace.refusals, at) if time > at - DAY})
    return replace(pace, refusals=tuple(kept))
