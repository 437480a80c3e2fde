"""The simulator as one object: settings, records, keys, faults, and the record of exchanges.

The rules live in the modules beside it, as functions that take this object. Must not contain
any of ABDM's rules itself.
"""

import dataclasses
import logging
from datetime import timedelta
from typing import Any

from conformance.simulator.abha_keys import AbhaKeys
from conformance.simulator.callbacks import Callbacks
from conformance.simulator.config import SimulatorConfig
from conformance.simulator.errors import Refusal, refusal
from conformance.simulator.faults import Faults
from conformance.simulator.push_plan import Holding
from conformance.simulator.scheduler import Scheduler
from conformance.simulator.state import Bridge, Exchange, Expected, Generation, Service, State
from conformance.simulator.times import now
from conformance.simulator.tokens import Realm

log = logging.getLogger("simulator")

MAX_RECORDED = 64 * 1024


@dataclasses.dataclass(frozen=True)
class Call:
    """A call to the gateway that passed all header and schema checks, in the form of V3."""

    message: str
    client_id: str
    request_id: str
    headers: dict[str, str]  # names in upper case
    body: Any
    arguments: dict[str, str]  # from the path


@dataclasses.dataclass(frozen=True)
class Reply:
    """What the gateway answers; no body unless given, bytes for a picture (PNG)."""

    status: int = 202
    body: Any = None


class Simulator:
    """One simulated ABDM."""

    def __init__(self, config: SimulatorConfig | None = None) -> None:
        self.initial = config or SimulatorConfig()
        self.config = self.initial
        self.state = State()
        self.realm = Realm()
        self._older_realm: Realm | None = None
        self.abha_keys = AbhaKeys()
        self.faults = Faults()
        self.scheduler = Scheduler()
        self.callbacks = Callbacks(self)
        self.folder: list[Holding] = []  # files that a HIP serves to everybody; survives a reset

    def reset(self) -> None:
        """Forget everything but the keys; settings go back to those of the start."""
        self.scheduler.clear()
        self.faults.clear()
        self.config = self.initial
        self.state.clear()

    def stop(self) -> None:
        """End all background work."""
        self.scheduler.stop()

    # -- generations -------------------------------------------------------------------------

    def realm_of(self, generation: Generation) -> Realm:
        """Who signs sessions and callbacks of a generation; each has a key set of its own."""
        if generation == "v3":
            return self.realm
        with self.state.changed:
            if self._older_realm is None:
                self._older_realm = Realm()
            return self._older_realm

    def client_of(self, token: str) -> str | None:
        """Whose valid session token of either generation this is, or None."""
        return self.realm.client_of(token) or self.realm_of("v0.5").client_of(token)

    def generation_for(self, service_id: str, body: Any) -> Generation:
        """How to write to a facility: as it asked if this is an answer, else as registered."""
        answers = (body.get("response") or {}).get("requestId", "").lower()
        with self.state.changed:
            service = self.state.services.get(service_id)
            if service is None or service.client_id is None:
                return "v3"
            asked = self.state.request_ids.get((service.client_id, answers))
            bridge = self.state.bridges.get(service.client_id)
            return asked or service.generation or (bridge.generation if bridge else "v3")

    # -- who is who --------------------------------------------------------------------------

    def bridge_of(self, service_id: str) -> Bridge | None:
        """The bridge that serves a facility, if it is known and not the simulator's own."""
        with self.state.changed:
            service = self.state.services.get(service_id)
            if service is None or service.client_id is None or not service.active:
                return None
            return self.state.bridges.get(service.client_id)

    def plays(self, service_id: str) -> bool:
        """Whether a facility is one of the simulator's own, so that it acts for it."""
        with self.state.changed:
            service = self.state.services.get(service_id)
            return service is not None and service.client_id is None

    def own_service(self, call: Call, header: str, role: str) -> Service | None:
        """The caller's service named in a header, or None if it is not the caller's."""
        with self.state.changed:
            service = self.state.services.get(call.headers.get(header, ""))
            if service is None or service.client_id != call.client_id:
                return None
            return service if role in service.types and service.active else None

    def answered(self, call: Call, message: str, unmatched: Refusal, repeated: Refusal) -> Expected:
        """The callback that this call answers; it counts as answered from now on.

        Raises `unmatched` if response.requestId names no such callback to this bridge, and
        `repeated` if it was answered before (V3 contract, rule R4 and "one answer per callback").
        """
        with self.state.changed:
            expected = self.peek(call, message, unmatched)
            if expected.answered:
                raise repeated
            expected.answered = True
            return expected

    def peek(self, call: Call, message: str, unmatched: Refusal) -> Expected:
        """As `answered`, without marking it."""
        with self.state.changed:
            expected = self.state.expected.get(call.body["response"]["requestId"])
            if (
                expected is None
                or expected.message != message
                or expected.client_id != call.client_id
            ):
                raise unmatched
            return expected

    def expect(self, message: str, key: str, service_id: str) -> str:
        """A REQUEST-ID for a callback to a facility's bridge that asks for an answer."""
        bridge = self.bridge_of(service_id)
        return self.state.expect(message, key, bridge.client_id if bridge else None)

    def use_request_id(
        self, client_id: str, request_id: str, generation: Generation = "v3"
    ) -> None:
        """Remember a REQUEST-ID; raises the refusal 1064 if the client used it before."""
        with self.state.changed:
            key = (client_id, request_id.lower())
            if key in self.state.request_ids:
                raise refusal("ABDM-1064", why="this REQUEST-ID was used before")
            self.state.request_ids[key] = generation

    # -- record ------------------------------------------------------------------------------

    def begin(
        self,
        direction: str,
        message: str,
        method: str,
        url: str,
        headers: dict[str, str],
        body: Any,
    ) -> Exchange:
        """Record that a request starts."""
        with self.state.changed:
            exchange = Exchange(
                next(self.state.exchange_numbers),
                direction,
                message,
                method,
                url,
                now(),
                dict(headers),
                _recorded(body),
            )
            self.state.exchanges.append(exchange)
        return exchange

    def finish(
        self, exchange: Exchange, status: int | None, answer: Any, seconds: float, note: str
    ) -> None:
        """Record how a request ended."""
        with self.state.changed:
            exchange.status = status
            exchange.answer = _recorded(answer)
            exchange.seconds = seconds
            exchange.note = note
            self.state.changed.notify_all()
        log.info(
            "%s %s %s %s %s",
            exchange.direction,
            exchange.message,
            exchange.method,
            status,
            note,
        )

    def record_undelivered(self, message: str, service_id: str) -> None:
        """Record a callback that has nowhere to go."""
        exchange = self.begin("out", message, "POST", "", {}, None)
        note = f"not sent: no bridge URL is known for {service_id}"
        self.finish(exchange, None, None, 0.0, note)

    def after(self, delay: timedelta, job: Any) -> None:
        """Run a job when `delay` has passed."""
        self.scheduler.after(delay.total_seconds(), job)


def _recorded(body: Any) -> Any:
    # Pages of many megabytes would fill the memory; their documents are kept elsewhere.
    if isinstance(body, str | bytes) and len(body) > MAX_RECORDED:
        return f"({len(body)} characters, not recorded)"
    if isinstance(body, dict) and "entries" in body and "keyMaterial" in body:
        entries = [
            {**entry, "content": f"({len(str(entry.get('content')))} characters)"}
            for entry in body["entries"]
            if isinstance(entry, dict)
        ]
        return {**body, "entries": entries}
    return body
