"""When to try a delivery again. Pure: a function of times; knows no table and no network.

2 s doubling to 5 min, ±20 % so that many rows do not come back together; never before the other
side's Retry-After, and never after the deadline (architecture 10).
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta

FIRST_DELAY = timedelta(seconds=2)
LONGEST_DELAY = timedelta(minutes=5)
JITTER = 0.2
#: The last attempt of a row leaves this long before its deadline.
MARGIN = timedelta(seconds=1)


def retry_at(
    now: datetime,
    deadline: datetime,
    attempts: int,
    *,
    after: timedelta | None = None,
    jitter: float | None = None,
) -> datetime | None:
    """When to try again after the `attempts`-th failure; None: not before the deadline.

    `after`: the other side's Retry-After; `jitter`: from -1 to 1 (a test's), else random. Where
    only our own back-off would miss the deadline, one last attempt is made just before it; a
    Retry-After beyond the deadline ends it.
    """
    share = random.uniform(-1, 1) if jitter is None else jitter
    delay = min(FIRST_DELAY * (1 << min(attempts - 1, 16)), LONGEST_DELAY) * (1 + JITTER * share)
    earliest = now + (after or timedelta(0))
    due = max(now + delay, earliest)
    if due < deadline:
        return due
    last = deadline - MARGIN
    return last if last >= max(now + MARGIN, earliest) else None
