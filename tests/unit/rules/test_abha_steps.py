"""Which step comes next, how often an OTP may be sent, and when it is over."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from adapter.protocol.errors import Conflict, TooMany
from adapter.rules.abha_steps import NEXT, Facts, Kind, Step, next_steps, require
from adapter.rules.states import AbhaState, allowed

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


def facts(state: AbhaState, kind: Kind = Kind.ENROL, **changes: object) -> Facts:
    made = Facts(
        kind=kind,
        state=state,
        has_profile=True,
        mobile_pending=False,
        sends=1,
        sent_at=NOW - timedelta(minutes=2),
        wrong=0,
        expires_at=NOW + timedelta(minutes=30),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def test_every_state_says_what_may_follow() -> None:
    assert set(NEXT) == set(AbhaState)


def test_an_unverified_mobile_comes_before_everything_else() -> None:
    pending = facts(AbhaState.VERIFIED, mobile_pending=True)
    assert next_steps(pending) == (Step.SEND_MOBILE_OTP,)
    with pytest.raises(Conflict, match="send_mobile_otp"):
        require(pending, Step.LINK, NOW)


def test_an_address_is_chosen_only_while_creating() -> None:
    assert next_steps(facts(AbhaState.VERIFIED)) == (
        Step.SUGGEST_ADDRESS,
        Step.SET_ADDRESS,
        Step.LINK,
    )
    assert next_steps(facts(AbhaState.VERIFIED, Kind.LOGIN)) == (Step.LINK,)


def test_a_profile_that_could_not_be_fetched_is_fetched_first() -> None:
    assert next_steps(facts(AbhaState.VERIFIED, Kind.LOGIN, has_profile=False)) == (
        Step.FETCH_PROFILE,
    )


@pytest.mark.parametrize(
    ("state", "step"),
    [(AbhaState.OTP_SENT, Step.SEND_OTP), (AbhaState.MOBILE_OTP_SENT, Step.SEND_MOBILE_OTP)],
)
def test_an_otp_is_sent_again_after_a_minute_and_twice_at_most(
    state: AbhaState, step: Step
) -> None:
    with pytest.raises(TooMany, match="in 31 seconds"):
        require(facts(state, sent_at=NOW - timedelta(seconds=30)), step, NOW)
    require(facts(state, sends=2), step, NOW)
    used_up = facts(state, sends=3)
    assert step not in next_steps(used_up)
    with pytest.raises(TooMany, match="three times"):
        require(used_up, step, NOW)


def test_an_otp_is_good_for_ten_minutes() -> None:
    late = facts(AbhaState.OTP_SENT, sent_at=NOW - timedelta(minutes=10))
    with pytest.raises(Conflict, match="expired"):
        require(late, Step.VERIFY_OTP, NOW)
    require(late, Step.SEND_OTP, NOW)


def test_a_locked_or_lapsed_transaction_is_over() -> None:
    with pytest.raises(TooMany, match="30 minutes"):
        require(facts(AbhaState.LOCKED), Step.VERIFY_OTP, NOW)
    for over in (facts(AbhaState.EXPIRED), facts(AbhaState.OTP_SENT, expires_at=NOW)):
        with pytest.raises(Conflict, match="lapsed"):
            require(over, Step.VERIFY_OTP, NOW)


def test_a_step_out_of_order_is_refused_with_the_steps_that_are_possible() -> None:
    with pytest.raises(Conflict, match="possible: verify_otp, send_otp"):
        require(facts(AbhaState.OTP_SENT), Step.LINK, NOW)


def test_linking_follows_only_where_the_states_allow_it() -> None:
    for state in AbhaState:
        if Step.LINK in NEXT[state]:
            assert allowed(state, AbhaState.LINKED)


@pytest.mark.parametrize(
    ("state", "pending", "sends", "steps"),
    [
        (AbhaState.VERIFIED, True, 1, (Step.FETCH_PROFILE, Step.SEND_MOBILE_OTP)),
        (AbhaState.VERIFIED, True, 3, (Step.FETCH_PROFILE,)),
        (AbhaState.MOBILE_VERIFIED, False, 0, (Step.FETCH_PROFILE,)),
        (AbhaState.MOBILE_OTP_SENT, True, 1, (Step.VERIFY_MOBILE_OTP, Step.SEND_MOBILE_OTP)),
    ],
)
def test_an_abha_that_is_not_made_yet_is_gone_on_with_before_anything_else(
    state: AbhaState, pending: bool, sends: int, steps: tuple[Step, ...]
) -> None:
    unmade = facts(state, has_profile=False, mobile_pending=pending, sends=sends)
    assert next_steps(unmade) == steps
    assert next_steps(facts(AbhaState.MOBILE_VERIFIED)) == (
        Step.SUGGEST_ADDRESS,
        Step.SET_ADDRESS,
        Step.LINK,
    )
