"""One simulator for all its tests, and a small HIP registered with it for each."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from conformance.simulator.client import SimulatorClient
from conformance.simulator.config import SimulatorConfig
from conformance.simulator.server import RunningSimulator, start_in_thread
from tests.unit.simulator.small_hip import (
    ADDRESS,
    CLIENT_ID,
    CLIENT_SECRET,
    HIP_ID,
    MOBILE,
    SmallHip,
)

QUICK = SimulatorConfig(callback_delay_min=0.0, callback_delay_max=0.01, callback_repeat_after=0.3)


@dataclass
class World:
    """The simulator, its client, and the HIP that talks to it."""

    client: SimulatorClient
    hip: SmallHip

    def link(self) -> None:
        """Link both visits by discovery and OTP."""
        found = self.client.discover(ADDRESS, HIP_ID)
        challenge = self.client.link_init(found.transaction_id)
        otp = self.client.latest_otp(MOBILE)
        assert self.client.link_confirm(challenge.reference, otp).error is None

    def ask(self, seconds: float = 86400.0) -> str:
        """A request of a remote HIU for one year back."""
        moment = datetime.now(UTC)
        return self.client.raise_consent_request(
            "REMOTE-HIU",
            ADDRESS,
            ["OPConsultation", "Prescription"],
            moment - timedelta(days=365),
            moment,
            moment + timedelta(seconds=seconds),
        )

    def consented(self) -> str:
        """A granted and acknowledged artefact."""
        (artefact_id,) = self.client.grant(self.ask())
        if not self.hip.silent:
            assert self.client.wait_acknowledged(artefact_id, "GRANTED").acknowledgement == "OK"
        return artefact_id


@pytest.fixture(scope="session")
def running() -> Iterator[RunningSimulator]:
    with start_in_thread(QUICK) as simulator:
        simulator.client.timeout = 5.0
        yield simulator


@pytest.fixture
def world(running: RunningSimulator) -> Iterator[World]:
    client = running.client
    client.reset()
    hip = SmallHip(running.base_url).start()
    client.add_bridge(CLIENT_ID, CLIENT_SECRET, hip.url)
    client.add_service(HIP_ID, "Sahyadri General Hospital", ["HIP", "HIU"], CLIENT_ID)
    client.add_service("REMOTE-HIU", "Lakeside Clinic", ["HIU"])
    client.add_patient(ADDRESS, "91-2200-0000-4405", "Meera Joshi", "F", 1984, MOBILE)
    client.add_patient("nobody.known@sbx", None, "Ravi Rao", "M", 1970, "9820000099")
    yield World(client, hip)
    client.reset()
    hip.stop()
