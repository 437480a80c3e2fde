"""Facilities and the bridge: registered, checked, routed, and refused in sentences."""

import json
import threading
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from werkzeug.serving import make_server

from adapter.app import create_app
from adapter.config import ServedFacility
from adapter.flows import facility as flow
from adapter.protocol.errors import MalformedRequest, NotFound, Rejected, RetryLater
from adapter.stores import facilities, inbox
from adapter.upstream.facility_registry import FacilityRegistry
from conformance import schemas
from mappings import systems
from mappings.ids import fhir_id
from tests.flows.abha import Front
from tests.flows.harness import Json, Site
from tests.flows.hims import LIMITED, WHOLE, Hospital
from tests.flows.wire import only

SEARCH = "/facility/search"
LINK = "/MutipleHRPAddUpdateServices"
SERVICES = "/bridge-services"
SERVICE = "/bridge-service/serviceId/"
BRIDGE = "SBX_000001"


def new_id() -> str:
    return f"IN{uuid.uuid4().int % 10**10:010d}"


@pytest.fixture
def registry(site: Site) -> Site:
    """The site, whose registry is the recording outside."""
    registry = site.adapter.registry._registry
    registry._base_url = f"{site.outside.url}/v4/int"
    return site


def listed(service_id: str, *types: str, bridge: str = BRIDGE) -> tuple[int, Json]:
    services = [{"id": service_id, "name": "Lakeview", "types": list(types), "active": True}]
    url = "https://his.example.org"
    described = {"id": bridge, "url": url, "active": True, "blocklisted": False}
    return 200, {"bridge": described, "services": services}


def known(hfr_id: str, name: str = "Lakeview Clinic") -> tuple[int, Json]:
    found = [{"facilityId": hfr_id, "facilityName": name}]
    return 200, {"facilities": found, "totalFacilities": 1, "numberOfPages": 1}


def will_register(site: Site, hfr_id: str, service_id: str) -> None:
    site.outside.will_answer(SEARCH, known(hfr_id))
    site.outside.will_answer(LINK, (200, [{"servicesLinked": {"id": service_id}}]))  # type: ignore[arg-type]
    site.outside.will_answer(SERVICES, listed(service_id, "HIP", "HIU"))


def test_a_facility_is_registered_as_hip_and_hiu_under_the_id_that_abdm_gives(
    registry: Site, hospital: Hospital
) -> None:
    hfr_id, own = new_id(), f"f-{uuid.uuid4()}"
    will_register(registry, hfr_id, f"{hfr_id}_1")
    answer = hospital.client.post(
        "/abdm/health_facility",
        json={"hf_id": hfr_id, "facility_id": own, "requester": "Sister Mary"},
        headers={"Authorization": "Bearer key-for-all-facilities"},
    )
    assert answer.status_code == 200, answer.json
    assert answer.json == {
        "hf_id": hfr_id,
        "facility_id": own,
        "hip_id": f"{hfr_id}_1",
        "name": "Lakeview Clinic",
        "registered": True,
        "state": "REGISTERED",
        "message": None,
    }
    sent = registry.outside.only(LINK).body
    assert sent["facilityId"] == hfr_id
    assert sent["facilityName"] == "Lakeview Clinic"
    assert [(each["type"], each["hipName"], each["active"]) for each in sent["HRP"]] == [
        ("HIP", "Lakeview Clinic", True),
        ("HIU", "Lakeview Clinic", True),
    ]
    organization = hospital.read("Organization", fhir_id(own, "facility", own))
    given = {each["system"]: each["value"] for each in organization["identifier"]}
    assert given[systems.HFR_ID] == hfr_id


