"""The Fidelius service's interface, driven with the vectors of the reference implementation."""

import base64
import json
import logging
from collections.abc import Mapping
from typing import Any

import pytest

from tests.unit.crypto.page_vectors import BY_ID, ENCODINGS, VECTORS, Vector
from tests.unit.web.conftest import Edge, MakeEdge

KEY = "key-of-a-hospital-system"
SMALL = [vector for vector in VECTORS if len(vector.plaintext) < 1_000_000]


@pytest.fixture
def edge(make_edge: MakeEdge) -> Edge:
    return make_edge(fidelius_service=True, hims_api_keys=KEY)


def ask(
    edge: Edge, path: str, body: Any = None, *, status: int = 200, **how: Any
) -> Mapping[str, Any]:
    """The JSON answer to a GET, or to a POST with `body`."""
    response = edge.client.open(path, method="GET" if body is None else "POST", json=body, **how)
    assert response.status_code == status, response.text
    assert response.headers["Cache-Control"] == "no-store"
    found: Mapping[str, Any] = response.get_json()
    return found


def to_encrypt(vector: Vector, encoding: str = "publicKeyX509", **changes: Any) -> dict[str, Any]:
    """CARE's request to encrypt; a field given as ... is left out."""
    body = {
        "receiverPublicKey": vector.receiver.public_keys[encoding],
        "receiverNonce": vector.receiver.nonce,
        "senderPrivateKey": vector.sender.private_key,
        "senderPublicKey": vector.sender.public_keys[encoding],
        "senderNonce": vector.sender.nonce,
        "plainTextData": vector.plaintext.decode(),
    }
    return {name: value for name, value in (body | changes).items() if value is not ...}


def to_decrypt(vector: Vector, content: str, **changes: Any) -> dict[str, Any]:
    """CARE's request to decrypt; a field given as ... is left out."""
    body = {
        "receiverPrivateKey": vector.receiver.private_key,
        "receiverNonce": vector.receiver.nonce,
        "senderPublicKey": vector.sender.public_keys["publicKeyRaw"],
        "senderNonce": vector.sender.nonce,
        "encryptedData": content,
    }
    return {name: value for name, value in (body | changes).items() if value is not ...}


@pytest.mark.parametrize("vector", SMALL, ids=str)
def test_reference_payloads_are_reproduced_and_opened(edge: Edge, vector: Vector) -> None:
    for encoding in ENCODINGS:
        answer = ask(edge, "/encrypt", to_encrypt(vector, encoding))
        if "content" in vector.expected:
            assert answer["encryptedData"] == vector.expected["content"]
        assert answer["keyToShare"] == vector.sender.public_keys["publicKeyX509"]
    opened = ask(edge, "/decrypt", to_decrypt(vector, answer["encryptedData"]))
    assert opened == {"decryptedData": vector.plaintext.decode()}


def test_generated_keys_encrypt_for_each_other(edge: Edge) -> None:
    sender, receiver = ask(edge, "/keys/generate"), ask(edge, "/keys/generate")
    assert set(sender) == {"privateKey", "publicKey", "x509PublicKey", "nonce"}
    sealed = ask(
        edge,
        "/encrypt",
        {
            "receiverPublicKey": receiver["x509PublicKey"],
            "receiverNonce": receiver["nonce"],
            "senderPrivateKey": sender["privateKey"],
            "senderPublicKey": sender["publicKey"],
            "senderNonce": sender["nonce"],
            "plainTextData": "मरीज़ को बुखार है",
        },
    )
    opened = ask(
        edge,
        "/decrypt",
        {
            "receiverPrivateKey": receiver["privateKey"],
            "receiverNonce": receiver["nonce"],
            "senderPublicKey": sealed["keyToShare"],
            "senderNonce": sender["nonce"],
            "encryptedData": sealed["encryptedData"],
        },
    )
    assert opened == {"decryptedData": "मरीज़ को बुखार है"}


def test_pyfidelius_reads_what_the_service_wrote_and_the_other_way_round(edge: Edge) -> None:
    handlers, level = list(logging.root.handlers), logging.root.level
    from pyfidelius.cryptography import Cryptography

    logging.root.handlers, logging.root.level = handlers, level  # it configures the root logger
    peer, text = Cryptography(), "Blood pressure 120/80"
    theirs, ours = peer.generate_key_material(), ask(edge, "/keys/generate")

    sealed = ask(
        edge,
        "/encrypt",
        {
            "receiverPublicKey": theirs["x509PublicKey"],
            "receiverNonce": theirs["nonce"],
            "senderPrivateKey": ours["privateKey"],
            "senderPublicKey": ours["publicKey"],
            "senderNonce": ours["nonce"],
            "plainTextData": text,
        },
    )
    opened = peer.decrypt(
        sealed["encryptedData"],
        theirs["nonce"],
        ours["nonce"],
        theirs["privateKey"],
        sealed["keyToShare"],
    )
    assert opened["decryptedData"] == text

    back = peer.encrypt(
        text, theirs["nonce"], ours["nonce"], theirs["privateKey"], ours["publicKey"]
    )
    body = {
        "receiverPrivateKey": ours["privateKey"],
        "receiverNonce": ours["nonce"],
        "senderPublicKey": theirs["publicKey"],
        "senderNonce": theirs["nonce"],
        "encryptedData": back["encryptedData"],
    }
    assert ask(edge, "/decrypt", body) == {"decryptedData": text}


