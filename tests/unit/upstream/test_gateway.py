"""The gateway client against a real HTTP server."""

import json
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from werkzeug.wrappers import Request, Response

from adapter.config import Config
from adapter.protocol import ids, routes
from adapter.protocol import messages as m
from adapter.protocol.errors import (
    AlreadyDone,
    ClockRejected,
    DependencyUnavailable,
    LinkTokenRefused,
    Rejected,
    RetryLater,
    SessionExpired,
    UpstreamError,
)
from adapter.upstream import http, keys
from adapter.upstream.gateway import Gateway
from tests.unit.upstream.fake_gateway import (
    CERTS,
    SESSIONS,
    Clock,
    FakeGateway,
    fake_gateway,
    jwk,
    new_key,
)

SECRET = "a-secret-nobody-may-see"
LINK_TOKEN = "link.token.nobody-may-see"
ENVELOPE = m.Envelope("v3", hip_id="IN1", response_to="00000101-5b1e-4c60-9d2a-6f0c1e9a7b34")
ACK = m.HipConsentOnNotifyRequest("00000301-5b1e-4c60-9d2a-6f0c1e9a7b34")
LINK = m.HipLinkCareContextRequest(
    "asha@sbx",
    None,
    (m.PatientEntry("P", "Asha", "Prescription", (m.CareContextEntry("Encounter-1", "Visit"),)),),
    LINK_TOKEN,
)


def config(url: str) -> Config:
    return Config(
        _env_file=None,
        abdm_url=url,
        abdm_client_id="SBX_1",
        abdm_client_secret=SECRET,
        abdm_facilities="IN1",
        seal_keys="x" * 44,
    )


@pytest.fixture
def remote() -> Iterator[FakeGateway]:
    with fake_gateway() as remote:
        yield remote


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gateway(remote: FakeGateway, clock: Clock) -> Gateway:
    return Gateway(config(remote.url), clock)


def send(gateway: Gateway, message: Any = ACK, request_id: str | None = None) -> str:
    request_id = request_id or ids.new_request_id()
    gateway.send(routes.outbound("v3", type(message)), ENVELOPE, message, request_id)
    return request_id


def refusal(status: int, body: Any = None, **headers: str) -> Any:
    text = body if isinstance(body, str) else json.dumps(body) if body is not None else ""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _request: Response(text, status, headers=named)


def test_message_leaves_with_every_header_of_the_contract(
    gateway: Gateway, remote: FakeGateway, clock: Clock
) -> None:
    request_id = send(gateway, LINK)
    (visit,) = remote.visits()
    assert (visit.method, visit.path) == ("POST", "/api/hiecm/hip/v3/link/carecontext")
    assert visit.headers["authorization"] == "Bearer token-1"
    assert visit.headers["request-id"] == request_id
    assert visit.headers["timestamp"] == clock().strftime("%Y-%m-%dT%H:%M:%S.000Z")
    assert visit.headers["x-cm-id"] == "sbx"
    assert visit.headers["x-hip-id"] == "IN1"
    assert visit.headers["x-link-token"] == LINK_TOKEN
    assert visit.headers["content-type"] == "application/json"
    assert json.loads(visit.body)["abhaAddress"] == "asha@sbx"


def test_session_is_asked_for_with_the_client_credentials_and_no_token(
    gateway: Gateway, remote: FakeGateway
) -> None:
    gateway.session_token()
    (visit,) = remote.visits(SESSIONS)
    assert json.loads(visit.body) == {
        "clientId": "SBX_1",
        "clientSecret": SECRET,
        "grantType": "client_credentials",
    }
    assert "authorization" not in visit.headers
    assert ids.is_uuid(visit.headers["request-id"])


@pytest.mark.parametrize("status", [200, 202])
def test_both_statuses_of_an_accepted_call_are_taken(
    gateway: Gateway, remote: FakeGateway, status: int
) -> None:
    remote.answer = refusal(status)
    remote.session = lambda _request: Response(
        '{"accessToken": "token-1", "expiresIn": 600}', status
    )
    send(gateway)
    assert len(remote.visits()) == 1


def test_token_is_renewed_thirty_seconds_before_it_expires(
    gateway: Gateway, remote: FakeGateway, clock: Clock
) -> None:
    remote.expires_in = 600
    assert gateway.session_token() == "token-1"
    clock.advance(seconds=569)
    assert gateway.session_token() == "token-1"
    clock.advance(seconds=1)
    assert gateway.session_token() == "token-2"


@pytest.mark.parametrize("life", [None, "600", "soon"])
def test_life_that_is_missing_or_text_is_understood(
    gateway: Gateway, remote: FakeGateway, clock: Clock, life: Any
) -> None:
    remote.expires_in = life
    gateway.session_token()
    clock.advance(seconds=569)
    assert gateway.session_token() == "token-1"
    clock.advance(seconds=1)
    assert gateway.session_token() == "token-2"


