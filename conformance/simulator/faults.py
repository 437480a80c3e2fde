"""Switches that make the simulated ABDM misbehave as the real one has been seen to.

A fault has a name, parameters, and perhaps a count after which it is used up. `message` limits
it to one message of the V3 contract, or with `*` at its end to all that begin so ("Abha*" is the
whole ABHA service); without it a callback fault meets every callback and a
request fault every call to the gateway (never the push endpoint or the SMS sink: name
HealthInformationPush or Sms for these). Source: V3 contract 15, item 7.
"""

import threading
from dataclasses import dataclass, field
from typing import Any, Literal

Point = Literal["callback", "request"]


@dataclass(frozen=True)
class FaultKind:
    """Where a fault bites, its own parameters with their defaults, and what it does."""

    point: Point
    defaults: dict[str, Any]
    meaning: str


KINDS: dict[str, FaultKind] = {
    "drop": FaultKind("callback", {}, "the callback is never sent"),
    "delay": FaultKind("callback", {"seconds": 5.0}, "the callback comes that much later"),
    "duplicate": FaultKind("callback", {"seconds": 0.05}, "the same callback is sent twice"),
    "reorder": FaultKind("callback", {"seconds": 5.0}, "held until the next one is out"),
    "before-202": FaultKind("callback", {}, "delivered before our own answer to the call"),
    "late": FaultKind("callback", {"seconds": 0.0}, "comes with a token that has expired"),
    "token": FaultKind("callback", {"kind": "wrong-key"}, "a forged or missing (null) bearer"),
    "key-rotation": FaultKind(
        "callback", {"seconds": 0.0}, "signed by a new key that is served that much later"
    ),
    "wrong-request-id": FaultKind("callback", {}, "response.requestId names no known call"),
    "silent-202": FaultKind("request", {}, "202 and nothing ever happens"),
    "empty-400": FaultKind("request", {}, "400 without a body"),
    "unauthorised": FaultKind("request", {"shape": "empty"}, "401; shape empty or flat"),
    "rate-limited": FaultKind(
        "request", {"retry_after": 1, "code": "ABDM-2429"}, "429 with Retry-After"
    ),
    "uidai": FaultKind(
        "request",
        {"code": "330", "text": "Biometrics locked by the Aadhaar holder."},
        "422 ABDM-1204 that passes on an error of UIDAI",
    ),
    "server-error": FaultKind("request", {"status": 503, "shape": "html"}, "a 5xx"),
    "error-shape": FaultKind(
        "request",
        {
            "shape": "object",
            "code": "ABDM-1024",
            "text": "Dependent service unavailable",
            "status": 400,
        },
        "any error body with any status, 200 included",
    ),
    "redirect": FaultKind("request", {"location": "http://127.0.0.1:9/"}, "307 to elsewhere"),
    "slow": FaultKind("request", {"seconds": 5.0}, "answers that much later, correctly"),
    "reset": FaultKind("request", {}, "the connection is reset without an answer"),
    "trailing-colon": FaultKind("request", {}, 'error codes end in ": ", also in callbacks'),
    "clock-skew": FaultKind("request", {"seconds": 300.0}, "the Date header is that far off"),
}


class FaultError(ValueError):
    """An unknown fault or parameter."""


@dataclass
class Fault:
    """One switched-on fault; `times` counts down, None lasts until cleared."""

    name: str
    message: str | None
    times: int | None
    params: dict[str, Any] = field(default_factory=dict)


class Faults:
    """The faults that are on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._on: list[Fault] = []

    def add(
        self, name: str, message: str | None = None, times: int | None = None, **params: Any
    ) -> None:
        """Switch a fault on; raises FaultError for unknown names and parameters."""
        kind = KINDS.get(name)
        if kind is None:
            raise FaultError(f"There is no fault {name!r}; choose from {', '.join(KINDS)}.")
        unknown = sorted(set(params) - set(kind.defaults))
        if unknown:
            known = ", ".join(["message", "times", *kind.defaults])
            raise FaultError(f"{name} has no parameter {', '.join(unknown)}; it has {known}.")
        with self._lock:
            self._on.append(Fault(name, message, times, {**kind.defaults, **params}))

    def clear(self) -> None:
        """Switch everything off."""
        with self._lock:
            self._on.clear()

    def take(self, point: Point, message: str, *, named_only: bool = False) -> dict[str, Fault]:
        """The faults that meet this message now, by name; counts them down."""
        taken: dict[str, Fault] = {}
        with self._lock:
            for fault in self._on:
                matches = _meets(fault.message, message, named_only=named_only)
                if KINDS[fault.name].point != point or not matches or fault.name in taken:
                    continue
                if fault.times is not None:
                    if fault.times <= 0:
                        continue
                    fault.times -= 1
                taken[fault.name] = fault
            self._on = [fault for fault in self._on if fault.times is None or fault.times > 0]
        return taken

    def colon(self) -> bool:
        """Whether error codes carry their trailing colon now."""
        with self._lock:
            return any(fault.name == "trailing-colon" for fault in self._on)


def _meets(wanted: str | None, message: str, *, named_only: bool) -> bool:
    if wanted is None:
        return not named_only
    if wanted.endswith("*"):
        return message.startswith(wanted.removesuffix("*"))
    return wanted == message