@only("v0.5")
def test_the_older_gateway_takes_the_services_itself(registry: Site) -> None:
    """V3 has them registered at the facility registry, above."""
    hfr_id = new_id()
    registry.outside.will_answer(SEARCH, known(hfr_id))
    registry.outside.will_answer("/v1/bridges/addUpdateServices", (200, None))
    registry.outside.will_answer("/v1/bridges/getServices", listed(hfr_id, "HIP", "HIU"))
    added = flow.add_facility(registry.adapter, hfr_id)
    assert (added.hip_id, added.state) == (hfr_id, "REGISTERED")
    sent = registry.outside.only("/v1/bridges/addUpdateServices").body
    assert schemas.problems("BridgeServicesUpdate", sent, "v0.5-bridge") == []
    assert sent == [
        {"id": hfr_id, "name": "Lakeview Clinic", "type": kind, "active": True}
        for kind in ("HIP", "HIU")
    ]


@only("v0.5")
def test_what_the_older_gateway_refuses_is_told_in_a_sentence_and_kept(registry: Site) -> None:
    """Its refusals have numbers and no prefix."""
    hfr_id = new_id()
    registry.outside.will_answer(SEARCH, known(hfr_id))
    refused = {"error": {"code": 2506, "message": "Service is of several bridges"}}
    registry.outside.will_answer("/v1/bridges/addUpdateServices", (400, refused))
    with pytest.raises(Rejected, match="services registered for this bridge"):
        flow.add_facility(registry.adapter, hfr_id)
    with registry.adapter.db.reading() as tx:
        kept = facilities.by_hfr_id(tx, hfr_id)
    assert kept is not None
    assert kept.state == "FAILED"


def test_the_hospitals_own_organization_receives_the_id_and_keeps_what_it_says(
    registry: Site, hospital: Hospital
) -> None:
    own = f"f-{uuid.uuid4()}"
    answer = hospital.post("facility", {"id": own, "name": "Our name", "phone_number": "02228801"})
    assert answer.status_code == 200
    hfr_id = new_id()
    will_register(registry, hfr_id, hfr_id)
    flow.add_facility(registry.adapter, hfr_id, own)
    organization = hospital.read("Organization", fhir_id(own, "facility", own))
    assert organization["name"] == "Our name"
    assert organization["telecom"][0]["value"] == "02228801"
    assert registry.adapter.fhir.organizations([hfr_id])[hfr_id]["id"] == organization["id"]


def test_adding_a_facility_again_changes_nothing(registry: Site) -> None:
    hfr_id = new_id()
    will_register(registry, hfr_id, hfr_id)
    first = flow.add_facility(registry.adapter, hfr_id)
    registry.outside.will_answer(SEARCH, known(hfr_id))
    words = f"{BRIDGE} already associated, service id: {hfr_id}"
    registry.outside.will_answer(LINK, (200, [{"error": {"code": "2500", "message": words}}]))  # type: ignore[arg-type]
    registry.outside.will_answer(SERVICES, listed(hfr_id, "HIP", "HIU"))
    assert flow.add_facility(registry.adapter, hfr_id) == first


def test_a_refusal_is_told_in_a_sentence_and_kept(registry: Site, hospital: Hospital) -> None:
    hfr_id = new_id()
    registry.outside.will_answer(SEARCH, known(hfr_id))
    words = "SBX_999999 already associated with facility, service id: X"
    registry.outside.will_answer(LINK, (200, [{"error": {"code": "2500", "message": words}}]))  # type: ignore[arg-type]
    answer = hospital.post("facilities", {"hf_id": hfr_id})
    assert answer.status_code == 422
    assert "SBX_999999 already associated" in answer.json["error"]["message"]
    shown = hospital.client.get(
        f"/hims/v1/facilities/{hfr_id}",
        headers={"Authorization": "Bearer key-for-all-facilities", "X-User": "Mary"},
    ).json
    assert shown["registered"] is False
    assert shown["state"] == "FAILED"
    assert "already associated" in shown["message"]


def test_an_unknown_facility_is_named_so(registry: Site, hospital: Hospital) -> None:
    hfr_id = new_id()
    nothing = {"facilities": [], "totalFacilities": 0, "numberOfPages": 0}
    registry.outside.will_answer(SEARCH, (200, nothing))
    answer = hospital.post("facilities", {"hf_id": hfr_id})
    assert answer.status_code == 404
    assert f"knows no facility {hfr_id}" in answer.json["error"]["message"]


