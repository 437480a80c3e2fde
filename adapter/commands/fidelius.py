"""`abdm-adapter fidelius`: ABDM page encryption for other programs, one JSON object a line.

`encrypt` and `decrypt` read JSON objects from standard input, one a line, and answer each with one
line in the same order, flushed at once, so that a caller may keep the process open and talk to it.
Keys and texts travel only through the pipes: never in arguments, which every user of the machine
can read, and never in files.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import click
import orjson

from adapter.crypto import encodings
from adapter.crypto import fidelius as encryption
from adapter.crypto.errors import CryptoError

Answer = dict[str, Any]


class _BadLine(CryptoError):
    """A line that cannot be understood; the sentence names the field."""


@click.group("fidelius")
def fidelius() -> None:
    """Generate keys, encrypt and decrypt as ABDM's Fidelius does.

    encrypt and decrypt read one JSON object a line and answer one a line; the exit code is 1 if any
    line failed. Keys, nonces and ciphertexts are base64.
    """


@fidelius.command("generate-key")
def generate_key() -> None:
    """Print a fresh key pair and nonce: privateKey, publicKey, x509PublicKey, nonce."""
    key = encryption.generate_key()
    _print(
        {
            "privateKey": key.private_key,
            "publicKey": key.public_key,
            "x509PublicKey": key.x509_public_key,
            "nonce": key.nonce,
        }
    )


@fidelius.command("encrypt")
@click.pass_context
def encrypt(context: click.Context) -> None:
    """Encrypt each line of standard input.

    In: id, senderPrivateKey, receiverPublicKey, senderNonce, receiverNonce, and plaintext (text) or
    plaintextBase64 (bytes). Out: id and ciphertext, or id and error. Use a key pair and nonce for
    one line only: two lines under the same keys and nonces give each other away.
    """
    _answer_each_line(context, _encrypt)


@fidelius.command("decrypt")
@click.pass_context
def decrypt(context: click.Context) -> None:
    """Decrypt each line of standard input.

    In: id, receiverPrivateKey, senderPublicKey, senderNonce, receiverNonce, ciphertext. Out: id and
    plaintext (plaintextBase64 where it is not UTF-8), or id and error.
    """
    _answer_each_line(context, _decrypt)


def _encrypt(request: Mapping[str, Any]) -> Answer:
    ciphertext = encryption.encrypt(
        sender_private_key=_text(request, "senderPrivateKey"),
        sender_nonce=_text(request, "senderNonce"),
        receiver=encryption.PublicKeyMaterial(
            key=_text(request, "receiverPublicKey"), nonce=_text(request, "receiverNonce")
        ),
        plaintext=_plaintext(request),
    )
    return {"ciphertext": ciphertext}


def _plaintext(request: Mapping[str, Any]) -> bytes:
    if ("plaintext" in request) == ("plaintextBase64" in request):
        raise _BadLine("Give exactly one of plaintext (text) and plaintextBase64 (bytes).")
    if "plaintext" in request:
        return _text(request, "plaintext").encode()
    return encodings.decode_base64(_text(request, "plaintextBase64"), "plaintextBase64", _BadLine)


def _decrypt(request: Mapping[str, Any]) -> Answer:
    plaintext = encryption.decrypt(
        receiver_private_key=_text(request, "receiverPrivateKey"),
        receiver_nonce=_text(request, "receiverNonce"),
        sender=encryption.PublicKeyMaterial(
            key=_text(request, "senderPublicKey"), nonce=_text(request, "senderNonce")
        ),
        content=_text(request, "ciphertext"),
    )
    try:
        return {"plaintext": plaintext.decode()}
    except UnicodeDecodeError:
        return {"plaintextBase64": encodings.encode_base64(plaintext)}


def _text(request: Mapping[str, Any], field: str) -> str:
    value = request.get(field)
    if not isinstance(value, str):
        found = "is missing" if value is None else "is not a string"
        raise _BadLine(f"{field} {found}; see `abdm-adapter fidelius --help` for the fields.")
    return value


def _answer_each_line(
    context: click.Context, answer: Callable[[Mapping[str, Any]], Answer]
) -> None:
    failed = False
    for line in sys.stdin.buffer:
        request_id = None
        try:
            request = _read(line)
            request_id = request.get("id")
            _print({"id": request_id} | answer(request))
        except CryptoError as error:
            failed = True
            _print({"id": request_id, "error": str(error)})
    if failed:
        context.exit(1)


def _read(line: bytes) -> Mapping[str, Any]:
    try:
        request = orjson.loads(line)
    except orjson.JSONDecodeError:
        request = None  # raised below: the caught exception holds the line, and so the private key
    if not isinstance(request, dict):
        raise _BadLine("The line is not a JSON object; send one object a line, in UTF-8.")
    return request


def _print(answer: Answer) -> None:
    click.echo(orjson.dumps(answer))  # echo flushes