def test_many_threads_share_one_session(gateway: Gateway, remote: FakeGateway) -> None:
    threads = [threading.Thread(target=gateway.session_token) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(remote.visits(SESSIONS)) == 1


def test_refused_token_is_dropped_and_the_next_attempt_has_a_new_one(
    gateway: Gateway, remote: FakeGateway
) -> None:
    remote.answer = lambda request: Response(
        status=401 if request.headers["Authorization"] == "Bearer token-1" else 202
    )
    with pytest.raises(SessionExpired):
        send(gateway)
    send(gateway)
    first, second = remote.visits()
    assert first.headers["request-id"] != second.headers["request-id"]
    assert second.headers["authorization"] == "Bearer token-2"


def test_late_refusal_of_an_old_token_does_not_drop_the_new_one(
    gateway: Gateway, remote: FakeGateway
) -> None:
    old = gateway.session_token()
    gateway.drop_token(old)
    fresh = gateway.session_token()
    gateway.drop_token(old)
    assert gateway.session_token() == fresh


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (401, None, SessionExpired, None),
        (401, {"code": "900901", "message": "Invalid Credentials"}, SessionExpired, "900901"),
        (400, None, Rejected, None),
        (
            400,
            {"error": {"code": "ABDM-1035: ", "message": "Invalid HIP ID"}},
            Rejected,
            "ABDM-1035",
        ),
        (400, [{"error": {"code": "ABDM-1024", "message": "x"}}], RetryLater, "ABDM-1024"),
        (
            503,
            {"code": "ABDM-1024", "message": "Dependent service unavailable"},
            RetryLater,
            "ABDM-1024",
        ),
        (403, "Access Denied", Rejected, None),
        (502, "<html>Bad gateway</html>", RetryLater, None),
        (302, None, Rejected, None),
        (500, {"error": {"code": "ABDM-1090", "message": "Duplicate"}}, AlreadyDone, "ABDM-1090"),
    ],
)
def test_each_shape_of_refusal_becomes_its_error(
    gateway: Gateway,
    remote: FakeGateway,
    status: int,
    body: Any,
    kind: type[UpstreamError],
    code: str | None,
) -> None:
    remote.answer = refusal(status, body, Location="/elsewhere")
    with pytest.raises(UpstreamError) as caught:
        send(gateway)
    assert type(caught.value) is kind
    assert caught.value.code == code
    assert caught.value.status == status
    assert len(remote.visits()) == 1


def test_refused_link_token_keeps_the_session(gateway: Gateway, remote: FakeGateway) -> None:
    remote.answer = refusal(400, {"error": {"code": "ABDM-1026", "message": "Invalid Link Token"}})
    with pytest.raises(LinkTokenRefused):
        send(gateway, LINK)
    assert gateway.session_token() == "token-1"


def test_retry_after_is_understood_as_seconds_and_as_a_date(
    gateway: Gateway, remote: FakeGateway, clock: Clock
) -> None:
    date = format_datetime(clock() + timedelta(seconds=90), usegmt=True)
    for header in ("90", date):
        remote.answer = refusal(429, None, Retry_After=header)
        with pytest.raises(RetryLater) as caught:
            send(gateway)
        assert caught.value.after == timedelta(seconds=90)


def test_offset_of_the_clocks_is_measured_and_told_when_the_timestamp_is_refused(
    gateway: Gateway, remote: FakeGateway, clock: Clock
) -> None:
    clock.advance(minutes=-7)
    remote.answer = refusal(400, {"error": {"code": "ABDM-2402", "message": "Invalid Timestamp"}})
    with pytest.raises(ClockRejected, match=r"\+4[12]\d s from ours") as caught:
        send(gateway)
    assert "NTP" in caught.value.sentence
    assert gateway.clock_offset is not None
    assert abs(gateway.clock_offset - timedelta(minutes=7)) < timedelta(seconds=10)


def test_wrong_credentials_leave_messages_waiting_and_name_the_settings(
    gateway: Gateway, remote: FakeGateway
) -> None:
    remote.session = refusal(
        401, {"error": {"code": "ABDM-1923", "message": "Invalid client id and client secret"}}
    )
    with pytest.raises(RetryLater, match="ABDM_CLIENT_SECRET") as caught:
        send(gateway)
    assert SECRET not in caught.value.sentence
    assert remote.visits() == []


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"accessToken": 7}', "<html>"])
def test_session_answer_without_a_token_is_tried_again_later(
    gateway: Gateway, remote: FakeGateway, body: str
) -> None:
    remote.session = refusal(202, body)
    with pytest.raises(RetryLater):
        gateway.session_token()


def test_gateway_that_is_not_there_is_tried_again_later(clock: Clock) -> None:
    gateway = Gateway(config("http://127.0.0.1:1"), clock)
    with pytest.raises(RetryLater, match="cannot be reached") as caught:
        send(gateway, LINK)
    assert caught.value.__cause__ is None
    assert "127.0.0.1" not in caught.value.sentence