P02 = BY_ID["P02"]
SEALED = P02.expected["content"]
TAMPERED = base64.b64encode(bytes(len(base64.b64decode(SEALED)))).decode()


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("/encrypt", [], "JSON"),
        ("/encrypt", to_encrypt(P02, plainTextData=...), "plainTextData is missing"),
        ("/encrypt", to_encrypt(P02, plainTextData={"a": 1}), "plainTextData is not a text"),
        ("/encrypt", to_encrypt(P02, plainTextData="\ud800"), "whole characters"),
        ("/encrypt", to_encrypt(P02, senderPrivateKey="AA=="), "zero or not below"),
        ("/encrypt", to_encrypt(P02, senderNonce="AA=="), "32 random bytes"),
        (
            "/encrypt",
            to_encrypt(P02, senderPublicKey=P02.receiver.public_keys["publicKeyRaw"]),
            "not that of the private key",
        ),
        ("/encrypt", to_encrypt(P02, receiverPublicKey="BEEF"), "uncompressed point"),
        ("/decrypt", to_decrypt(P02, SEALED, encryptedData=...), "encryptedData is missing"),
        ("/decrypt", to_decrypt(P02, SEALED, receiverPrivateKey="?"), "base64"),
        ("/decrypt", to_decrypt(P02, TAMPERED), ""),
    ],
)
def test_bad_field_is_a_400_that_says_what_is_wrong_and_shows_no_value(
    edge: Edge, path: str, body: Any, says: str
) -> None:
    answer = ask(edge, path, body, status=400)
    assert says in answer["error"]["message"]
    secrets = [P02.sender.private_key, P02.receiver.private_key, P02.sender.nonce, SEALED]
    assert not any(secret in json.dumps(answer) for secret in secrets)


def test_bytes_that_are_no_text_are_refused_and_not_changed(edge: Edge) -> None:
    from adapter.crypto import fidelius

    content = fidelius.encrypt(
        sender_private_key=P02.sender.private_key,
        sender_nonce=P02.sender.nonce,
        receiver=fidelius.PublicKeyMaterial(
            P02.receiver.public_keys["publicKeyRaw"], P02.receiver.nonce
        ),
        plaintext=b"\xff\x00",
    )
    answer = ask(edge, "/decrypt", to_decrypt(P02, content), status=400)
    assert "no UTF-8 text" in answer["error"]["message"]


ELSEWHERE = {"environ_base": {"REMOTE_ADDR": "192.0.2.7"}}


@pytest.mark.parametrize(
    "how",
    [
        ELSEWHERE,
        {"headers": {"X-Forwarded-For": "192.0.2.7"}},
        {"headers": {"Forwarded": "for=192.0.2.7"}},
        {"headers": {"Host": "adapter.example.in"}},
        {"headers": {"Host": "127.0.0.1.example.in:8080"}},
        {"headers": {"Host": "[no-address"}},
        ELSEWHERE | {"headers": {"Authorization": "Bearer wrong-key-of-somebody"}},
    ],
)
def test_call_from_elsewhere_needs_a_key(edge: Edge, how: dict[str, Any]) -> None:
    assert "HIMS_API_KEYS" in ask(edge, "/keys/generate", status=401, **how)["error"]["message"]


@pytest.mark.parametrize(
    "how",
    [
        {"headers": {"Host": "127.0.0.1:8080"}},
        {"headers": {"Host": "[::1]:8080"}, "environ_base": {"REMOTE_ADDR": "::1"}},
        ELSEWHERE | {"headers": {"Authorization": f"Bearer {KEY}"}},
    ],
)
def test_same_machine_or_a_key_is_enough_and_nobody_is_named(
    edge: Edge, how: dict[str, Any]
) -> None:
    assert ask(edge, "/keys/generate", **how)["privateKey"]


@pytest.mark.parametrize("path", ["/keys/generate", "/encrypt", "/decrypt"])
def test_service_is_off_unless_switched_on(make_edge: MakeEdge, path: str) -> None:
    client = make_edge().client
    assert client.get(path).status_code == client.post(path, json={}).status_code == 404
