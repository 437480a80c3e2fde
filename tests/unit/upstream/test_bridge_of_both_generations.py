"""Our bridge at the gateway, in either generation, against the simulated ABDM."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from adapter.upstream.facility_registry import FacilityRegistry
from adapter.upstream.gateway import Gateway
from conformance.simulator.server import RunningSimulator, start_in_thread
from tests import rig

CLIENT_ID, CLIENT_SECRET = "SBX_000001", "secret-of-a-test"
HIP_ID, OTHER_ID = "IN2910000001", "IN2910000002"
URL = "http://127.0.0.1:9/abdm"


@pytest.fixture(scope="module")
def running() -> Iterator[RunningSimulator]:
    with start_in_thread() as simulator:
        simulator.client.add_bridge(CLIENT_ID, CLIENT_SECRET)
        simulator.client.add_service(HIP_ID, "Malnad Hospital", ["HIP", "HIU"], CLIENT_ID)
        simulator.client.add_service(OTHER_ID, "Lakeside Clinic", ["HIP"])
        yield simulator


def registry_in(running: RunningSimulator, generation: str) -> FacilityRegistry:
    config = rig.config("sqlite://", abdm_url=running.base_url, abdm_api_version=generation)

    def clock() -> datetime:
        return datetime.now(UTC)

    return FacilityRegistry(config, Gateway(config, clock), clock)


@pytest.mark.parametrize("generation", ["v3", "v0.5"])
def test_the_bridges_url_is_set_and_seen(running: RunningSimulator, generation: str) -> None:
    registry = registry_in(running, generation)
    registry.set_bridge_url(f"{URL}/{generation}")
    seen = registry.bridge()
    assert (seen.id, seen.url) == (CLIENT_ID, f"{URL}/{generation}")
    assert (HIP_ID, ("HIP", "HIU")) in [(each.id, each.types) for each in seen.services]
    prefix = "/api/hiecm/gateway/v3" if generation == "v3" else "/gateway/v"
    made = running.client.exchanges("BridgeUrlUpdate", "in")[-1]
    assert made.url.startswith(prefix)
    assert made.status in (200, 202)


@pytest.mark.parametrize("generation", ["v3", "v0.5"])
def test_a_service_of_ours_is_known_by_its_id(running: RunningSimulator, generation: str) -> None:
    found = registry_in(running, generation).service(HIP_ID)
    assert found is not None
    assert (found.types, found.active, found.bridge_id) == (("HIP", "HIU"), True, CLIENT_ID)
    assert registry_in(running, generation).service("IN2910009999") is None


def test_v05_tells_nothing_of_other_bridges(running: RunningSimulator) -> None:
    assert registry_in(running, "v3").service(OTHER_ID) is not None
    assert registry_in(running, "v0.5").service(OTHER_ID) is None


def test_v05_takes_the_services_of_a_facility_at_the_gateway(running: RunningSimulator) -> None:
    registry = registry_in(running, "v0.5")
    annexe = "IN2910000003"
    assert registry.link(annexe, "Malnad Annexe", "Malnad Annexe") == annexe
    found = registry.service(annexe)
    assert found is not None
    assert (found.name, found.types, found.active) == ("Malnad Annexe", ("HIP", "HIU"), True)
    registry.link(annexe, "Malnad Annexe", "Malnad Annexe", active=False)
    ended = registry.service(annexe)
    assert ended is not None
    assert (ended.types, ended.active) == ((), False)
