"""When a delivery is tried again."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.stores import backoff

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
FAR = NOW + timedelta(hours=24)


@pytest.mark.parametrize(
    ("attempts", "seconds"), [(1, 2), (2, 4), (3, 8), (7, 128), (8, 256), (9, 300), (500, 300)]
)
def test_delays_double_from_two_seconds_to_five_minutes(attempts: int, seconds: int) -> None:
    due = backoff.retry_at(NOW, FAR, attempts, jitter=0)
    assert due == NOW + timedelta(seconds=seconds)


@given(attempts=st.integers(1, 60))
def test_jitter_stays_within_a_fifth(attempts: int) -> None:
    middle = min(2 * 2 ** (attempts - 1), 300)
    due = backoff.retry_at(NOW, FAR, attempts)
    assert due is not None
    assert 0.8 * middle <= (due - NOW).total_seconds() <= 1.2 * middle


def test_retry_after_is_never_undercut() -> None:
    due = backoff.retry_at(NOW, FAR, 1, after=timedelta(minutes=7))
    assert due is not None
    assert due >= NOW + timedelta(minutes=7)


@given(
    attempts=st.integers(1, 60),
    left=st.floats(0, 100_000),
    after=st.none() | st.floats(0, 100_000),
    jitter=st.floats(-1, 1),
)
def test_no_attempt_is_planned_for_after_the_deadline_or_before_retry_after(
    attempts: int, left: float, after: float | None, jitter: float
) -> None:
    deadline = NOW + timedelta(seconds=left)
    pause = None if after is None else timedelta(seconds=after)
    due = backoff.retry_at(NOW, deadline, attempts, after=pause, jitter=jitter)
    if due is not None:
        assert NOW < due < deadline
        assert pause is None or due >= NOW + pause


def test_the_last_attempt_is_moved_before_a_deadline_that_back_off_would_miss() -> None:
    deadline = NOW + timedelta(seconds=4)
    assert backoff.retry_at(NOW, deadline, 5, jitter=0) == deadline - timedelta(seconds=1)


def test_a_retry_after_beyond_the_deadline_ends_it() -> None:
    deadline = NOW + timedelta(seconds=60)
    assert backoff.retry_at(NOW, deadline, 1, after=timedelta(seconds=61)) is None
