"""One simulator for all its tests, and a small HIP registered with it for each."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from conformance.simulator.client import SimulatorClient
from conformance.simulator.config import SimulatorConfig
from conformance.simulator.server import RunningSimulator, start_in_thread
from tests.unit.simulator.desk import Desk
from tests.unit.simulator.small_hip import (
    ADDRESS,
    CLIENT_ID,
    CLIENT_SECRET,
    HIP_ID,
    MOBILE,
    SmallHip,
)
from tests.unit.simulator.small_hiu import CLIENT_ID as HIU_CLIENT_ID
from tests.unit.simulator.small_hiu import HIU_ID, SmallHiu

NILGIRI, KONKAN = "IN2910009001", "IN2910009002"
OLD = datetime(2010, 1, 1, tzinfo=UTC)
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


@dataclass
class HiuWorld:
    """The simulator, its client, an HIU that talks to it, and two HIPs the simulator plays."""

    client: SimulatorClient
    hiu: SmallHiu

    def granted(self, **narrowing: Any) -> tuple[str, list[str]]:
        """A consent request and the artefacts of its grant, acknowledged unless silent."""
        request_id = self.hiu.asked(ADDRESS)
        artefacts = self.client.grant(request_id, **narrowing)
        if not self.hiu.silent:
            notice = self.client.wait_hiu_acknowledged(request_id, "GRANTED")
            assert notice.acknowledgement == "OK"
        return request_id, artefacts

    def at(self, hip_id: str, **narrowing: Any) -> str:
        """An artefact for one HIP."""
        _, (artefact_id,) = self.granted(hip_ids=[hip_id], **narrowing)
        return artefact_id


@pytest.fixture(scope="session")
def running() -> Iterator[RunningSimulator]:
    with start_in_thread(QUICK) as simulator:
        simulator.client.timeout = 30.0
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


@pytest.fixture
def hiu_world(running: RunningSimulator) -> Iterator[HiuWorld]:
    client = running.client
    client.reset()
    hiu = SmallHiu(running.base_url).start()
    client.add_bridge(hiu.client_id, hiu.client_secret, hiu.url)
    client.add_service(HIU_ID, "Sahyadri General Hospital", ["HIP", "HIU"], HIU_CLIENT_ID)
    client.add_service(NILGIRI, "Nilgiri Clinic", ["HIP"])
    client.add_service(KONKAN, "Konkan Heart Institute", ["HIP"])
    client.add_patient(ADDRESS, "91-2200-0000-4405", "Meera Joshi", "F", 1984, MOBILE)
    recent = datetime.now(UTC) - timedelta(days=30)
    for number in (1, 2, 3):
        client.add_record(
            NILGIRI, ADDRESS, f"N-{number}", "OPConsultation", b"note %d" % number, dated_at=recent
        )
    client.add_record(NILGIRI, ADDRESS, "N-9", "Prescription", b"old", dated_at=OLD)
    client.add_record(KONKAN, ADDRESS, "K-1", "DiagnosticReport", b"\x00\xff no JSON")
    yield HiuWorld(client, hiu)
    client.reset()
    hiu.stop()


@pytest.fixture
def desk(world: World) -> Desk:
    return Desk(world.client.base_url, world.hip.session())
