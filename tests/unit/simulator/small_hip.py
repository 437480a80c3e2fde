"""A small HIP behind a bridge URL, as far as the simulator's tests need one.

It answers callbacks as the V3 contract says, from a handful of invented visits. With
`silent = True` it only records them, and a test answers by hand through `call`.
"""

import hashlib
import json
import logging
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import requests
from flask import Flask, Response, request
from werkzeug.serving import make_server

from conformance.simulator import refcrypto
from conformance.simulator.times import parse, timestamp

HIP_ID = "IN2910000001"
CLIENT_ID, CLIENT_SECRET = "SBXID_900001", "a-secret-of-the-tests"
ADDRESS, MOBILE = "meera.joshi@sbx", "9820000045"
GATEWAY = "/api/hiecm/gateway/v3"
USER = "/api/hiecm/user-initiated-linking/v3"
ON_PATHS = {
    "on-discover": f"{USER}/patient/care-context/on-discover",
    "on-init": f"{USER}/link/care-context/on-init",
    "on-confirm": f"{USER}/link/care-context/on-confirm",
    "on-notify": "/api/hiecm/consent/v3/request/hip/on-notify",
    "on-request": "/api/hiecm/data-flow/v3/health-information/hip/on-request",
    "notify": "/api/hiecm/data-flow/v3/health-information/notify",
    "generate-token": "/api/hiecm/v3/token/generate-token",
    "link": "/api/hiecm/hip/v3/link/carecontext",
    "context-notify": "/api/hiecm/hip/v3/link/context/notify",
    "sms-notify": "/api/hiecm/hip/v3/link/patient/links/sms/notify2",
}
VISITS = {
    "encounter-1": ("OPD visit 14 Aug 2026", "OPConsultation"),
    "encounter-2": ("OPD visit 2 Sep 2026", "Prescription"),
}


def document(reference: str) -> bytes:
    """An invented document with a narrative, hostile parts included."""
    display, hi_type = VISITS[reference]
    narrative = (
        '<div xmlns="http://www.w3.org/1999/xhtml"><table><tr><td onclick="x()">बुखार, two days'
        "</td></tr></table><script>document.title='taken over'</script></div>"
    )
    composition = {
        "resourceType": "Composition",
        "id": reference,
        "title": f"{hi_type} of {display}",
        "date": "2026-08-14T10:05:00+05:30",
        "author": [{"display": "Dr. Farah Khan"}],
        "section": [{"title": "Complaints", "text": {"status": "generated", "div": narrative}}],
    }
    bundle = {"resourceType": "Bundle", "type": "document", "entry": [{"resource": composition}]}
    return json.dumps(bundle, ensure_ascii=False).encode()


@dataclass
class Received:
    """A callback as it arrived."""

    path: str
    headers: dict[str, str]
    body: Any
    at: datetime

    @property
    def request_id(self) -> str:
        return self.headers["Request-Id"]


