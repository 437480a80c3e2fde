"""The ABHA service's keys: the one clients encrypt with, and the one its user tokens are signed by.

Source: M0/M1 document, sections 4 (RSA-4096, OAEP with SHA-1) and 5.2 (RS512).
"""

import base64
import binascii
import threading
from datetime import timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from conformance.simulator.state import new_id
from conformance.simulator.times import now
from conformance.simulator.tokens import Key

ALGORITHM = "RSA/ECB/OAEPWithSHA-1AndMGF1Padding"
KEY_BITS = 4096
_ISSUER = "https://abha.simulator.invalid"


class AbhaKeys:
    """Keys of one simulator; they outlive a reset."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cipher: rsa.RSAPrivateKey | None = None
        self._signing = Key("RS512")

    def certificate(self) -> dict[str, str]:
        """The body of the certificate call: the public key and how to encrypt with it."""
        public = (
            self._private()
            .public_key()
            .public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
        return {
            "publicKey": base64.b64encode(public).decode(),
            "encryptionAlgorithm": ALGORITHM,
        }

    def rotate(self) -> None:
        """Encrypt with a new key from now on; what was encrypted with the old one is lost."""
        with self._lock:
            self._cipher = None

    def decrypt(self, text: str) -> str | None:
        """The plain value of an encrypted field, or None: another key, padding or no base64."""
        oaep = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)  # noqa: S303 - theirs
        try:
            return self._private().decrypt(base64.b64decode(text, validate=True), oaep).decode()
        except (ValueError, binascii.Error):
            return None

    def pem(self) -> str:
        """The public key as the Health ID service gives it: PEM text."""
        public = self._private().public_key()
        spki = serialization.PublicFormat.SubjectPublicKeyInfo
        return public.public_bytes(serialization.Encoding.PEM, spki).decode()

    def decrypt_older(self, text: str) -> str | None:
        """The plain value of a field encrypted as the Health ID service asks (PKCS#1 v1.5)."""
        try:
            sealed = base64.b64decode(text, validate=True)
            return self._private().decrypt(sealed, padding.PKCS1v15()).decode()
        except (ValueError, binascii.Error):
            return None

    def sign(self, claims: dict[str, Any], seconds: float) -> str:
        """A user token with a lifetime in seconds."""
        moment = now()
        dated = {
            "iss": _ISSUER,
            "iat": moment,
            "jti": new_id(),
            "exp": moment + timedelta(seconds=seconds),
        }
        headers = {"kid": self._signing.id}
        return jwt.encode({**dated, **claims}, self._signing.private, "RS512", headers)

    def read(self, token: str) -> dict[str, Any]:
        """The claims of a user token; raises jwt.InvalidTokenError, its expiry a kind of it."""
        public = self._signing.private.public_key()
        return dict(jwt.decode(token, public, algorithms=["RS512"], issuer=_ISSUER))

    def _private(self) -> rsa.RSAPrivateKey:
        # Made at first use: it takes most of a second, and few tests need it.
        with self._lock:
            if self._cipher is None:
                self._cipher = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
            return self._cipher
