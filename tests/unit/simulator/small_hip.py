"""A small HIP behind a bridge URL, as far as the simulator's tests need one.

It answers callbacks as the V3 contract says, from a handful of invented visits. With
`silent = True` it only records them, and a test answers by hand through `call`.
"""

import hashlib
import json
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import requests

from conformance.simulator import refcrypto
from conformance.simulator.times import parse, timestamp
from tests.unit.simulator.small_bridge import Received, SmallBridge

HIP_ID = "IN2910000001"
CLIENT_ID, CLIENT_SECRET = "SBXID_900001", "a-secret-of-the-tests"
ADDRESS, MOBILE = "meera.joshi@sbx", "9820000045"
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
class SmallHip(SmallBridge):
    """Its consents by artefact id."""

    client_id: str = CLIENT_ID
    client_secret: str = CLIENT_SECRET
    consents: dict[str, Any] = field(default_factory=dict)

    def start(self) -> Self:
        self._otps: dict[str, tuple[str, list[Any]]] = {}
        return super().start()

    def call(self, name: str, body: Any, **headers: Any) -> requests.Response:
        """One of ON_PATHS, with X-HIP-ID; keyword underscores stand for dashes."""
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        return self.raw("POST", ON_PATHS[name], body, {"X-HIP-ID": HIP_ID, **named})

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
        requests.post(f"{self.simulator_url}/sms", json=sms, timeout=60)
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
            reply = requests.post(asked["dataPushUrl"], json=page, timeout=60)
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
