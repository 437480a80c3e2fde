"""The Fidelius service's own interface: keys, encryption and decryption for other systems.

For systems that expect such a service (`FIDELIUS_URL` in CARE) and should need no Java for it.
Paths and fields are those of sukreet/fidelius (README) and of CARE's `abdm/utils/cipher.py`:

    GET  /keys/generate   privateKey, publicKey, x509PublicKey, nonce
    POST /encrypt         receiverPublicKey, receiverNonce, senderPrivateKey, senderPublicKey,
                          senderNonce, plainTextData -> encryptedData, keyToShare
    POST /decrypt         receiverPrivateKey, receiverNonce, senderPublicKey, senderNonce,
                          encryptedData -> decryptedData

Nothing is kept. Those systems send no credential, so a call from this machine needs none; any other
needs a key of HIMS_API_KEYS. The caller draws a fresh key pair for each text: two texts under the
same keys and nonces give each other away.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, jsonify, request

from adapter.crypto import fidelius as encryption
from adapter.crypto.errors import DecryptionFailed, KeyMaterialInvalid, PrivateKeyInvalid
from adapter.protocol.errors import MalformedRequest
from adapter.runtime import Adapter
from adapter.web.answering import body_of
from adapter.web.auth import known_key

_ENCRYPT = (
    "receiverPublicKey",
    "receiverNonce",
    "senderPrivateKey",
    "senderPublicKey",
    "senderNonce",
    "plainTextData",
)
_DECRYPT = (
    "receiverPrivateKey",
    "receiverNonce",
    "senderPublicKey",
    "senderNonce",
    "encryptedData",
)

#: A call that a reverse proxy on this machine passes on comes from somewhere else.
_PASSED_ON = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via")


def blueprint(adapter: Adapter) -> Blueprint:
    """The three routes, at the root as the service has them."""
    api = Blueprint("fidelius", __name__)
    api.add_url_rule("/keys/generate", view_func=_generate, methods=["GET"])
    api.add_url_rule("/encrypt", view_func=_encrypt, methods=["POST"])
    api.add_url_rule("/decrypt", view_func=_decrypt, methods=["POST"])

    @api.before_request
    def admit() -> None:
        request.max_content_length = adapter.config.max_entity_bytes
        if not _from_this_machine():
            known_key(adapter)

    @api.after_request
    def not_kept(response: Response) -> Response:
        response.headers["Cache-Control"] = "no-store"
        return response

    return api


def _from_this_machine() -> bool:
    """Whether the call is this machine's own: peer and named host are local, nothing passed it on.

    The host is looked at because a web page may let its own name point to this machine.
    """
    if any(header in request.headers for header in _PASSED_ON):
        return False
    return _is_local(request.remote_addr) and _is_local(_host_asked_for())


def _host_asked_for() -> str | None:
    try:
        return urlsplit(f"//{request.host}").hostname
    except ValueError:  # brackets that hold no IPv6 address
        return None


def _is_local(host: str | None) -> bool:
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False


def _generate() -> Response:
    key = encryption.generate_key()
    return jsonify(
        privateKey=key.private_key,
        publicKey=key.public_key,
        x509PublicKey=key.x509_public_key,
        nonce=key.nonce,
    )


def _encrypt() -> Response:
    fields = _fields(_ENCRYPT)
    try:
        key_to_share = encryption.key_to_share(
            private_key=fields["senderPrivateKey"], public_key=fields["senderPublicKey"]
        )
        encrypted = encryption.encrypt(
            sender_private_key=fields["senderPrivateKey"],
            sender_nonce=fields["senderNonce"],
            receiver=encryption.PublicKeyMaterial(
                fields["receiverPublicKey"], fields["receiverNonce"]
            ),
            plaintext=_utf8(fields["plainTextData"]),
        )
    except (KeyMaterialInvalid, PrivateKeyInvalid) as error:
        raise MalformedRequest(str(error)) from None
    return jsonify(encryptedData=encrypted, keyToShare=key_to_share)


def _decrypt() -> Response:
    fields = _fields(_DECRYPT)
    try:
        decrypted = encryption.decrypt(
            receiver_private_key=fields["receiverPrivateKey"],
            receiver_nonce=fields["receiverNonce"],
            sender=encryption.PublicKeyMaterial(fields["senderPublicKey"], fields["senderNonce"]),
            content=fields["encryptedData"],
        )
    except (KeyMaterialInvalid, PrivateKeyInvalid, DecryptionFailed) as error:
        raise MalformedRequest(str(error)) from None
    try:
        return jsonify(decryptedData=decrypted.decode())
    except UnicodeDecodeError:
        pass  # raised below: the caught exception holds the plaintext
    raise MalformedRequest(
        "The content was decrypted and is no UTF-8 text, which this service cannot answer; "
        "use `abdm-adapter fidelius decrypt`."
    )


def _fields(names: tuple[str, ...]) -> Mapping[str, str]:
    body: dict[str, Any] = body_of(f"a JSON object with {', '.join(names)}")
    for name in names:
        if not isinstance(body.get(name), str):
            found = "is missing" if body.get(name) is None else "is not a text"
            raise MalformedRequest(f"{name} {found}; send {', '.join(names)} as texts.")
    return body


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        pass  # raised below: the caught exception holds the plaintext
    raise MalformedRequest("plainTextData has half of a UTF-16 pair; send whole characters.")