def test_a_malformed_id_makes_no_call(registry: Site, hospital: Hospital) -> None:
    assert hospital.post("facilities", {"hf_id": "IN12"}).status_code == 400
    assert registry.outside.calls == []


def test_a_registry_that_is_away_leaves_the_facility_to_be_added_again(
    registry: Site, hospital: Hospital
) -> None:
    hfr_id = new_id()
    registry.outside.will_answer(SEARCH, (503, None))
    assert hospital.post("facilities", {"hf_id": hfr_id}).status_code == 503
    will_register(registry, hfr_id, hfr_id)
    assert hospital.post("facilities", {"hf_id": hfr_id}).json["registered"] is True


def test_a_key_adds_only_facilities_that_it_may_act_for(registry: Site, hospital: Hospital) -> None:
    answer = hospital.post("facilities", {"hf_id": new_id()}, key=LIMITED)
    assert answer.status_code == 404
    assert registry.outside.calls == []


def test_a_facility_added_here_survives_the_next_start_with_its_service_id(registry: Site) -> None:
    hfr_id = new_id()
    will_register(registry, hfr_id, f"{hfr_id}_1")
    flow.add_facility(registry.adapter, hfr_id)
    adapter = registry.adapter
    named = adapter.config.model_copy(
        update={
            "abdm_facilities": (*adapter.config.abdm_facilities, ServedFacility(hfr_id, hfr_id))
        }
    )
    for config in (adapter.config, named):
        with adapter.db.transaction() as tx:
            facilities.sync(tx, config)
            assert (hfr_id, f"{hfr_id}_1") in facilities.served(tx)


def test_check_says_what_is_missing_at_abdm(registry: Site) -> None:
    registry.outside.will_answer(SERVICES, listed(registry.hip_id, "HIP"))
    found = {c.name: c for c in flow.check_facility(registry.adapter, registry.hfr_id)}
    assert found["bridge"].ok
    assert not found["types"].ok
    assert "not registered as HIU" in found["types"].sentence


def test_the_bridge_url_must_be_one_that_abdm_can_use(registry: Site) -> None:
    for url in ("http://his.example.org", "https://his.example.org/", "his.example.org"):
        with pytest.raises(MalformedRequest):
            flow.set_bridge_url(registry.adapter, url)
    flow.set_bridge_url(registry.adapter, "https://his.example.org/abdm")
    assert registry.outside.only("/bridge/url").body == {"url": "https://his.example.org/abdm"}


