"""When a transfer in is complete, and what is said of each care context."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.rules.incoming import Arrived, Outcome, Progress, progress, statuses, whole
from adapter.rules.states import IncomingEntryState

NOW = datetime(2026, 11, 23, 18, 30, tzinfo=UTC)
QUIET = timedelta(seconds=10)
DEADLINE = NOW + timedelta(minutes=30)
STORED, ERRORED = IncomingEntryState.STORED, IncomingEntryState.ERRORED


@given(st.integers(1, 50), st.sampled_from([0, 1]), st.randoms(), st.integers(0, 5))
def test_every_number_in_any_order_and_repeated_makes_it_whole(
    count: int, base: int, random: object, repeats: int
) -> None:
    pages = [(number + base, count) for number in range(count)]
    pages += pages[:repeats]
    random.shuffle(pages)  # type: ignore[attr-defined]  # hypothesis gives a random.Random
    assert whole(pages)
    assert not whole(pages[:0])


@given(st.integers(2, 50), st.sampled_from([0, 1]), st.data())
def test_one_missing_number_is_missed(count: int, base: int, data: st.DataObject) -> None:
    gone = data.draw(st.integers(0, count - 1))
    pages = [(number + base, count) for number in range(count) if number != gone]
    assert not whole(pages)


@pytest.mark.parametrize(
    ("pages", "expected"),
    [
        ([], False),
        ([(0, 0)], False),
        ([(1, 1), (1, 1)], True),
        ([(1, 1), (2, 2)], True),
        ([(1, 1), (2, 3)], False),
        ([(0, 2), (2, 2)], False),
        ([(7, 1)], False),
        ([(1, 10**12)], False),
    ],
)
def test_odd_numbers_are_judged_by_the_largest_count(
    pages: list[tuple[int, int]], expected: bool
) -> None:
    assert whole(pages) is expected


def arrived(*pages: tuple[int, int], brought: str = "", at: datetime = NOW) -> Arrived:
    return Arrived(pages, frozenset(brought.split()), at if pages else None)


def look(what: Arrived, seconds: float, wanted: str = "a b") -> tuple[Progress, datetime]:
    now = NOW + timedelta(seconds=seconds)
    return progress(what, wanted.split(), now=now, quiet=QUIET, deadline=DEADLINE)


def test_all_numbers_and_all_care_contexts_are_complete_at_once() -> None:
    assert look(arrived((1, 1), brought="a b"), 0)[0] is Progress.COMPLETE
    assert look(arrived((1, 1), brought="a b c"), 0)[0] is Progress.COMPLETE
    assert look(arrived((1, 1), brought="a"), 0, wanted="")[0] is Progress.COMPLETE


def test_all_numbers_without_all_care_contexts_wait_for_silence() -> None:
    what = arrived((1, 1), brought="a")
    assert look(what, 9.9) == (Progress.WAITING, NOW + QUIET)
    assert look(what, 10)[0] is Progress.COMPLETE


def test_missing_numbers_wait_for_the_deadline_though_every_care_context_came() -> None:
    what = arrived((1, 3), (3, 3), brought="a b")
    assert look(what, 60) == (Progress.WAITING, DEADLINE)
    assert look(what, 1800)[0] is Progress.MISSING


def test_nothing_at_all_is_missing_at_the_deadline() -> None:
    assert look(arrived(), 1799) == (Progress.WAITING, DEADLINE)
    assert look(arrived(), 1800)[0] is Progress.MISSING


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=8),
    st.sets(st.sampled_from("abc")),
    st.floats(0, 4000),
)
def test_while_it_waits_the_next_look_is_later_than_now(
    pages: list[tuple[int, int]], brought: set[str], seconds: float
) -> None:
    state, at = look(Arrived(tuple(pages), frozenset(brought), NOW if pages else None), seconds)
    if state is Progress.WAITING:
        assert NOW + timedelta(seconds=seconds) < at <= DEADLINE
    assert state is Progress.WAITING or seconds >= 1800 or whole(pages)


def test_a_care_context_is_ok_where_one_document_was_kept_and_says_what_was_not() -> None:
    told = statuses(
        ["a", "b", "c"],
        [
            Outcome("b", STORED, None),
            Outcome("a", STORED, "A value is odd."),
            Outcome("a", ERRORED, "The tag is wrong."),
            Outcome("d", ERRORED, "Not permitted."),
        ],
    )
    assert [(t.care_context_reference, t.delivered, t.description) for t in told] == [
        ("a", True, "1 of 2 stored. A value is odd. The tag is wrong."),
        ("b", True, "Received and stored."),
        ("c", False, "Nothing came for this care context."),
        ("d", False, "0 of 1 stored. Not permitted."),
    ]
