"""A small HIU behind a bridge URL, as far as the simulator's tests need one.

It acknowledges consent notices by itself unless `silent`; everything else a test does step by
step. Pages arrive at `push_url(...)` on its own server and are kept as they came.
"""

import base64
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

from conformance.simulator import refcrypto
from conformance.simulator.refcrypto import KeyAgreementError, KeyForm, KeyPair
from conformance.simulator.times import timestamp
from tests.unit.simulator.small_bridge import Received, SmallBridge

HIU_ID = "IN2910000005"
CLIENT_ID = "SBXID_900002"
CONSENT = "/api/hiecm/consent/v3"
DATA = "/api/hiecm/data-flow/v3/health-information"
ON_PATHS = {
    "init": f"{CONSENT}/request/init",
    "status": f"{CONSENT}/request/status",
    "on-notify": f"{CONSENT}/request/hiu/on-notify",
    "fetch": f"{CONSENT}/fetch",
    "request": f"{DATA}/request",
    "notify": f"{DATA}/notify",
}
REQUESTER = {
    "name": "Dr. Nisha Rao",
    "identifier": {"type": "REGNO", "value": "KMC-48213", "system": "https://www.example.in"},
}


def consent(address: str, **changes: Any) -> dict[str, Any]:
    """The body of ConsentRequestInit for the last year, until tomorrow."""
    moment = datetime.now(UTC)
    asked = {
        "purpose": {
            "text": "Care Management",
            "code": "CAREMGT",
            "refUri": "http://terminology.hl7.org/ValueSet/v3-PurposeOfUse",
        },
        "patient": {"id": address},
        "hiu": {"id": HIU_ID},
        "requester": REQUESTER,
        "hiTypes": ["OPConsultation", "Prescription", "DiagnosticReport"],
        "permission": {
            "accessMode": "VIEW",
            "dateRange": {
                "from": timestamp(moment - timedelta(days=365)),
                "to": timestamp(moment - timedelta(seconds=1)),
            },
            "dataEraseAt": timestamp(moment + timedelta(days=1)),
            "frequency": {"unit": "HOUR", "value": 1, "repeats": 0},
        },
    }
    return {"consent": {**asked, **changes}}


@dataclass
class SmallHiu(SmallBridge):
    """`pages` are the pushed ones in the order of arrival."""

    client_id: str = CLIENT_ID
    pages: list[Received] = field(default_factory=list)
    keys: dict[str, KeyPair] = field(default_factory=dict)

    def call(self, name: str, body: Any, **headers: Any) -> requests.Response:
        """One of ON_PATHS, with X-HIU-ID; keyword underscores stand for dashes."""
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        return self.raw("POST", ON_PATHS[name], body, {"X-HIU-ID": HIU_ID, **named})

    def asked(self, address: str, **changes: Any) -> str:
        """A consent request that was taken; its id."""
        count = sum(one.path.endswith("on-init") for one in self.received)
        reply = self.call("init", consent(address, **changes))
        assert reply.status_code == 202, reply.text
        answer = self.wait("hiu/consent/request/on-init", count + 1).body
        return str(answer["consentRequest"]["id"])

    def fetched(self, artefact_id: str) -> Any:
        """The `consent` of the newest on-fetch for an artefact."""
        count = sum(one.path.endswith("on-fetch") for one in self.received)
        reply = self.call("fetch", {"consentId": artefact_id})
        assert reply.status_code == 202, reply.text
        return self.wait("hiu/consent/on-fetch", count + 1).body["consent"]

    def transfer(self, artefact_id: str, **arguments: Any) -> str:
        """Fetch an artefact, ask for its data; the transaction id of the answer."""
        count = sum(one.path.endswith("on-request") for one in self.received)
        detail = self.fetched(artefact_id)["consentDetail"]
        reply = self.call("request", self.data_request(artefact_id, detail, **arguments))
        assert reply.status_code == 202, reply.text
        answer = self.wait("hiu/health-information/on-request", count + 1).body
        return str(answer["hiRequest"]["transactionId"])

    def data_request(
        self, artefact_id: str, detail: Any, key_form: KeyForm = "raw", life: int = 86400
    ) -> dict[str, Any]:
        """The body of HiuHealthInformationRequest with fresh keys, kept under its push token."""
        token, keys = str(uuid.uuid4()), refcrypto.generate_key_pair()
        self.keys[token] = keys
        expiry = datetime.now(UTC) + timedelta(seconds=life)
        return {
            "hiRequest": {
                "consent": {"id": artefact_id},
                "dateRange": detail["permission"]["dateRange"],
                "dataPushUrl": f"{self.url}/push/{token}",
                "keyMaterial": refcrypto.key_material(keys, key_form, expiry),
            }
        }

    def opened(self, page: Received) -> list[tuple[str, bytes | None]]:
        """(care context, plaintext) of each entry of a page; None where it does not decrypt."""
        keys = self.keys[page.path.rsplit("/", 1)[1]]
        material = page.body["keyMaterial"]
        peer = refcrypto.decode_point(material["dhPublicKey"]["keyValue"])
        nonce = base64.b64decode(material["nonce"])
        found: list[tuple[str, bytes | None]] = []
        for entry in page.body["entries"]:
            try:
                content = refcrypto.decrypt(keys, peer, nonce, entry["content"])
            except KeyAgreementError:
                content = None
            found.append((entry["careContextReference"], content))
        return found

    def _wants_signature(self, path: str) -> bool:
        return not path.startswith("abdm/push/")

    def _keep(self, one: Received) -> None:
        if "/push/" in one.path:
            self.pages.append(one)
        super()._keep(one)

    def _answer(self, one: Received) -> None:
        if one.path.endswith("hiu/consent/request/notify"):
            artefacts = one.body["notification"]["consentArtefacts"]
            self.call("on-notify", acknowledgement(one, [a["id"] for a in artefacts]))


def acknowledgement(notice: Received, artefacts: list[str]) -> dict[str, Any]:
    """HiuConsentOnNotifyRequest."""
    return {
        "acknowledgement": [{"status": "OK", "consentId": one} for one in artefacts],
        "response": {"requestId": notice.request_id},
    }


def report(transfer_id: str, artefact_id: str, hip_id: str, lines: dict[str, str]) -> Any:
    """DataFlowNotifyByHiu; `lines` are hiStatus by care context."""
    failed = set(lines.values()) == {"ERRORED"}
    return {
        "notification": {
            "consentId": artefact_id,
            "transactionId": transfer_id,
            "doneAt": timestamp(datetime.now(UTC)),
            "notifier": {"type": "HIU", "id": HIU_ID},
            "statusNotification": {
                "sessionStatus": "FAILED" if failed else "RECEIVED",
                "hipId": hip_id,
                "statusResponses": [
                    {"careContextReference": context, "hiStatus": status, "description": "Text"}
                    for context, status in lines.items()
                ],
            },
        }
    }
