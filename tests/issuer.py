"""An OAuth2 issuer for tests: real keys, published as JWKS over HTTP, and the tokens it signs."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

NAME = "https://login.hospital.test"
AUDIENCE = "fhir.hospital.test"


class Issuer:
    """Signs tokens with an RSA and an EC key; `jwks_url` is where both are published."""

    def __init__(self, jwks_url: str) -> None:
        self.jwks_url = jwks_url
        self.rsa = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.ec = ec.generate_private_key(ec.SECP256R1())

    def jwks(self) -> dict[str, Any]:
        """The public keys, as the issuer publishes them."""
        published = (
            ("rsa", jwt.algorithms.RSAAlgorithm.to_jwk(self.rsa.public_key())),
            ("ec", jwt.algorithms.ECAlgorithm.to_jwk(self.ec.public_key())),
        )
        return {"keys": [{**json.loads(key), "kid": kid, "use": "sig"} for kid, key in published]}

    def claims(self, **changed: Any) -> dict[str, Any]:
        """The claims of a good token for an analyst; one that is changed to None is left out."""
        now = int(time.time())
        good = {"iss": NAME, "aud": AUDIENCE, "iat": now, "exp": now + 600, "scope": "analyst"}
        return {name: value for name, value in (good | changed).items() if value is not None}

    def token(self, *, algorithm: str = "RS256", kid: str | None = None, **changed: Any) -> str:
        """A token signed by the published key of that algorithm."""
        key, own_kid = (self.rsa, "rsa") if algorithm == "RS256" else (self.ec, "ec")
        headers = {"kid": kid or own_kid}
        return jwt.encode(self.claims(**changed), key, algorithm=algorithm, headers=headers)


@contextmanager
def running() -> Iterator[Issuer]:
    """An issuer whose keys are served on a free port of loopback."""

    class Keys(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(issuer.jwks()).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing: a test's output is for its own words."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Keys) as server:
        issuer = Issuer(f"http://127.0.0.1:{server.server_port}/jwks.json")
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield issuer
        server.shutdown()
