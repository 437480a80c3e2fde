"""What a person is told of a care context's links: how it stands, why, and what to do. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from adapter.rules.states import CareContextLinkState as State

LINKED, WAITING, FAILED, WITHDRAWN, NOT_LINKED = (
    "linked",
    "waiting",
    "failed",
    "withdrawn",
    "not linked",
)

#: The word for each state; the first of them that any link of a care context has is the word for
#: all of it.
_WORDS: tuple[tuple[str, frozenset[State]], ...] = (
    (FAILED, frozenset({State.FAILED})),
    (
        WAITING,
        frozenset({State.NO_ABHA, State.PENDING, State.WAITING_FOR_TOKEN, State.SENT}),
    ),
    (LINKED, frozenset({State.LINKED})),
    (WITHDRAWN, frozenset({State.WITHDRAWN})),
)

#: Why a link is where it is, unless its row says more.
_WHY: Mapping[State, str] = {
    State.NO_ABHA: "The patient has no ABHA address on record.",
    State.PENDING: (
        "It is about to be sent, or the patient's record lacks the name, gender or year of birth "
        "that ABDM compares."
    ),
    State.WAITING_FOR_TOKEN: "ABDM has been asked for a link token; its answer is awaited.",
    State.SENT: "ABDM has been asked to link it; its answer is awaited.",
    State.WITHDRAWN: "Nothing of it is linked or released any more.",
}

#: What to do about it; nothing for what goes on by itself.
_TO_DO: Mapping[State, str] = {
    State.NO_ABHA: "Link the patient's ABHA to the record; the visit then goes on by itself.",
    State.PENDING: "Complete the patient's record if anything is missing; else nothing.",
    State.FAILED: "Set right what it says, then `abdm-adapter link retry`.",
}


@dataclass(frozen=True)
class LinkRow:
    """The link of one HI type. `sentence`: what ABDM or we said last; `remark`: what a person has
    to know; `again_at`: when it is tried again by itself."""

    hi_type: str
    state: State
    sentence: str | None = None
    remark: str | None = None
    again_at: datetime | None = None


@dataclass(frozen=True)
class Standing:
    """`state`: one of the words above; `why` and `to_do`: sentences, "" where there is nothing."""

    state: str
    why: str = ""
    to_do: str = ""


def standing(rows: Sequence[LinkRow], why_not: str = "") -> Standing:
    """How a care context stands whose links these are.

    `why_not`: why it is not linked by itself, where it has no link.
    """
    present = {row.state for row in rows}
    for word, states in _WORDS:
        if present & states:
            row = next(row for row in rows if row.state in states)
            return Standing(word, _why(row), _to_do(row))
    if why_not:
        return Standing(NOT_LINKED, why_not)
    return Standing(NOT_LINKED, "It is found at the next search of the record watch.")


def _why(row: LinkRow) -> str:
    parts = (row.sentence or _WHY.get(row.state, ""), row.remark or "")
    return " ".join(part for part in parts if part)


def _to_do(row: LinkRow) -> str:
    if row.state is State.FAILED and row.again_at is not None:
        return f"Nothing: it is tried again by itself at {row.again_at:%H:%M:%S} UTC."
    return _TO_DO.get(row.state, "")
