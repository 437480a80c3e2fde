"""The gateway client in the older generation, beside V3, against a real HTTP server."""

import json
from collections.abc import Iterator

import pytest
from werkzeug.wrappers import Request, Response

from adapter.config import Config
from adapter.protocol import ids, routes
from adapter.protocol import messages as m
from adapter.protocol.errors import Rejected, SessionExpired
from adapter.upstream.gateway import Gateway
from tests.unit.upstream.fake_gateway import SESSIONS, Clock, FakeGateway, fake_gateway

SESSIONS_V05 = "/gateway/v0.5/sessions"
FIND = m.FindPatientRequest("asha@sbx")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def remote() -> Iterator[FakeGateway]:
    with fake_gateway() as remote:
        remote.answer = answer
        yield remote


def answer(request: Request) -> Response:
    if request.path == SESSIONS_V05:
        return Response(json.dumps({"accessToken": "older", "expiresIn": 600}), 200)
    return Response(status=202)


@pytest.fixture
def gateway(remote: FakeGateway, clock: Clock) -> Gateway:
    config = Config(
        _env_file=None,
        abdm_url=remote.url,
        abdm_client_id="SBX_1",
        abdm_client_secret="a-secret-nobody-may-see",
        abdm_facilities="IN1,IN2",
        facility_api_versions="IN2=v0.5",
        seal_keys="x" * 44,
    )
    return Gateway(config, clock)


def send(gateway: Gateway, dialect: str, message: object) -> str:
    request_id = ids.new_request_id()
    route = routes.outbound(dialect, type(message))
    gateway.send(route, m.Envelope(dialect, hiu_id="IN2"), message, request_id)
    return request_id


def test_id_and_time_stand_in_the_body_and_the_session_is_that_of_v05(
    gateway: Gateway, remote: FakeGateway, clock: Clock
) -> None:
    request_id = send(gateway, "v0.5", FIND)
    visit = remote.visits("/gateway/v0.5/patients/find")[0]
    assert visit.headers["authorization"] == "Bearer older"
    assert visit.headers["x-cm-id"] == "sbx"
    assert not {"request-id", "timestamp", "x-hiu-id"} & set(visit.headers)
    assert json.loads(visit.body) == {
        "requestId": request_id,
        "timestamp": clock().strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "query": {"patient": {"id": "asha@sbx"}, "requester": {"type": "HIU", "id": "IN2"}},
    }
    assert remote.visits(SESSIONS) == []


def test_both_sessions_are_kept_and_renewed_side_by_side(
    gateway: Gateway, remote: FakeGateway, clock: Clock
) -> None:
    for _ in range(2):
        assert gateway.session_token() == "token-1"
        assert gateway.session_token("v0.5") == "older"
    assert len(remote.visits(SESSIONS_V05)) == 1
    gateway.drop_token("older")
    gateway.session_token("v0.5")
    assert gateway.session_token() == "token-1"
    assert len(remote.visits(SESSIONS_V05)) == 2
    clock.advance(seconds=571)
    gateway.session_token("v0.5")
    assert len(remote.visits(SESSIONS_V05)) == 3


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [(400, 1404, Rejected), (401, 2401, SessionExpired), (400, 1401, SessionExpired)],
)
def test_codes_without_prefix_are_understood(
    gateway: Gateway, remote: FakeGateway, status: int, code: int, expected: type[Exception]
) -> None:
    refusal = json.dumps({"error": {"code": code, "message": "no"}})
    remote.answer = lambda request: (
        answer(request) if request.path == SESSIONS_V05 else Response(refusal, status)
    )
    with pytest.raises(expected):
        send(gateway, "v0.5", FIND)
