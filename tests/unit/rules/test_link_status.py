"""What a person is told of a care context's links."""

from datetime import UTC, datetime

import pytest

from adapter.rules.link_status import LinkRow, standing
from adapter.rules.states import CareContextLinkState as State


def test_the_worst_link_of_a_care_context_is_told_of() -> None:
    rows = [LinkRow("Prescription", State.LINKED), LinkRow("OPConsultation", State.FAILED, "No.")]
    assert standing(rows).state == "failed"
    assert standing(rows).why == "No."
    assert standing([*rows[:1], LinkRow("Invoice", State.SENT)]).state == "waiting"
    assert standing(rows[:1]).state == "linked"


@pytest.mark.parametrize("state", State)
def test_every_state_has_a_word_and_every_one_but_linked_a_reason(state: State) -> None:
    told = standing(
        [LinkRow("Prescription", state, "ABDM said no." if state == "FAILED" else None)]
    )
    assert told.state in {"linked", "waiting", "failed", "withdrawn"}
    assert bool(told.why) == (state is not State.LINKED)


def test_a_failure_that_is_tried_again_by_itself_asks_nothing_of_anybody() -> None:
    at = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
    told = standing([LinkRow("Invoice", State.FAILED, "Later.", again_at=at)])
    assert told.to_do == "Nothing: it is tried again by itself at 10:30:00 UTC."


def test_a_care_context_without_a_link_says_why() -> None:
    assert standing([], "It is planned.").why == "It is planned."
    assert "next search" in standing([]).why


def test_a_remark_stands_beside_the_reason() -> None:
    told = standing([LinkRow("Invoice", State.LINKED, remark="ABDM lists it twice.")])
    assert told.why == "ABDM lists it twice."
