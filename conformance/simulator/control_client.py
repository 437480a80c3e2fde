"""The part of SimulatorClient that sets up, misbehaves, waits and looks inside."""

import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import requests

from conformance.simulator.results import ExchangeView, Sms
from conformance.simulator.state import Generation
from conformance.simulator.tokens import TokenKind

T = TypeVar("T")
POLL_SECONDS = 0.05


class SimulatorTimeout(TimeoutError):
    """What was awaited did not come in time; the text names it."""


class SimulatorError(RuntimeError):
    """The simulator refused a control call; the text says why."""


class ControlClient:
    """One simulator at `base_url`; `timeout` is how long waiting methods wait, in seconds."""

    def __init__(self, base_url: str, timeout: float = 30.0) -> None:
        self.base_url = base_url.rstrip("/")
        self.timeout = timeout
        self._session = requests.Session()

    def _act(self, action: str, **arguments: Any) -> Any:
        reply = self._session.post(f"{self.base_url}/control/{action}", json=arguments, timeout=60)
        if not reply.ok:
            try:
                sentence = reply.json()["error"]
            except (ValueError, KeyError):
                sentence = f"the simulator answered {reply.status_code}"
            raise SimulatorError(sentence)
        return reply.json()

    def _await(
        self, what: str, read: Callable[[], T], ready: Callable[[T], bool], timeout: float | None
    ) -> T:
        limit = self.timeout if timeout is None else timeout
        deadline = time.monotonic() + limit
        while True:
            value = read()
            if ready(value):
                return value
            if time.monotonic() > deadline:
                raise SimulatorTimeout(f"Waited {limit:g} s in vain for {what}.")
            time.sleep(POLL_SECONDS)

    def wait_for(self, ready: Callable[[], bool], what: str, timeout: float | None = None) -> None:
        """Wait until `ready()` holds; SimulatorTimeout names `what` was awaited."""
        self._await(what, ready, bool, timeout)

    # -- set-up ------------------------------------------------------------------------------

    def reset(self) -> None:
        """Forget everything but the keys; settings go back to those of the start."""
        self._act("reset")

    def configure(self, **settings: Any) -> None:
        """Change settings of SimulatorConfig until the next reset."""
        self._act("configure", settings=settings)

    def seed(self, contents: dict[str, Any]) -> None:
        """Load the contents of a seed file."""
        self._act("seed", contents=contents)

    def add_bridge(
        self,
        client_id: str,
        client_secret: str,
        url: str | None = None,
        generation: Generation = "v3",
    ) -> None:
        """Register a client of the gateway, to be called back in that generation."""
        self._act(
            "add-bridge",
            client_id=client_id,
            client_secret=client_secret,
            url=url,
            generation=generation,
        )

    def add_patient(
        self,
        abha_address: str,
        abha_number: str | None,
        name: str,
        gender: str,
        year_of_birth: int,
        mobile: str,
        *,
        deactivated: bool = False,
    ) -> None:
        """Register an invented person with an ABHA."""
        self._act(
            "add-patient",
            abha_address=abha_address,
            abha_number=abha_number,
            name=name,
            gender=gender,
            year_of_birth=year_of_birth,
            mobile=mobile,
            deactivated=deactivated,
        )

    def add_service(
        self,
        service_id: str,
        name: str,
        types: Sequence[str],
        client_id: str | None = None,
        generation: Generation | None = None,
    ) -> None:
        """Register a facility under a bridge, or as the simulator's own without one.

        `generation`: that of its callbacks if not its bridge's.
        """
        self._act(
            "add-service",
            service_id=service_id,
            name=name,
            types=list(types),
            client_id=client_id,
            generation=generation,
        )

    # -- faults and the record ---------------------------------------------------------------

    def callback(
        self,
        path: str,
        body: Any,
        headers: dict[str, str | None] | None = None,
        token: TokenKind | None = "valid",  # noqa: S107 - a kind of token, not one
        client_id: str | None = None,
    ) -> tuple[int | None, str]:
        """Send any callback by hand and return the bridge's status and body.

        REQUEST-ID, TIMESTAMP and the bearer are made up unless `headers` gives them; a header
        given as None is left out. `client_id` names the bridge if there are several.
        """
        reply = self._act(
            "callback",
            path=path,
            body=body,
            headers=headers or {},
            token=token,
            client_id=client_id,
        )
        return reply["status"], reply["body"]

    def exchanges(
        self, message: str | None = None, direction: str | None = None, since: int = 0
    ) -> list[ExchangeView]:
        """Recorded exchanges, oldest first; direction "in" or "out" of the simulator."""
        found = self._act("exchanges", message=message, direction=direction, since=since)
        return [ExchangeView(**item) for item in found]

    def wait_exchange(
        self,
        message: str,
        direction: str | None = None,
        count: int = 1,
        timeout: float | None = None,
    ) -> list[ExchangeView]:
        """Wait until `count` exchanges of a message have been completed."""
        return self._await(
            f"{count} exchange(s) {message}",
            lambda: [e for e in self.exchanges(message, direction) if e.status or e.note],
            lambda found: len(found) >= count,
            timeout,
        )

    def fault(
        self, name: str, message: str | None = None, times: int | None = None, **params: Any
    ) -> None:
        """Switch a fault of `faults.KINDS` on, for one message or all, for some times or ever."""
        self._act("fault", name=name, message=message, times=times, params=params)

    def clear_faults(self) -> None:
        """Switch all faults off."""
        self._act("clear-faults")

    def context_notifications(self) -> list[dict[str, Any]]:
        """Accepted notices of new content."""
        return list(self._act("context-notifications"))

    def sms(self) -> list[Sms]:
        """Everything the SMS sink received."""
        return [Sms(**item) for item in self._act("sms")]