def test_gateway_that_does_not_answer_is_given_up_in_time(
    gateway: Gateway, remote: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.session_token()
    defaults = {**http.call.__kwdefaults__, "read_seconds": 0.2}
    monkeypatch.setattr(http.call, "__kwdefaults__", defaults)

    def slow(_request: Request) -> Response:
        time.sleep(1)
        return Response(status=202)

    remote.answer = slow
    with pytest.raises(RetryLater, match="did not answer in time"):
        send(gateway)


def test_no_exception_text_holds_a_secret_that_the_gateway_repeats(
    gateway: Gateway, remote: FakeGateway
) -> None:
    jwt_like = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"
    echo = f"token {jwt_like} of asha.verma@sbx, 91-2345-6789-0123, Bearer token-1"
    remote.answer = refusal(400, {"error": {"code": "ABDM-9999", "message": echo}})
    with pytest.raises(Rejected) as caught:
        send(gateway)
    for secret in (jwt_like, "asha.verma", "6789"):
        assert secret not in str(caught.value)


# --- keys ---------------------------------------------------------------------------------------


def test_key_is_fetched_once_with_the_token_and_then_known(
    gateway: Gateway, remote: FakeGateway
) -> None:
    remote.keys = [jwk("a", new_key()), jwk("b", new_key(), "RS512")]
    for _ in range(3):
        key = gateway.keys.get("a")
        assert key is not None
        assert key.algorithm_name == "RS256"
    (visit,) = remote.visits(CERTS)
    assert visit.headers["authorization"] == "Bearer token-1"


def test_unknown_key_id_costs_at_most_one_fetch_a_minute(
    gateway: Gateway, remote: FakeGateway, clock: Clock
) -> None:
    remote.keys = [jwk("a", new_key())]
    assert gateway.keys.get("a") is not None
    for _ in range(5):
        assert gateway.keys.get("forged") is None
    assert len(remote.visits(CERTS)) == 1
    clock.advance(seconds=60)
    remote.keys.append(jwk("rotated", new_key()))
    assert gateway.keys.get("rotated") is not None
    assert len(remote.visits(CERTS)) == 2


def test_callers_share_one_fetch_and_wait_two_seconds_at_most(
    gateway: Gateway, remote: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "WAIT_SECONDS", 0.3)
    release = threading.Event()

    def slow(_request: Request) -> Response:
        release.wait(60)
        return Response(json.dumps({"keys": [jwk("a", new_key())]}))

    remote.certs = slow
    started = time.monotonic()
    failures: list[BaseException] = []

    def ask() -> None:
        try:
            gateway.keys.get("a")
        except DependencyUnavailable as error:
            failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(failures) == 4
    # The fetch itself would hold them for much longer.
    assert time.monotonic() - started < 20
    assert len(remote.visits(CERTS)) == 1
    release.set()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if gateway.keys.get("a") is not None:
                break
        except DependencyUnavailable:
            time.sleep(0.05)
    assert gateway.keys.get("a") is not None


@pytest.mark.parametrize(
    "certs", [refusal(500), refusal(200, "no json"), refusal(200, {"keys": []}), refusal(200, {})]
)
def test_unobtainable_keys_are_said_to_be_so_and_asked_for_again(
    gateway: Gateway, remote: FakeGateway, clock: Clock, certs: Any
) -> None:
    remote.certs = certs
    for _ in range(2):
        with pytest.raises(DependencyUnavailable):
            gateway.keys.get("a")
    assert len(remote.visits(CERTS)) == 1
    remote.certs = None
    remote.keys = [jwk("a", new_key())]
    clock.advance(seconds=5)
    assert gateway.keys.get("a") is not None


def test_known_keys_survive_a_failing_fetch_and_a_withdrawn_key_goes_within_the_hour(
    gateway: Gateway, remote: FakeGateway, clock: Clock
) -> None:
    remote.keys = [jwk("old", new_key()), jwk("new", new_key())]
    assert gateway.keys.get("old") is not None
    clock.advance(hours=1)
    remote.certs = refusal(503)
    assert gateway.keys.get("old") is not None
    _wait_for(lambda: len(remote.visits(CERTS)) == 2 and gateway.keys._running is None)
    assert gateway.keys.get("new") is not None
    clock.advance(minutes=1)
    remote.certs = None
    remote.keys = remote.keys[1:]
    gateway.keys.get("new")
    _wait_for(lambda: gateway.keys._keys.keys() == {"new"})
    assert gateway.keys.get("old") is None


def test_keys_that_are_not_rsa_signing_keys_are_left_out(
    gateway: Gateway, remote: FakeGateway
) -> None:
    good = jwk("good", new_key())
    remote.keys = [
        {"kid": "secret", "kty": "oct", "alg": "HS256", "k": "c2VjcmV0"},
        {**jwk("enc", new_key()), "use": "enc"},
        {**jwk("none", new_key()), "alg": "none"},
        {"kid": "broken", "kty": "RSA", "alg": "RS256", "n": "!", "e": "AQAB"},
        {**good, "kid": ""},
        good,
    ]
    assert gateway.keys.get("good") is not None
    for kid in ("secret", "enc", "none", "broken", ""):
        assert gateway.keys.get(kid) is None


def _wait_for(condition: Any) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
