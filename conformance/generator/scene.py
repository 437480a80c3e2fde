"""Who, where and when of a generated visit, and how its systems write a code.

Everything is drawn from a `Draw`, so the same seed gives the same records on every machine.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

Resource = dict[str, Any]
T = TypeVar("T")

LOCAL = "https://hospital.example/codes"


class Draw:
    """A seeded choice of everything that varies; equal seeds choose alike, on every machine."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)

    def chance(self, share: float) -> bool:
        """True in this share of all cases."""
        return self._random.random() < share

    def pick(self, choices: Sequence[T]) -> T:
        """One of them."""
        return choices[self._random.randrange(len(choices))]

    def number(self, low: int, high: int) -> int:
        """A whole number, both ends included."""
        return self._random.randint(low, high)

    def maybe(self, value: T, share: float = 0.6) -> T | None:
        """The value or nothing."""
        return value if self.chance(share) else None


@dataclass(frozen=True)
class Scene:
    """Whose record it is and of which visit; `encounter` None: outside any visit."""

    draw: Draw
    name: str
    day: str
    patient: str
    encounter: str | None
    doctor: str | None
    facility: str

    def id(self, kind: str, number: int = 0) -> str:
        """An id of its own for each record."""
        return f"{self.name}-{kind}-{number}"

    def time(self, hour: int) -> str | None:
        """A time of that day as systems write it, sometimes the day only, sometimes nothing."""
        forms = (f"{self.day}T{hour:02d}:05:00+05:30", f"{self.day}T{hour:02d}:05:00.123Z")
        return self.draw.pick((*forms, *forms, self.day, None))

    def refer(self, target: str | None, display: str = "") -> Resource | None:
        """A reference with or without words; None to nothing."""
        if target is None:
            return None
        words = {"display": display} if display and self.draw.chance(0.5) else {}
        return {"reference": target, **words}

    def who(self) -> Resource | None:
        """The doctor, as a reference, as words, or not at all."""
        if self.doctor is None:
            return self.draw.maybe({"display": "Duty doctor"}, 0.3)
        return self.draw.pick((self.refer(self.doctor), self.refer(self.doctor, "Dr"), None))

    def about(self, subject: str = "subject") -> Resource:
        """Patient and visit of a record."""
        return {subject: self.refer(self.patient), "encounter": self.refer(self.encounter)}


def record(kind: str, identity: str, **elements: Any) -> Resource:
    """A resource of what is not None."""
    made = {k: v for k, v in elements.items() if v is not None}
    return {"resourceType": kind, "id": identity, **made}


def concept(draw: Draw, system: str, code: str, display: str) -> Resource:
    """A CodeableConcept in one of the ways in which systems write it."""
    full = {"system": system, "code": code, "display": display}
    own = {"system": LOCAL, "code": f"L-{code}", "display": display}
    return draw.pick(
        (
            {"coding": [full]},
            {"coding": [full], "text": display.lower()},
            {"coding": [{"system": system, "code": code}], "text": display},
            {"coding": [own, full]},
            {"coding": [own]},
            {"coding": [{"code": code, "display": display}]},
            {"text": display},
        )
    )
