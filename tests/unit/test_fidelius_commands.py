"""`abdm-adapter fidelius` as another program sees it: pipes, lines of JSON and exit codes."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

VECTORS = json.loads(
    (Path(__file__).parents[2] / "conformance/vectors/page_encryption.json").read_text("utf-8")
)
SMALL = [vector for vector in VECTORS if "content" in vector]
PROGRAM = [
    sys.executable,
    "-c",
    "from adapter.commands.fidelius import fidelius; fidelius()",
]


def run(command: str, lines: bytes) -> tuple[int, list[dict[str, Any]]]:
    """Exit code and answers; standard error must stay empty."""
    done = subprocess.run([*PROGRAM, command], input=lines, capture_output=True, timeout=60)
    assert done.stderr == b""
    return done.returncode, [json.loads(line) for line in done.stdout.split(b"\n")[:-1]]


def as_lines(*requests: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(request).encode() + b"\n" for request in requests)


def encrypt_request(vector: dict[str, Any], **changes: Any) -> dict[str, Any]:
    request = {
        "id": vector["id"],
        "senderPrivateKey": vector["sender"]["privateKey"],
        "receiverPublicKey": vector["receiver"]["publicKeyX509"],
        "senderNonce": vector["sender"]["nonce"],
        "receiverNonce": vector["receiver"]["nonce"],
        "plaintext": vector["plaintext"],
    }
    return {key: value for key, value in (request | changes).items() if value is not ...}


def decrypt_request(vector: dict[str, Any], **changes: Any) -> dict[str, Any]:
    request = {
        "id": vector["id"],
        "receiverPrivateKey": vector["receiver"]["privateKey"],
        "senderPublicKey": vector["sender"]["publicKeyRaw"],
        "senderNonce": vector["sender"]["nonce"],
        "receiverNonce": vector["receiver"]["nonce"],
        "ciphertext": vector["content"],
    }
    return {key: value for key, value in (request | changes).items() if value is not ...}


def test_encrypt_answers_every_vector_in_order() -> None:
    code, answers = run("encrypt", as_lines(*map(encrypt_request, SMALL)))
    assert code == 0
    assert answers == [{"id": v["id"], "ciphertext": v["content"]} for v in SMALL]


def test_decrypt_answers_every_vector_in_order() -> None:
    code, answers = run("decrypt", as_lines(*map(decrypt_request, SMALL)))
    assert code == 0
    assert answers == [{"id": v["id"], "plaintext": v["plaintext"]} for v in SMALL]


def test_generated_keys_encrypt_and_decrypt() -> None:
    (code, [sender]), (_, [receiver]) = run("generate-key", b""), run("generate-key", b"")
    assert code == 0
    assert set(sender) == {"privateKey", "publicKey", "x509PublicKey", "nonce"}
    assert sender["privateKey"] != receiver["privateKey"]
    lengths = {name: len(base64.b64decode(value)) for name, value in sender.items()}
    assert lengths == {"privateKey": 32, "publicKey": 65, "x509PublicKey": 309, "nonce": 32}
    nonces = {"senderNonce": sender["nonce"], "receiverNonce": receiver["nonce"]}

    _, [encrypted] = run(
        "encrypt",
        as_lines(
            {
                "senderPrivateKey": sender["privateKey"],
                "receiverPublicKey": receiver["publicKey"],
                "plaintext": "मरीज़\u2028",
                **nonces,
            }
        ),
    )
    _, [decrypted] = run(
        "decrypt",
        as_lines(
            {
                "receiverPrivateKey": receiver["privateKey"],
                "senderPublicKey": sender["x509PublicKey"],
                "ciphertext": encrypted["ciphertext"],
                **nonces,
            }
        ),
    )
    assert decrypted == {"id": None, "plaintext": "मरीज़\u2028"}


def test_bytes_that_are_not_utf8_travel_as_base64() -> None:
    data = base64.b64encode(b"\xff\xfe\x00scan").decode()
    vector = SMALL[0]
    _, [encrypted] = run(
        "encrypt", as_lines(encrypt_request(vector, plaintext=..., plaintextBase64=data))
    )
    code, [decrypted] = run(
        "decrypt", as_lines(decrypt_request(vector, ciphertext=encrypted["ciphertext"]))
    )
    assert (code, decrypted) == (0, {"id": vector["id"], "plaintextBase64": data})


def test_one_bad_line_fails_alone_and_makes_the_exit_code_1() -> None:
    good, bad = decrypt_request(SMALL[2]), decrypt_request(SMALL[2], id=7, ciphertext="AAAA")
    code, answers = run("decrypt", as_lines(good, bad, good))
    assert code == 1
    assert [answer["id"] for answer in answers] == [SMALL[2]["id"], 7, SMALL[2]["id"]]
    assert [set(answer) for answer in answers] == [
        {"id", "plaintext"},
        {"id", "error"},
        {"id", "plaintext"},
    ]


@pytest.mark.parametrize(
    "line",
    [b"not json", b"", b"[]", b'"text"', b"null", b'{"id": 1', b"\xff\xfe", b'{"id": "\\ud800"}'],
)
def test_line_that_is_not_a_json_object_is_answered_with_a_sentence(line: bytes) -> None:
    code, [answer] = run("encrypt", line + b"\n")
    assert code == 1
    assert answer["id"] is None
    assert "JSON object" in answer["error"]


V = SMALL[2]
LOST = {"ciphertext": V["content"][:-8] + "AAAAAAA="}


@pytest.mark.parametrize(
    ("command", "request_", "words"),
    [
        ("encrypt", encrypt_request(V, senderPrivateKey=...), "senderPrivateKey is missing"),
        ("encrypt", encrypt_request(V, receiverPublicKey=5), "receiverPublicKey is not a string"),
        ("encrypt", encrypt_request(V, senderNonce="AAAA"), "sender's nonce is 3 bytes"),
        ("encrypt", encrypt_request(V, receiverNonce="AAAA"), "nonce is 3 bytes"),
        ("encrypt", encrypt_request(V, plaintext=...), "exactly one of plaintext"),
        ("encrypt", encrypt_request(V, plaintextBase64="AAAA"), "exactly one of plaintext"),
        ("encrypt", encrypt_request(V, plaintext=None), "plaintext is missing"),
        ("encrypt", encrypt_request(V, plaintext=..., plaintextBase64="!"), "plaintextBase64"),
        ("encrypt", encrypt_request(V, senderPrivateKey="AAAA"), "private key is zero"),
        ("encrypt", encrypt_request(V, receiverPublicKey="AAAA"), "public key is 3 bytes"),
        ("decrypt", decrypt_request(V, ciphertext=...), "ciphertext is missing"),
        ("decrypt", decrypt_request(V, ciphertext="Zm9v"), "shorter than"),
        ("decrypt", decrypt_request(V, **LOST), "authentication tag"),
        ("decrypt", encrypt_request(V), "receiverPrivateKey is missing"),
    ],
)
def test_each_mistake_is_answered_with_a_sentence_that_names_it(
    command: str, request_: dict[str, Any], words: str
) -> None:
    code, [answer] = run(command, as_lines(request_))
    assert code == 1
    assert set(answer) == {"id", "error"}
    assert answer["id"] == V["id"]
    assert words in answer["error"]
    assert V["sender"]["privateKey"] not in answer["error"]
    assert V["plaintext"] not in answer["error"]


def test_base64_with_line_breaks_is_accepted() -> None:
    folded = "\n".join(V["content"][i : i + 20] for i in range(0, len(V["content"]), 20))
    code, [answer] = run("decrypt", as_lines(decrypt_request(V, ciphertext=folded)))
    assert (code, answer["plaintext"]) == (0, V["plaintext"])


@pytest.fixture
def open_process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [*PROGRAM, "encrypt"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        watchdog = threading.Timer(30, process.kill)  # an unflushed answer must fail, not hang
        watchdog.start()
        yield process
        watchdog.cancel()
        process.kill()


def test_each_line_is_answered_before_the_next_is_sent(
    open_process: subprocess.Popen[bytes],
) -> None:
    assert open_process.stdin
    assert open_process.stdout
    for vector in SMALL[:3]:
        open_process.stdin.write(as_lines(encrypt_request(vector)))
        open_process.stdin.flush()
        answer = json.loads(open_process.stdout.readline())
        assert answer == {"id": vector["id"], "ciphertext": vector["content"]}


def test_no_input_is_no_output() -> None:
    assert run("encrypt", b"") == (0, [])
