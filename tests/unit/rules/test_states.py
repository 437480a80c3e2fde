"""The table of moves: what may follow what, and that ends are ends."""

from enum import StrEnum

import pytest

from adapter.protocol.errors import IllegalTransition
from adapter.rules import states
from adapter.rules.states import (
    CareContextLinkState,
    ConsentState,
    LinkSessionState,
    PageState,
    TransferState,
    move,
)

KINDS = [
    kind
    for kind in vars(states).values()
    if isinstance(kind, type) and issubclass(kind, StrEnum) and kind is not StrEnum
]
EVERY = [state for kind in KINDS for state in kind]


@pytest.mark.parametrize("state", EVERY)
def test_a_move_to_the_present_state_changes_nothing(state: StrEnum) -> None:
    assert move(state, state) is False


@pytest.mark.parametrize("end", [ConsentState.REVOKED, ConsentState.EXPIRED])
@pytest.mark.parametrize("wanted", list(ConsentState))
def test_an_ended_consent_never_reopens(end: ConsentState, wanted: ConsentState) -> None:
    if wanted == end:
        return
    with pytest.raises(IllegalTransition, match="left as it is"):
        move(end, wanted)


@pytest.mark.parametrize(
    ("present", "wanted"),
    [
        (LinkSessionState.LOCKED, LinkSessionState.CONFIRMED),
        (LinkSessionState.DISCOVERED, LinkSessionState.CONFIRMED),
        (TransferState.CANCELLED, TransferState.PUSHING),
        (TransferState.ACKNOWLEDGED, TransferState.PUSHING),
        (PageState.SENT, PageState.FAILED),
        (CareContextLinkState.PENDING, CareContextLinkState.LINKED),
    ],
)
def test_a_forbidden_move_is_refused(present: StrEnum, wanted: StrEnum) -> None:
    with pytest.raises(IllegalTransition):
        move(present, wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_every_state_can_be_reached_and_moves_stay_in_their_type(kind: type[StrEnum]) -> None:
    targets = {target for state in kind for target in states.MOVES[kind].get(state, ())}
    assert all(type(target) is kind for target in targets)
    assert set(kind) - targets <= {next(iter(kind))} | {CareContextLinkState.PENDING}


def test_states_of_the_same_name_in_different_types_do_not_mix() -> None:
    assert not states.allowed(ConsentState.GRANTED, LinkSessionState.EXPIRED)


def test_sources_are_exactly_the_states_that_may_move() -> None:
    assert set(states.sources(TransferState.CANCELLED)) == {
        TransferState.ACKNOWLEDGED,
        TransferState.PREPARING,
        TransferState.PREPARED,
        TransferState.PUSHING,
    }
