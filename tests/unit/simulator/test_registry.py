"""The facility registry and the bridge's services, as an integrator meets them."""

import uuid
from typing import Any

import pytest
import requests

from conformance import schemas
from tests.unit.simulator.conftest import World
from tests.unit.simulator.desk import error_of
from tests.unit.simulator.small_bridge import GATEWAY
from tests.unit.simulator.small_hip import CLIENT_ID, HIP_ID

FACILITY, SERVICE = "IN2910004417", "IN2910004417_1"
LINK = "/v4/int/v1/bridges/MutipleHRPAddUpdateServices"
SEARCH = "/v4/int/FacilityManagement/v1.5/facility/search"


@pytest.fixture(autouse=True)
def facility(world: World) -> None:
    world.client.add_facility(FACILITY, "Lakeview Clinic", service_id=SERVICE)


def entry(kind: str, name: str = "Lakeview", **changes: Any) -> dict[str, Any]:
    return {"bridgeId": CLIENT_ID, "hipName": name, "type": kind, "active": True, **changes}


def link(world: World, *entries: dict[str, Any], path: str = LINK, **changes: Any) -> Any:
    body = {"facilityId": FACILITY, "facilityName": "Lakeview Clinic", "HRP": list(entries)}
    assert schemas.problems("FacilityServiceRegistration", body) == []
    reply = world.hip.raw("POST", path, {**body, **changes})
    assert reply.status_code == 200, reply.text
    assert schemas.problems("FacilityServiceRegistrationResponse", reply.json()) == []
    (answer,) = reply.json()
    return answer


def service(world: World) -> requests.Response:
    return world.hip.raw("GET", f"{GATEWAY}/bridge-service/serviceId/{SERVICE}")


@pytest.mark.parametrize("path", [LINK, LINK.removeprefix("/v4/int")])
def test_facility_is_linked_as_hip_and_hiu_under_a_service_id_of_its_own(
    world: World, path: str
) -> None:
    answer = link(world, entry("HIP"), entry("HIU"), path=path)
    assert answer["servicesLinked"]["id"] == SERVICE
    listed = world.hip.raw("GET", f"{GATEWAY}/bridge-services").json()
    assert schemas.problems("BridgeServicesResponse", listed) == []
    found = {each["id"]: each for each in listed["services"]}
    assert found[SERVICE]["types"] == ["HIP", "HIU"]
    one = service(world).json()
    assert schemas.problems("BridgeServiceResponse", one) == []
    assert (one["isHip"], one["isHiu"], one["bridgeId"]) == (True, True, CLIENT_ID)


def test_linking_again_says_already_associated_and_a_change_is_taken(world: World) -> None:
    link(world, entry("HIP"))
    again = link(world, entry("HIP"))
    assert again["error"]["code"] == "2500"
    assert f"{CLIENT_ID} already associated" in again["error"]["message"]
    assert again["error"]["message"].endswith(f"service id: {SERVICE}")
    assert "servicesLinked" in link(world, entry("HIP", "Lakeview New"))
    assert service(world).json()["name"] == "Lakeview New"
    assert "servicesLinked" in link(world, entry("HIP", "Lakeview New", active=False))
    assert service(world).json()["active"] is False


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hipName": "Lakeview Clinic and Hospital"}, "15"),
        ({"hipName": "Lakeview-1"}, "letters"),
        ({"bridgeId": "SBXID_OTHER"}, "does not belong"),
        ({"hipName": "Rival"}, "another bridge"),
    ],
    ids=str,
)
def test_refused_link_is_answered_200_with_the_reason(
    world: World, changes: dict[str, str], words: str
) -> None:
    world.client.add_bridge("SBXID_OTHER", "other")
    world.client.add_service("RIVAL-1", "Rival", ["HIP"], "SBXID_OTHER")
    answer = link(world, {**entry("HIP"), **changes})
    assert words in answer["error"]["message"]
    assert service(world).status_code == 204


def test_facility_of_another_bridge_stays_there(world: World) -> None:
    world.client.add_bridge("SBXID_OTHER", "other")
    world.client.add_service(SERVICE, "Rival", ["HIP"], "SBXID_OTHER")
    answer = link(world, entry("HIP"))
    assert "SBXID_OTHER already associated" in answer["error"]["message"]


def test_unknown_facility_is_404(world: World) -> None:
    body = {"facilityId": "IN0000000000", "facilityName": "X", "HRP": [entry("HIP")]}
    assert error_of(world.hip.raw("POST", LINK, body)) == (404, "404")


@pytest.mark.parametrize(
    ("headers", "body", "error"),
    [
        ({"Authorization": None}, {}, (401, "900902")),
        ({"Authorization": "Bearer a.b.c"}, {}, (401, "900901")),
        ({}, {"facilityId": FACILITY}, (400, "ABDM-1006")),
        ({}, b"{", (400, "ABDM-1006")),
    ],
    ids=str,
)
def test_call_that_does_not_fit_is_refused(
    world: World, headers: dict[str, Any], body: Any, error: tuple[int, str]
) -> None:
    assert error_of(world.hip.raw("POST", LINK, body, headers)) == error


def test_registry_asks_for_nothing_but_the_bearer(world: World) -> None:
    bare = {"REQUEST-ID": None, "TIMESTAMP": None, "X-CM-ID": None}
    body = {"facilityId": FACILITY, "page": 1, "resultsPerPage": 10}
    assert world.hip.raw("POST", SEARCH, body, bare).status_code == 200


def test_facility_is_found_by_id_and_by_name(world: World) -> None:
    world.client.add_facility("IN2910004418", "Hillside Hospital")

    def search(**wanted: Any) -> list[str]:
        body = {"page": 1, "resultsPerPage": 10, **wanted}
        reply = world.hip.raw("POST", SEARCH, body)
        assert schemas.problems("FacilitySearchResponse", reply.json()) == []
        return [each["facilityName"] for each in reply.json()["facilities"]]

    assert search(facilityId=FACILITY) == ["Lakeview Clinic"]
    assert search(facilityName="hill") == ["Hillside Hospital"]
    assert search(facilityId="IN0000000000") == []
    assert search(ownershipCode="P", page=2) == []
    empty = world.hip.raw("POST", SEARCH, {"page": 1, "resultsPerPage": 10, "ownershipCode": ""})
    assert error_of(empty) == (400, "HIS-1070")


def test_registry_can_be_down_alone(world: World) -> None:
    world.client.fault("server-error", "Facility*", status=503)
    body = {"facilityId": FACILITY, "page": 1, "resultsPerPage": 10}
    assert world.hip.raw("POST", SEARCH, body).status_code == 503
    assert world.hip.raw("GET", f"{GATEWAY}/bridge-services").status_code == 200


def test_unknown_path_of_the_registry_has_the_shape_of_the_api_gateway(world: World) -> None:
    reply = world.hip.raw("POST", "/v4/int/v1/none", {"id": str(uuid.uuid4())})
    assert error_of(reply) == (404, "404")


def test_seed_file_names_facilities_and_people(world: World) -> None:
    person = {
        "first_name": "Asha", "last_name": "Rao", "gender": "F", "born": "1990-03-07",
        "mobile": "9810000001", "abha": {"abha_address": "asha.rao90@sbx"},
    }  # fmt: skip
    world.client.seed(
        {"facilities": [{"facility_id": "IN2910004419", "name": "Seeded"}], "people": [person]}
    )
    assert world.client.discover("asha.rao90@sbx", HIP_ID)