@pytest.fixture
def served(registry: Site) -> Iterator[str]:
    """The site's adapter listening on a port of its own."""
    server = make_server("127.0.0.1", 0, create_app(registry.adapter), threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def bridge_at(url: str) -> tuple[int, Json]:
    described = {"id": BRIDGE, "url": url, "active": True, "blocklisted": False}
    return 200, {"bridge": described, "services": []}


def test_verify_fetches_a_nonce_through_the_registered_url(registry: Site, served: str) -> None:
    registry.outside.will_answer(SERVICES, bridge_at(served))
    found = {check.name: check for check in flow.verify_bridge(registry.adapter)}
    assert found["ours"].ok, found
    assert flow.nonce(registry.adapter) is None


def test_the_bridge_is_seen_and_set_only_by_a_key_for_every_facility(
    registry: Site, hospital: Hospital
) -> None:
    def call(method: str, path: str, key: str, body: Json | None = None) -> tuple[int, Json]:
        headers = {"Authorization": f"Bearer {key}", "X-User": "Mary"}
        answer = hospital.client.open(path, method=method, json=body, headers=headers)
        return answer.status_code, answer.json

    registry.outside.will_answer(SERVICES, listed(registry.hip_id, "HIP", "HIU"))
    status, shown = call("GET", "/hims/v1/bridge", WHOLE)
    assert (status, shown["url"], shown["services"][0]["id"]) == (
        200,
        "https://his.example.org",
        registry.hip_id,
    )
    url = {"url": "https://his.example.org/abdm"}
    assert call("PUT", "/hims/v1/bridge", WHOLE, url) == (200, url)
    for method, path in (("GET", ""), ("PUT", ""), ("POST", "/verify")):
        assert call(method, f"/hims/v1/bridge{path}", LIMITED, url)[0] == 403


def test_verify_notices_that_the_url_is_somebody_elses(registry: Site) -> None:
    registry.outside.will_answer(SERVICES, bridge_at(registry.outside.url))
    registry.outside.will_answer("/bridge-nonce", (200, "another"))
    found = {check.name: check for check in flow.verify_bridge(registry.adapter)}
    assert not found["ours"].ok
    assert "answered by something else" in found["ours"].sentence


def test_a_gateway_that_is_away_is_no_verdict(registry: Site) -> None:
    registry.outside.will_answer(SERVICES, (503, None), (503, None))
    with pytest.raises(RetryLater):
        flow.verify_bridge(registry.adapter)


def test_the_simulated_registry_registers_and_checks_a_facility(front: Front) -> None:
    """The same over the simulator's registry: found, linked, listed under another service id."""
    hfr_id = new_id()
    front.abdm.add_facility(hfr_id, "Lakeview Clinic", service_id=f"{hfr_id}_1")
    adapter = replace(front.adapter, registry=registry_of(front))
    added = flow.add_facility(adapter, hfr_id)
    assert (added.hip_id, added.registered) == (f"{hfr_id}_1", True)
    assert flow.add_facility(adapter, hfr_id).registered
    assert all(check.ok for check in flow.check_facility(adapter, hfr_id))
    assert f"{hfr_id}_1" in {each.id for each in flow.show_bridge(adapter).services}
    with pytest.raises(NotFound):
        flow.add_facility(adapter, new_id())


def test_a_facility_of_another_bridge_is_refused_by_name(front: Front) -> None:
    hfr_id = new_id()
    front.abdm.add_facility(hfr_id, "Lakeview Clinic")
    front.abdm.add_bridge("SBX_000002", "another-secret-of-a-test", "http://127.0.0.1:9")
    front.abdm.add_service(hfr_id, "Lakeview Clinic", ["HIP"], "SBX_000002")
    adapter = replace(front.adapter, registry=registry_of(front))
    with pytest.raises(Rejected, match="SBX_000002 already associated"):
        flow.add_facility(adapter, hfr_id)
    with adapter.db.reading() as tx:
        known = facilities.by_hfr_id(tx, hfr_id)
    assert known is not None
    assert (known.state, known.registered) == ("FAILED", False)


def registry_of(front: Front) -> FacilityRegistry:
    """The simulator's registry."""
    config = front.adapter.config.model_copy(
        update={"abdm_facility_url": f"{front.running.base_url}/v4/int"}
    )
    return FacilityRegistry(config, front.adapter.gateway, front.adapter.clock)


def test_a_callback_is_routed_by_hiu_id_where_it_names_no_hip(
    registry: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unknown HIU is quarantined with an alert; ours gets as far as its handler."""
    outcomes = {}
    for hiu_id in (registry.hip_id, "IN0000000000_9"):
        request_id = str(uuid.uuid4())
        notice = {"consentRequestId": str(uuid.uuid4()), "status": "DENIED", "consentArtefacts": []}
        with registry.adapter.db.transaction() as tx:
            inbox.store(
                tx,
                registry.adapter,
                message="HiuConsentNotify",
                dialect="v3",
                request_id=request_id,
                hip_id=None,
                hiu_id=hiu_id,
                sent_at=registry.clock(),
                body=json.dumps({"notification": notice}).encode(),
                patience=timedelta(seconds=0),
            )
        registry.run()
        outcomes[hiu_id] = registry.refusal(request_id)[1]
    assert outcomes["IN0000000000_9"] == "UnknownFacility"
    assert outcomes[registry.hip_id] != "UnknownFacility"
    assert "ALERT" in capsys.readouterr().out