@dataclass
class SmallHip:
    """Serve it with `start()`; `status` is what it answers to callbacks."""

    simulator_url: str
    silent: bool = False
    status: int = 202
    received: list[Received] = field(default_factory=list)
    consents: dict[str, Any] = field(default_factory=dict)

    def start(self) -> "SmallHip":
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        app = Flask("small-hip")
        app.add_url_rule("/<path:path>", "callback", self._callback, methods=["POST"])
        self._server = make_server("127.0.0.1", 0, app, threaded=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}/abdm"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )
        self._thread.start()
        self._pool = ThreadPoolExecutor(1)
        self._offers: dict[str, str] = {}
        self._otps: dict[str, tuple[str, list[Any]]] = {}
        self._token: str | None = None
        self._arrived = threading.Condition()
        return self

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join(5)
        self._server.server_close()
        self._pool.shutdown(wait=True, cancel_futures=True)

    # -- towards the gateway -----------------------------------------------------------------

    def session(self) -> str:
        reply = self.raw(
            "POST",
            f"{GATEWAY}/sessions",
            {"clientId": CLIENT_ID, "clientSecret": CLIENT_SECRET,
             "grantType": "client_credentials"},
            {"Authorization": None},
        )  # fmt: skip
        assert reply.status_code == 202, reply.text
        return str(reply.json()["accessToken"])

    def raw(
        self, method: str, path: str, body: Any = None, headers: dict[str, Any] | None = None
    ) -> requests.Response:
        """A call with all standard headers; a header given as None is left out."""
        sent: dict[str, Any] = {
            "REQUEST-ID": str(uuid.uuid4()),
            "TIMESTAMP": timestamp(datetime.now(UTC)),
            "X-CM-ID": "sbx",
            "Content-Type": "application/json",
            **(headers or {}),
        }
        if "Authorization" not in sent:
            self._token = self._token or self.session()
            sent["Authorization"] = f"Bearer {self._token}"
        sent = {name: value for name, value in sent.items() if value is not None}
        data = body if isinstance(body, bytes | None) else json.dumps(body)
        return requests.request(
            method, self.simulator_url + path, data=data, headers=sent, timeout=10
        )

    def call(self, name: str, body: Any, **headers: Any) -> requests.Response:
        """One of ON_PATHS, with X-HIP-ID; keyword underscores stand for dashes."""
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        return self.raw("POST", ON_PATHS[name], body, {"X-HIP-ID": HIP_ID, **named})

    # -- from the gateway --------------------------------------------------------------------

    def wait(self, path: str, count: int = 1, seconds: float = 5.0) -> Received:
        """The count-th callback whose path ends so."""

        def found() -> list[Received]:
            return [one for one in self.received if one.path.endswith(path)]

        with self._arrived:
            assert self._arrived.wait_for(lambda: len(found()) >= count, seconds), (
                f"{path} did not come {count} time(s)"
            )
            return found()[count - 1]

    def _callback(self, path: str) -> Response:
        headers = dict(request.headers.items())
        if not self._signed(headers.get("Authorization", "")):
            return Response(status=401)
        one = Received(f"/{path}", headers, request.get_json(), datetime.now(UTC))
        with self._arrived:
            self.received.append(one)
            self._arrived.notify_all()
        if not self.silent and self.status < 300:
            self._pool.submit(self._answer, one)
        return Response(status=self.status)

    def _signed(self, bearer: str) -> bool:
        token = bearer.removeprefix("Bearer ")
        keys = self.raw("GET", f"{GATEWAY}/certs").json()
        try:
            kid = jwt.get_unverified_header(token)["kid"]
            key = next(k for k in jwt.PyJWKSet.from_dict(keys).keys if k.key_id == kid)
            jwt.decode(token, key.key, algorithms=["RS256"], audience="account")
        except (jwt.InvalidTokenError, StopIteration, KeyError):
            return False
        return True

    def _answer(self, one: Received) -> None:
        for ending, answer in (
            ("care-context/discover", self._on_discover),
            ("care-context/init", self._on_init),
            ("care-context/confirm", self._on_confirm),
            ("consent/request/hip/notify", self._on_notify),
            ("health-information/request", self._on_request),
        ):
            if one.path.endswith(ending):
                answer(one.body, {"response": {"requestId": one.request_id}})

    @staticmethod
    def entries(references: list[str]) -> list[dict[str, Any]]:
        """Patient entries for the visits named, one per HI type."""
        return [
            {
                "referenceNumber": "MRN-2208",
                "display": "Meera Joshi",
                "careContexts": [{"referenceNumber": one, "display": VISITS[one][0]}],
                "hiType": VISITS[one][1],
                "count": 1,
            }
            for one in references
        ]

    def _on_discover(self, body: Any, response: Any) -> None:
        answer = {"transactionId": body["transactionId"], **response}
        if body["patient"]["id"] == ADDRESS:
            answer |= {"patient": self.entries(list(VISITS)), "matchedBy": ["MOBILE"]}
        else:
            answer |= {"error": {"code": "ABDM-1010", "message": "Patient not found"}}
        self.call("on-discover", answer)

    def _on_init(self, body: Any, response: Any) -> None:
        reference, otp = str(uuid.uuid4()), "493817"
        chosen = [c["referenceNumber"] for e in body["patient"] for c in e["careContexts"]]
        self._otps[reference] = (otp, chosen)
        sms = {"to": MOBILE, "text": f"Your code is {otp}.", "purpose": "care-context-link"}
        requests.post(f"{self.simulator_url}/sms", json=sms, timeout=10)
        link = {
            "referenceNumber": reference,
            "authenticationType": "DIRECT",
            "meta": {
                "communicationMedium": "MOBILE",
                "communicationHint": "xxxxxx0045",
                "communicationExpiry": timestamp(datetime.now(UTC) + timedelta(minutes=10)),
            },
        }
        self.call("on-init", {"transactionId": body["transactionId"], "link": link, **response})

    def _on_confirm(self, body: Any, response: Any) -> None:
        otp, chosen = self._otps[body["confirmation"]["linkRefNumber"]]
        if str(body["confirmation"]["token"]).zfill(6) != otp:
            error = {"code": "ABDM-1035", "message": "Incorrect OTP"}
            self.call("on-confirm", {"error": error, **response})
        else:
            self.call("on-confirm", {"patient": self.entries(chosen), **response})

    def _on_notify(self, body: Any, response: Any) -> None:
        notification = body["notification"]
        self.consents[notification["consentId"]] = notification
        acknowledgement = {"status": "OK", "consentId": notification["consentId"]}
        self.call("on-notify", {"acknowledgement": acknowledgement, **response})

    def _on_request(self, body: Any, response: Any) -> None:
        asked = body["hiRequest"]
        refusal = self._refusal(asked)
        if refusal:
            error = {"code": refusal[0], "message": refusal[1]}
            self.call("on-request", {"error": error, **response})
            return
        status = {"transactionId": body["transactionId"], "sessionStatus": "ACKNOWLEDGED"}
        self.call("on-request", {"hiRequest": status, **response})
        detail = self.consents[asked["consent"]["id"]]["consentDetail"]
        contexts = [c["careContextReference"] for c in detail["careContexts"]]
        lines = []
        for number, reference in enumerate(contexts, start=1):
            page = self.page(body["transactionId"], number, len(contexts), reference, asked)
            reply = requests.post(asked["dataPushUrl"], json=page, timeout=10)
            good = reply.status_code == 202
            lines.append(
                {
                    "careContextReference": reference,
                    "hiStatus": "DELIVERED" if good else "ERRORED",
                    "description": "Delivered" if good else "Refused by the receiver",
                }
            )
        self.call("notify", report(body["transactionId"], asked["consent"]["id"], lines))

    def _refusal(self, asked: Any) -> tuple[str, str] | None:
        consent = self.consents.get(asked["consent"]["id"])
        if consent is None or consent["status"] != "GRANTED":
            return "ABDM-1062", "Consent Not granted"
        permitted = consent["consentDetail"]["permission"]["dateRange"]
        if parse(asked["dateRange"]["from"]) < parse(permitted["from"]):
            return "ABDM-1063", "Date Range given is invalid"
        return None

    @staticmethod
    def page(transaction_id: str, number: int, count: int, reference: str, asked: Any) -> Any:
        """A page for one visit, with fresh keys."""
        keys = refcrypto.generate_key_pair()
        peer = refcrypto.decode_point(asked["keyMaterial"]["dhPublicKey"]["keyValue"])
        nonce = refcrypto.decode_nonce(asked["keyMaterial"]["nonce"])
        content = document(reference)
        expiry = datetime.now(UTC) + timedelta(days=1)
        return {
            "pageNumber": number,
            "pageCount": count,
            "transactionId": transaction_id,
            "entries": [
                {
                    "content": refcrypto.encrypt(keys, peer, nonce, content),
                    "media": "application/fhir+json",
                    "checksum": hashlib.md5(content).hexdigest(),
                    "careContextReference": reference,
                }
            ],
            "keyMaterial": refcrypto.key_material(keys, "x509-explicit", expiry),
        }


def report(transaction_id: str, consent_id: str, lines: list[dict[str, str]]) -> dict[str, Any]:
    """DataFlowNotifyByHip."""
    failed = all(line["hiStatus"] == "ERRORED" for line in lines)
    return {
        "notification": {
            "consentId": consent_id,
            "transactionId": transaction_id,
            "doneAt": timestamp(datetime.now(UTC)),
            "notifier": {"type": "HIP", "id": HIP_ID},
            "statusNotification": {
                "sessionStatus": "FAILED" if failed else "TRANSFERRED",
                "hipId": HIP_ID,
                "statusResponses": lines,
            },
        }
    }
