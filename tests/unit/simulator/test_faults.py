"""Each fault switch does on the wire what it says."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, get_args

import pytest
import requests

from conformance.simulator.client import SimulatorError, SimulatorTimeout
from conformance.simulator.errors import Shape
from conformance.simulator.faults import KINDS
from tests.unit.simulator.conftest import World
from tests.unit.simulator.small_bridge import GATEWAY
from tests.unit.simulator.small_hip import ADDRESS, HIP_ID

SERVICES = f"{GATEWAY}/bridge-services"


def status_of_first(world: World, message: str) -> int | None:
    """How the first message of that name was answered, waited for."""

    def status() -> int | None:
        return next((each.status for each in world.client.exchanges(message)), None)

    world.client.wait_for(lambda: status() is not None, f"the answer to {message}")
    return status()


def services(world: World) -> requests.Response:
    return world.hip.raw("GET", SERVICES)


def test_dropped_callback_never_comes(world: World) -> None:
    world.client.fault("drop", "DiscoverCareContexts", times=1)
    with pytest.raises(SimulatorTimeout, match=f"on-discover of {HIP_ID}"):
        world.client.discover(ADDRESS, HIP_ID, timeout=0.2)
    assert world.hip.received == []
    assert world.client.discover(ADDRESS, HIP_ID).error is None


def test_delayed_callback_comes_later(world: World) -> None:
    world.client.fault("delay", times=1, seconds=0.4)
    started = time.monotonic()
    world.client.discover(ADDRESS, HIP_ID)
    assert time.monotonic() - started >= 0.4


def test_duplicated_callback_has_the_same_id_and_bearer(world: World) -> None:
    world.hip.silent = True
    world.client.fault("duplicate", "DiscoverCareContexts")
    with pytest.raises(SimulatorTimeout):
        world.client.discover(ADDRESS, HIP_ID, timeout=0.05)
    first = world.hip.wait("care-context/discover", 1)
    second = world.hip.wait("care-context/discover", 2)
    assert first.request_id == second.request_id
    assert first.headers["Authorization"] == second.headers["Authorization"]
    assert first.body == second.body


def test_refused_callback_is_repeated_once_with_the_same_id_and_bearer(world: World) -> None:
    world.hip.status = 503
    with pytest.raises(SimulatorTimeout):
        world.client.discover(ADDRESS, HIP_ID, timeout=0.05)
    first = world.hip.wait("care-context/discover", 1)
    second = world.hip.wait("care-context/discover", 2)
    assert first.request_id == second.request_id
    assert first.headers["Authorization"] == second.headers["Authorization"]
    assert (second.at - first.at).total_seconds() >= 0.25
    time.sleep(0.5)
    assert len(world.hip.received) == 2


def test_reordered_callbacks_swap(world: World) -> None:
    world.hip.silent = True
    world.client.fault("reorder", "DiscoverCareContexts", times=1)
    for address in (ADDRESS, "nobody.known@sbx"):
        with pytest.raises(SimulatorTimeout):
            world.client.discover(address, HIP_ID, timeout=0.05)
    world.hip.wait("care-context/discover", 2)
    seen = [one.body["patient"]["id"] for one in world.hip.received]
    assert seen == ["nobody.known@sbx", ADDRESS]


def test_callback_can_arrive_before_the_202(world: World) -> None:
    world.client.fault("before-202", "OnGenerateLinkToken")
    body = {"abhaAddress": ADDRESS, "name": "Meera Joshi", "gender": "F", "yearOfBirth": 1984}
    reply = world.hip.call("generate-token", body)
    answered = datetime.now(UTC)
    assert reply.status_code == 202
    assert world.hip.wait("token/on-generate-token").at < answered
    (call,) = world.client.exchanges("GenerateLinkTokenRequest", "in")
    (callback,) = world.client.exchanges("OnGenerateLinkToken", "out")
    assert callback.seconds <= call.seconds


@pytest.mark.parametrize("kind", ["wrong-key", "none-alg", "unknown-kid", "expired", None])
def test_forged_callbacks_are_refused_by_a_hip_that_checks(world: World, kind: str | None) -> None:
    world.client.fault("token", "DiscoverCareContexts", kind=kind)
    with pytest.raises(SimulatorTimeout):
        world.client.discover(ADDRESS, HIP_ID, timeout=0.2)
    assert status_of_first(world, "DiscoverCareContexts") == 401
    assert world.hip.received == []


def test_late_callback_carries_an_expired_token(world: World) -> None:
    world.client.fault("late", "DiscoverCareContexts", times=1)
    with pytest.raises(SimulatorTimeout):
        world.client.discover(ADDRESS, HIP_ID, timeout=0.2)
    assert status_of_first(world, "DiscoverCareContexts") == 401


def test_rotated_key_is_served_and_accepted(world: World) -> None:
    before = world.hip.raw("GET", f"{GATEWAY}/certs").json()["keys"]
    world.client.fault("key-rotation", "DiscoverCareContexts", times=1)
    # Published in the background: the first delivery may come too early, its repeat does not.
    assert world.client.discover(ADDRESS, HIP_ID).error is None
    after = world.hip.raw("GET", f"{GATEWAY}/certs").json()["keys"]
    assert after[1:] == before
    assert after[0]["kid"] not in [key["kid"] for key in before]


def test_wrong_request_id_names_no_call(world: World) -> None:
    world.client.fault("wrong-request-id")
    body = {"abhaAddress": ADDRESS, "name": "Meera Joshi", "gender": "F", "yearOfBirth": 1984}
    world.hip.call("generate-token", body)
    callback = world.hip.wait("token/on-generate-token")
    (call,) = world.client.exchanges("GenerateLinkTokenRequest")
    assert callback.body["response"]["requestId"] != call.headers["REQUEST-ID"]


def test_silent_202_has_no_consequence(world: World) -> None:
    world.client.fault("silent-202", "OnDiscoverRequest", times=1)
    with pytest.raises(SimulatorTimeout):
        world.client.discover(ADDRESS, HIP_ID, timeout=0.3)
    assert status_of_first(world, "OnDiscoverRequest") == 202


@pytest.mark.parametrize(
    ("name", "params", "status", "body"),
    [
        ("empty-400", {}, 400, ""),
        ("unauthorised", {}, 401, ""),
        ("unauthorised", {"shape": "flat"}, 401, "900901"),
        ("rate-limited", {"retry_after": 7}, 429, "ABDM-2429"),
        ("server-error", {"status": 502}, 502, "<html>"),
    ],
)
def test_wrong_answers_come_as_often_as_asked(
    world: World, name: str, params: dict[str, Any], status: int, body: str
) -> None:
    world.hip.session()
    services(world)
    world.client.fault(name, "BridgeServicesList", times=2, **params)
    for _ in range(2):
        reply = services(world)
        assert reply.status_code == status
        assert body in reply.text
        assert bool(body) == bool(reply.text)
        if name == "rate-limited":
            assert reply.headers["Retry-After"] == "7"
    assert services(world).status_code == 200


@pytest.mark.parametrize("shape", get_args(Shape))
def test_every_error_shape_can_be_sent_with_any_status(world: World, shape: str) -> None:
    world.client.fault(
        "error-shape", "BridgeServicesList", shape=shape, status=200, code="ABDM-1011"
    )
    reply = services(world)
    assert reply.status_code == 200
    expected: dict[str, Callable[[], object]] = {
        "object": lambda: reply.json()["error"]["code"] == "ABDM-1011",
        "array": lambda: reply.json()[0]["error"]["code"] == "ABDM-1011",
        "flat-array": lambda: reply.json()[0]["code"] == "ABDM-1011",
        "flat": lambda: reply.json()["description"],
        "older": lambda: reply.json()["error"]["code"] == 1011,
        "not-found": lambda: reply.json()["code"] == "404",
        "framework": lambda: reply.json()["status"] == 200,
        "field-keyed": lambda: reply.json()["abhaAddress"],
        "message": lambda: set(reply.json()) == {"message", "timestamp"},
        "text": lambda: reply.headers["Content-Type"].startswith("text/plain"),
        "html": lambda: reply.text.startswith("<html>"),
        "empty": lambda: reply.text == "",
    }
    assert expected[shape]()


def test_trailing_colon_reaches_refusals_and_callbacks(world: World) -> None:
    world.client.fault("trailing-colon")
    unknown = {"abhaAddress": "no.body@sbx", "name": "X", "gender": "F", "yearOfBirth": 1984}
    refused = world.hip.call("generate-token", unknown)
    assert refused.json()["error"]["code"] == "ABDM-9999: "
    wrong = {"abhaAddress": ADDRESS, "name": "X", "gender": "F", "yearOfBirth": 1984}
    world.hip.call("generate-token", wrong)
    answer = world.hip.wait("token/on-generate-token").body
    assert answer["error"]["code"] == "ABDM-1036: "


def test_skewed_clock_shows_in_the_date_header(world: World) -> None:
    world.client.fault("clock-skew", "BridgeServicesList", seconds=3600)
    shown = parsedate_to_datetime(services(world).headers["Date"])
    assert 3590 < (shown - datetime.now(UTC)).total_seconds() < 3610


def test_slow_reset_and_redirect_at_the_push_endpoint(world: World) -> None:
    url = f"{world.client.base_url}/hiu/push/none"
    world.client.fault("slow", "HealthInformationPush", times=1, seconds=0.3)
    started = time.monotonic()
    assert requests.post(url, json={}, timeout=60).status_code == 404
    assert time.monotonic() - started >= 0.3
    world.client.fault("reset", "HealthInformationPush", times=1)
    with pytest.raises(requests.ConnectionError):
        requests.post(url, json={}, timeout=60)
    world.client.fault("redirect", "HealthInformationPush", times=1, location="http://10.0.0.1/")
    moved = requests.post(url, json={}, timeout=60, allow_redirects=False)
    assert (moved.status_code, moved.headers["Location"]) == (307, "http://10.0.0.1/")


def test_push_fails_as_often_as_asked_and_the_report_says_so(world: World) -> None:
    world.link()
    artefact_id = world.consented()
    world.client.fault("server-error", "HealthInformationPush", times=1)
    transfer = world.client.transfer(world.client.request_data(artefact_id))
    assert transfer.hip_notification is not None
    lines = transfer.hip_notification["statusNotification"]["statusResponses"]
    assert sorted(line["hiStatus"] for line in lines) == ["DELIVERED", "ERRORED"]


def test_gateway_faults_leave_push_and_sms_alone_unless_named(world: World) -> None:
    world.client.fault("server-error")
    sms = f"{world.client.base_url}/sms"
    message = {"to": "9820000045", "text": "123456"}
    assert requests.post(sms, json=message, timeout=60).status_code == 202
    world.client.fault("server-error", "Sms")
    assert requests.post(sms, json=message, timeout=60).status_code == 503
    world.client.clear_faults()
    assert requests.post(sms, json=message, timeout=60).status_code == 202


def test_unknown_faults_and_parameters_are_explained(world: World) -> None:
    with pytest.raises(SimulatorError, match="choose from"):
        world.client.fault("explode")
    with pytest.raises(SimulatorError, match="no parameter"):
        world.client.fault("drop", speed=3)
    assert all(kind.meaning for kind in KINDS.values())


def test_callbacks_can_be_sent_by_hand(world: World) -> None:
    world.hip.silent = True
    path = "/api/v3/hip/patient/care-context/discover"
    headers: dict[str, str | None] = {"X-HIP-ID": HIP_ID, "request-id": "17", "TIMESTAMP": None}
    status, _ = world.client.callback(path, {"anything": 1}, headers)
    assert status == 202
    (seen,) = world.hip.received
    assert (seen.request_id, seen.body) == ("17", {"anything": 1})
    assert "Timestamp" not in seen.headers
    for kind in ("expired", "wrong-key", "none-alg", "unknown-kid", None):
        assert world.client.callback(path, {}, headers, kind)[0] == 401
