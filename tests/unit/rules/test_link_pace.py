"""When ABDM may be asked about an ABHA address again."""

from datetime import UTC, datetime, timedelta

from adapter.rules.link_pace import DAY, Pace, next_call, next_token_request, refused

NOW = datetime(2026, 11, 23, 18, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
BETWEEN = 7 * MINUTE


def token_request(pace: Pace) -> datetime:
    return next_token_request(pace, NOW, between=BETWEEN, most_refusals=10)


def test_an_address_never_asked_about_may_be_asked_about_now() -> None:
    assert token_request(Pace()) == NOW


def test_the_next_request_waits_out_what_abdm_remembers() -> None:
    assert token_request(Pace(asked_at=NOW - 3 * MINUTE)) == NOW + 4 * MINUTE
    assert token_request(Pace(asked_at=NOW - 8 * MINUTE)) == NOW


def test_a_blocked_address_is_left_alone_until_the_block_ends() -> None:
    assert next_call(Pace(blocked_until=NOW + MINUTE), NOW, most_refusals=10) == NOW + MINUTE


def test_ten_refusals_within_a_day_stop_all_calls_until_the_first_is_a_day_old() -> None:
    pace = Pace()
    for minutes in range(100, 0, -10):
        assert next_call(pace, NOW, most_refusals=10) == NOW
        pace = refused(pace, NOW - minutes * MINUTE)
    assert next_call(pace, NOW, most_refusals=10) == NOW - 100 * MINUTE + DAY


def test_old_refusals_are_forgotten_and_one_noted_twice_counts_once() -> None:
    pace = refused(Pace(refusals=(NOW - 2 * DAY, NOW)), NOW)
    assert pace.refusals == (NOW,)
