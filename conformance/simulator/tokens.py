"""Keys and signed tokens of the simulated realm: sessions, callbacks, link tokens, artefacts.

Session and callback tokens come from one realm with one key set, as in the real one. Forged
kinds exist so that tests can send what must be refused. Source: V3 contract 4, 5.1, 6.1, 7.4.
"""

import base64
import json
import threading
from datetime import timedelta
from typing import Any, Literal

import jwt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from jwt.algorithms import RSAAlgorithm

from conformance.simulator.state import new_id
from conformance.simulator.times import now

ISSUER = "https://gateway.simulator.invalid/realms/consent-manager"
GATEWAY_CLIENT = "simulator-gateway"
AUDIENCE = "account"

TokenKind = Literal["valid", "expired", "wrong-key", "none-alg", "unknown-kid"]


class Key:
    """An RSA key with its id and algorithm."""

    def __init__(self, algorithm: str) -> None:
        self.id = new_id()
        self.algorithm = algorithm
        self.private = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def public(self) -> dict[str, Any]:
        """The key as a member of the published key set."""
        jwk = RSAAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        return {
            "kid": self.id,
            "kty": "RSA",
            "use": "sig",
            "alg": self.algorithm,
            "n": jwk["n"],
            "e": jwk["e"],
        }


class Realm:
    """Issues and verifies; `published` is what `certs` answers, the RS256 key first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._signing = Key("RS256")
        self._published = [self._signing, Key("RS512")]
        self._stranger = Key("RS256")
        self._artefacts = Key("RS256")

    def published(self) -> dict[str, Any]:
        """The body of `certs`."""
        with self._lock:
            return {"keys": [key.public() for key in self._published]}

    def rotate(self) -> "Key":
        """Sign with a new key from now on; it is served only after `publish`."""
        key = Key("RS256")
        with self._lock:
            self._signing = key
        return key

    def publish(self, key: Key) -> None:
        """Put a key in front of the published set."""
        with self._lock:
            self._published = [key, *self._published]

    def session(self, client_id: str, seconds: int, kind: str = "Bearer") -> str:
        """A session or refresh token of a client."""
        claims = {"azp": client_id, "clientId": client_id, "typ": kind}
        return self._signed(claims, seconds)

    def client_of(self, token: str, kind: str = "Bearer") -> str | None:
        """Whose valid token this is, or None."""
        claims = self._verified(token, AUDIENCE)
        if claims is None or claims.get("typ") != kind:
            return None
        return str(claims["clientId"])

    def callback(self, seconds: int, kind: TokenKind = "valid") -> str:
        """The bearer of a callback, or a forged one."""
        claims = {"azp": GATEWAY_CLIENT, "typ": "Bearer"}
        if kind == "expired":
            return self._signed(claims, -60)
        if kind == "none-alg":
            body = self._claims(claims, seconds)
            return jwt.encode(body, "", algorithm="none", headers={"kid": self._signing.id})
        if kind == "wrong-key":
            return self._signed(claims, seconds, key=self._stranger, kid=self._signing.id)
        if kind == "unknown-kid":
            return self._signed(claims, seconds, key=self._stranger)
        return self._signed(claims, seconds)

    def link_token(self, token_id: str, claims: dict[str, Any], seconds: int) -> str:
        """A link token; the gateway keeps what it was made for under `token_id`."""
        return self._signed({**claims, "jti": token_id, "aud": "link"}, seconds)

    def link_token_id(self, token: str) -> str | None:
        """The id of a valid link token, or None."""
        claims = self._verified(token, "link")
        return None if claims is None else str(claims["jti"])

    def sign_artefact(self, detail: dict[str, Any]) -> str:
        """Base64 RSA-SHA256 over the compact JSON of the artefact with sorted keys."""
        text = json.dumps(detail, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        signature = self._artefacts.private.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
        return base64.b64encode(signature).decode()

    def _claims(self, claims: dict[str, Any], seconds: int) -> dict[str, Any]:
        moment = now()
        issued = moment if seconds > 0 else moment + timedelta(seconds=seconds - 1200)
        base = {"iss": ISSUER, "aud": AUDIENCE, "iat": issued, "jti": new_id()}
        return {**base, "exp": moment + timedelta(seconds=seconds), **claims}

    def _signed(
        self, claims: dict[str, Any], seconds: int, key: Key | None = None, kid: str = ""
    ) -> str:
        with self._lock:
            signing = key or self._signing
        return jwt.encode(
            self._claims(claims, seconds),
            signing.private,
            algorithm=signing.algorithm,
            headers={"kid": kid or signing.id},
        )

    def _verified(self, token: str, audience: str) -> dict[str, Any] | None:
        with self._lock:
            keys = {key.id: key for key in [self._signing, *self._published]}
        try:
            key = keys[jwt.get_unverified_header(token)["kid"]]
            return dict(
                jwt.decode(
                    token,
                    key.private.public_key(),
                    algorithms=[key.algorithm],
                    audience=audience,
                    issuer=ISSUER,
                )
            )
        except (jwt.InvalidTokenError, KeyError):
            return None
