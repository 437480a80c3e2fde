"""A registration desk that talks to the ABHA service, as far as the simulator's tests need one.

It encrypts with the published key, as the M0/M1 document (section 4) says.
"""

import base64
import json
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import requests
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from conformance import schemas
from conformance.simulator.times import timestamp

API = "/abha/api/v3"
CONSENT = {"code": "abha-enrollment", "version": "1.4"}


def body_of(reply: requests.Response, schema: str, status: int = 200) -> dict[str, Any]:
    """The body of an answer that must have this status and fit this schema."""
    assert reply.status_code == status, reply.text
    assert schemas.problems(schema, reply.json()) == []
    found: dict[str, Any] = reply.json()
    return found


def error_of(reply: requests.Response) -> tuple[int, Any]:
    """(status, code or the named fields) of a refusal, whatever its shape."""
    said = reply.json()
    if isinstance(said, list):
        said = said[0]
    said = said.get("error", said)
    if isinstance(said, dict) and "code" in said:
        return reply.status_code, said["code"].rstrip(": ")
    return reply.status_code, {k: v for k, v in said.items() if k != "timestamp"}


@dataclass
class Desk:
    """One desk with a session of the gateway."""

    base_url: str
    session: str
    _key: rsa.RSAPublicKey | None = field(default=None, repr=False)

    def send(
        self, method: str, path: str, body: Any = None, **headers: str | None
    ) -> requests.Response:
        """A call with all standard headers; `Request_id=…` means REQUEST-ID, None leaves one out.

        Names given through a dictionary are taken as they are.
        """
        sent: dict[str, Any] = {
            "Authorization": f"Bearer {self.session}",
            "REQUEST-ID": str(uuid.uuid4()),
            "TIMESTAMP": timestamp(datetime.now(UTC)),
            "Content-Type": "application/json",
            **headers,
        }
        return requests.request(
            method,
            self.base_url + API + path,
            data=None if body is None else json.dumps(body),
            headers={name: value for name, value in sent.items() if value is not None},
            timeout=30,
        )

    def post(self, path: str, body: Any, **headers: str | None) -> requests.Response:
        return self.send("POST", path, body, **headers)

    def get(self, path: str, **headers: str | None) -> requests.Response:
        return self.send("GET", path, **headers)

    # -- encryption --------------------------------------------------------------------------

    def fetch_key(self) -> None:
        found = body_of(self.get("/profile/public/certificate"), "PublicCertificate")
        assert found["encryptionAlgorithm"] == "RSA/ECB/OAEPWithSHA-1AndMGF1Padding"
        key = load_der_public_key(base64.b64decode(found["publicKey"]))
        assert isinstance(key, rsa.RSAPublicKey)
        assert key.key_size == 4096
        self._key = key

    def secret(self, text: str, hashing: type[hashes.HashAlgorithm] = hashes.SHA1) -> str:
        if self._key is None:
            self.fetch_key()
        assert self._key is not None
        oaep = padding.OAEP(padding.MGF1(hashing()), hashing(), None)
        return base64.b64encode(self._key.encrypt(text.encode(), oaep)).decode()

    # -- the calls ---------------------------------------------------------------------------

    def request_otp(
        self, path: str, scope: str, hint: str, login_id: str, system: str, txn_id: str = ""
    ) -> requests.Response:
        body = {
            "txnId": txn_id,
            "scope": scope.split(),
            "loginHint": hint,
            "loginId": self.secret(login_id),
            "otpSystem": system,
        }
        return self.post(path, body)

    def verify(
        self, path: str, scope: str, txn_id: str, otp: str, **headers: str | None
    ) -> requests.Response:
        auth = {"authMethods": ["otp"], "otp": {"txnId": txn_id, "otpValue": self.secret(otp)}}
        return self.post(path, {"scope": scope.split(), "authData": auth}, **headers)

    def aadhaar_otp(self, aadhaar: str, txn_id: str = "") -> requests.Response:
        path = "/enrollment/request/otp"
        return self.request_otp(path, "abha-enrol", "aadhaar", aadhaar, "aadhaar", txn_id)

    def enrol(self, txn_id: str, otp: str, mobile: str, **changes: Any) -> requests.Response:
        code = {"txnId": txn_id, "otpValue": self.secret(otp), "mobile": mobile}
        auth = {"authMethods": ["otp"], "otp": code}
        body = {"authData": auth, "consent": CONSENT, **changes}
        return self.post("/enrollment/enrol/byAadhaar", body)

    def login_otp(
        self, scope: str, hint: str, login_id: str, system: str, txn_id: str = ""
    ) -> requests.Response:
        return self.request_otp("/profile/login/request/otp", scope, hint, login_id, system, txn_id)

    def login(self, scope: str, txn_id: str, otp: str) -> requests.Response:
        return self.verify("/profile/login/verify", scope, txn_id, otp)
