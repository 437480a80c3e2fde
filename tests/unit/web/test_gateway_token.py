"""Which callbacks are believed."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from structlog.testing import capture_logs
from werkzeug.wrappers import Response

from adapter.protocol import ids
from adapter.protocol import messages as m
from adapter.stores import outbox, outbox_delivery, retention
from adapter.upstream import keys
from tests.rig import HIP_ID
from tests.unit.upstream.fake_gateway import CERTS, jwk
from tests.unit.web.conftest import ISSUER, KEY, Edge, MakeEdge

TOKEN_ANSWER = "/api/v3/hip/token/on-generate-token"


def public_pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def by_hand(header: dict[str, Any], claims: dict[str, Any], signature: bytes) -> str:
    parts = [json.dumps(header).encode(), json.dumps(claims).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(p).decode().rstrip("=") for p in parts)


def hs256_with_the_public_key(edge: Edge) -> str:
    token = by_hand({"alg": "HS256", "kid": "kid-1"}, {"exp": time.time() + 900}, b"")
    signed = hmac.new(public_pem(KEY), token.rstrip(".").encode(), hashlib.sha256).digest()
    return token + base64.urlsafe_b64encode(signed).decode().rstrip("=")


def tampered(edge: Edge) -> str:
    head, _, signature = edge.token().split(".")
    claims = {"iss": ISSUER, "azp": "gateway", "exp": int(time.time()) + 900}
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"{head}.{body}.{signature}"


FORGERIES: dict[str, Callable[[Edge], str]] = {
    "no token at all": lambda edge: " ",
    "no JWT": lambda edge: "abc",
    "alg none": lambda edge: by_hand(
        {"alg": "none", "kid": "kid-1"}, {"exp": time.time() + 900}, b""
    ),
    "HS256 with the public key as secret": hs256_with_the_public_key,
    "claims changed after signing": tampered,
    "another algorithm than the key's": lambda edge: edge.token(alg="RS512"),
    "PSS instead of PKCS1": lambda edge: edge.token(alg="PS256"),
    "no key id": lambda edge: edge.token(kid=None),
    "unknown key id": lambda edge: edge.token(kid="kid-9"),
    "no expiry": lambda edge: edge.token(without="exp"),
    "expiry that is no number": lambda edge: edge.token(exp="tomorrow"),
    "expiry that never comes": lambda edge: edge.token(exp=float("inf")),
    "issued in the future": lambda edge: edge.token(iat=time.time() + 3600),
    "not valid yet": lambda edge: edge.token(nbf=time.time() + 3600),
    "expired beyond every leeway": lambda edge: edge.token(life=-1801),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_forged_or_expired_token_is_refused_and_nothing_is_stored(edge: Edge, forgery: str) -> None:
    response = edge.post(token=FORGERIES[forgery](edge))
    assert response.status_code == 401
    assert json.loads(response.data) == {
        "error": {"code": "ABDM-1066", "message": "Invalid JWT token"}
    }
    assert edge.rows() == []
    assert edge.woken == []


def test_signature_of_another_key_under_a_known_key_id_is_refused(
    edge: Edge, other_key: rsa.RSAPrivateKey
) -> None:
    assert edge.post(token=edge.token(key=other_key)).status_code == 401
    assert edge.rows() == []


@pytest.mark.parametrize("header", [None, "", "Basic YTpi", "Bearer"])
def test_missing_or_other_authorization_is_refused(edge: Edge, header: str | None) -> None:
    assert edge.post(Authorization=header).status_code == 401


def test_refusals_are_logged_without_anything_of_the_token(edge: Edge) -> None:
    token = edge.token(life=-5000)
    with capture_logs() as logged:
        edge.post(token=token)
    (line,) = [entry for entry in logged if entry["event"] == "callback token refused"]
    assert line["reason"] == "expired"
    assert token not in str(logged)


def test_rotated_key_is_fetched_once_and_believed(edge: Edge, other_key: rsa.RSAPrivateKey) -> None:
    assert edge.post().status_code == 202
    edge.clock.advance(minutes=2)
    edge.gateway.keys.append(jwk("kid-2", other_key))
    assert edge.post(token=edge.token(key=other_key, kid="kid-2")).status_code == 202
    assert edge.post().status_code == 202
    assert len(edge.gateway.visits(CERTS)) == 2


def test_key_for_rs512_is_used_with_rs512_only(edge: Edge, other_key: rsa.RSAPrivateKey) -> None:
    edge.gateway.keys.append(jwk("kid-512", other_key, "RS512"))
    right = edge.token(key=other_key, kid="kid-512", alg="RS512")
    wrong = edge.token(key=other_key, kid="kid-512", alg="RS256")
    assert edge.post(token=right).status_code == 202
    assert edge.post(token=wrong).status_code == 401


@pytest.mark.parametrize("answer", [Response(status=503), Response("{}", 200)])
def test_keys_that_cannot_be_had_are_a_503_and_never_an_acceptance(
    edge: Edge, answer: Response
) -> None:
    edge.gateway.certs = lambda _request: answer
    response = edge.post()
    assert response.status_code == 503
    assert json.loads(response.data)["error"]["code"] == "ABDM-1019"
    assert edge.rows() == []


def test_key_fetch_that_hangs_holds_a_callback_two_seconds_at_most(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert keys.WAIT_SECONDS == 2.0
    monkeypatch.setattr(keys, "WAIT_SECONDS", 0.2)

    release = threading.Event()

    def hang(_request: Any) -> Response:
        release.wait(60)
        return Response(status=500)

    edge.gateway.certs = hang
    started = time.monotonic()
    assert edge.post().status_code == 503
    # A busy machine may need seconds for the rest; the fetch would have held it for a minute.
    assert time.monotonic() - started < 20
    release.set()


def test_token_a_little_expired_is_accepted_for_clocks_that_differ(edge: Edge) -> None:
    request_id = ids.new_request_id()
    token = edge.token(life=-29)
    assert edge.post(token=token, request_id=request_id).status_code == 202
    assert edge.post(token=token, request_id=request_id).status_code == 202


@pytest.mark.parametrize("late", [31, 960, 1799])
def test_delivery_repeated_with_its_expired_token_is_accepted_once(edge: Edge, late: int) -> None:
    token, request_id = edge.token(life=-late), ids.new_request_id()
    assert edge.post(token=token, request_id=request_id).status_code == 202
    replay = edge.post(token=token, request_id=request_id)
    assert replay.status_code == 401
    other_body = {"confirmation": {"token": 1, "linkRefNumber": "other"}}
    assert edge.post(other_body, token=token, request_id=request_id).status_code == 401
    assert len(edge.rows()) == 1


def test_leeway_is_a_setting(make_edge: MakeEdge) -> None:
    edge = make_edge(callback_token_leeway=0)
    assert edge.post(token=edge.token(life=-29)).status_code == 202
    assert edge.post(token=edge.token(life=-31)).status_code == 401


def test_request_ids_are_remembered_longer_than_any_token_could_bring_them_again(
    edge: Edge,
) -> None:
    largest = type(edge.adapter.config).model_fields["callback_token_leeway"].metadata
    leeway = max(limit.le for limit in largest if hasattr(limit, "le"))
    longest_token = 24 * 3600
    assert retention.KEY_RETENTION.total_seconds() > leeway + longest_token


# --- the sender ---------------------------------------------------------------------------------


def ask_for_a_link_token(edge: Edge) -> str:
    """Queue a message of ours and record an attempt; its REQUEST-ID."""
    envelope = m.Envelope("v3", hip_id=HIP_ID)
    message = m.GenerateLinkTokenRequest("asha@sbx", None, "Asha", "F", 1990)
    request_id = ids.new_request_id()
    with edge.adapter.db.transaction() as tx:
        outbox.queue(tx, edge.adapter, envelope, message, deadline=timedelta(hours=1))
    row = outbox_delivery.claim(edge.adapter.db, edge.clock())
    assert row is not None
    with edge.adapter.db.transaction() as tx:
        outbox_delivery.begin_attempt(tx, row, request_id, edge.clock())
    return request_id


def answer(edge: Edge, response_to: str, **claims: Any) -> int:
    body = {"abhaAddress": "asha@sbx", "linkToken": "a.b.c", "response": {"requestId": response_to}}
    return edge.post(body, path=TOKEN_ANSWER, token=edge.token(**claims)).status_code


def sender_check(edge: Edge) -> dict[str, Any]:
    checks: dict[str, Any] = json.loads(edge.client.get("/readyz").data)["checks"]
    sender: dict[str, Any] = checks["callback_sender"]
    return sender


def test_sender_of_the_first_answer_to_a_message_of_ours_is_pinned(make_edge: MakeEdge) -> None:
    edge = make_edge()
    assert answer(edge, ids.new_request_id(), azp="someone-else") == 202
    assert edge.post(token=edge.token(azp="any-bridge")).status_code == 202
    assert answer(edge, ask_for_a_link_token(edge)) == 202
    stored = len(edge.rows())
    with capture_logs() as logged:
        assert edge.post(token=edge.token(azp="any-bridge")).status_code == 401
    assert [entry["claim"] for entry in logged if "AUDIT" in entry["event"]] == ["azp"]
    assert edge.post(token=edge.token(iss="https://elsewhere")).status_code == 401
    assert edge.post(token=edge.token(without="azp")).status_code == 401
    assert len(edge.rows()) == stored
    assert edge.post().status_code == 202
    # Another process, or this one after a restart, knows it too.
    again = make_edge(clock=edge.clock)
    assert again.post(token=again.token(azp="any-bridge")).status_code == 401
    assert again.post().status_code == 202


def test_pinned_claims_of_the_setting_are_required_from_the_first_callback(
    make_edge: MakeEdge,
) -> None:
    edge = make_edge(callback_token_claims="azp=gateway,aud=account")
    assert edge.post(token=edge.token(azp="any-bridge")).status_code == 401
    assert edge.post(token=edge.token(aud=["x", "account"])).status_code == 202
    assert answer(edge, ask_for_a_link_token(edge), iss="https://elsewhere") == 202
    assert edge.post().status_code == 202


@pytest.mark.parametrize(
    ("claims", "ok"), [({}, False), ({"callback_token_claims": "azp=g"}, True)]
)
def test_readiness_says_whether_a_sender_is_pinned(
    make_edge: MakeEdge, claims: dict[str, str], ok: bool
) -> None:
    sender = sender_check(make_edge(**claims))
    assert sender["ok"] is ok
    assert ("azp" in sender["detail"]) is ok
