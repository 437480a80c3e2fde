"""A small HIP and HIU behind a bridge URL that speaks v0.5, answering from the same visits.

With `silent = True` it only records callbacks, and a test answers by hand through `call`.
"""

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

from conformance.simulator.times import timestamp
from tests.unit.simulator.small_bridge import Received, SmallBridge
from tests.unit.simulator.small_hip import ADDRESS, MOBILE, VISITS, SmallHip, report

OLDER_CLIENT_ID, OLDER_ID = "SBXID_900050", "IN2910000050"
GATEWAY = "/gateway/v0.5"
OTP = "493817"


@dataclass
class SmallOlder(SmallBridge):
    """One facility, OLDER_ID, as HIP and HIU; `consents` by artefact id."""

    client_id: str = OLDER_CLIENT_ID
    consents: dict[str, Any] = field(default_factory=dict)
    chosen: list[str] = field(default_factory=list)

    def session(self) -> str:
        body = {"clientId": self.client_id, "clientSecret": self.client_secret,
                "grantType": "client_credentials"}  # fmt: skip
        reply = self.raw("POST", f"{GATEWAY}/sessions", body, {"Authorization": None})
        assert reply.status_code == 200, reply.text
        return str(reply.json()["accessToken"])

    def call(self, path: str, members: dict[str, Any], **envelope: Any) -> requests.Response:
        """A message with id and time of its own in the body; `path` below the gateway's v0.5."""
        around = {"requestId": str(uuid.uuid4()), "timestamp": timestamp(datetime.now(UTC))}
        full = path if path.startswith("/gateway") else f"{GATEWAY}/{path}"
        return self.raw("POST", full, {**around, **members, **envelope})

    def asked(self, path: str, members: dict[str, Any], answer: str) -> Any:
        """The body of the callback that answers a call."""
        request_id = str(uuid.uuid4())
        reply = self.call(path, members, requestId=request_id)
        assert (reply.status_code, reply.content) == (202, b""), reply.text
        count = sum(one.path.endswith(answer) for one in self.received) + 1
        body = self.wait(answer, max(1, count - 1)).body
        if body["resp"]["requestId"] != request_id:
            body = self.wait(answer, count).body
        assert body["resp"]["requestId"] == request_id
        return body

    def query(self, mode: str | None = None, purpose: str = "LINK", role: str = "HIP") -> Any:
        """The body of fetch-modes, or of init with a mode."""
        query = {
            "id": ADDRESS,
            "purpose": purpose,
            "requester": {"type": role, "id": OLDER_ID},
        }
        return {"query": query | ({"authMode": mode} if mode else {})}

    def started(self, mode: str, purpose: str = "LINK") -> str:
        """The transaction id of an init."""
        answer = self.asked("users/auth/init", self.query(mode, purpose), "users/auth/on-init")
        return str(answer["auth"]["transactionId"])

    def confirmed(self, transaction_id: str, **credential: Any) -> Any:
        """The body of on-confirm."""
        members = {"transactionId": transaction_id, "credential": credential}
        return self.asked("users/auth/confirm", members, "users/auth/on-confirm")

    def added(self, token: str, *references: str) -> Any:
        """The body of on-add-contexts."""
        link = {"accessToken": token, "patient": patient(references or list(VISITS))}
        return self.asked("links/link/add-contexts", {"link": link}, "link/on-add-contexts")

    def _wants_signature(self, path: str) -> bool:
        return not path.startswith("abdm/push/")

    def _signed(self, bearer: str) -> bool:
        return self._signed_by(f"{GATEWAY}/certs", bearer)

    def _answer(self, one: Received) -> None:
        resp = {"resp": {"requestId": one.body["requestId"]}}
        body = one.body
        for ending, path, answer in (
            ("care-contexts/discover", "care-contexts/on-discover", self._discovered),
            ("links/link/init", "links/link/on-init", self._challenged),
            ("links/link/confirm", "links/link/on-confirm", self._linked),
            ("consents/hip/notify", "consents/hip/on-notify", self._noted),
            ("health-information/hip/request", "health-information/hip/on-request", self._taken),
            ("consents/hiu/notify", "consents/hiu/on-notify", self._heard),
            ("users/auth/notify", "users/auth/on-notify", lambda _body: OK),
            ("patients/status/notify", "patients/status/on-notify", lambda _body: SPELT_OK),
        ):
            if one.path.endswith(ending):
                reply = self.call(path, {**answer(body), **resp})
                assert reply.status_code == 202, reply.text
                if ending.endswith("hip/request"):
                    self._push(body)

    def _discovered(self, body: Any) -> dict[str, Any]:
        found = {**patient(VISITS), "matchedBy": ["MOBILE", "NDHM_HEALTH_NUMBER"]}
        return {"transactionId": body["transactionId"], "patient": found}

    def _challenged(self, body: Any) -> dict[str, Any]:
        self.chosen = [one["referenceNumber"] for one in body["patient"]["careContexts"]]
        sms = {"to": MOBILE, "text": f"Your code is {OTP}.", "purpose": "care-context-link"}
        requests.post(f"{self.simulator_url}/sms", json=sms, timeout=60)
        meta = {
            "communicationMedium": "MOBILE",
            "communicationExpiry": timestamp(datetime.now(UTC) + timedelta(minutes=10)),
        }
        link = {"referenceNumber": str(uuid.uuid4()), "authenticationType": "DIRECT", "meta": meta}
        return {"transactionId": body["transactionId"], "link": link}

    def _linked(self, body: Any) -> dict[str, Any]:
        if body["confirmation"]["token"] != OTP:
            return {"error": {"code": 3405, "message": "Incorrect OTP"}}
        return {"patient": patient(self.chosen)}

    def _noted(self, body: Any) -> dict[str, Any]:
        notice = body["notification"]
        self.consents[notice["consentId"]] = notice
        return {"acknowledgement": {"status": "OK", "consentId": notice["consentId"]}}

    def _heard(self, body: Any) -> dict[str, Any]:
        named = body["notification"]["consentArtefacts"]
        return {"acknowledgement": [{"status": "OK", "consentId": one["id"]} for one in named]}

    @staticmethod
    def _taken(body: Any) -> dict[str, Any]:
        status = {"transactionId": body["transactionId"], "sessionStatus": "ACKNOWLEDGED"}
        return {"hiRequest": status}

    def _push(self, body: Any) -> None:
        asked, transaction_id = body["hiRequest"], body["transactionId"]
        consent_id = asked["consent"]["id"]
        contexts = self.consents[consent_id]["consentDetail"]["careContexts"]
        lines = []
        for number, one in enumerate(contexts, start=1):
            reference = one["careContextReference"]
            page = SmallHip.page(transaction_id, number, len(contexts), reference, asked)
            assert requests.post(asked["dataPushUrl"], json=page, timeout=60).status_code == 202
            lines.append(
                {"careContextReference": reference, "hiStatus": "DELIVERED", "description": "Ok"}
            )
        told = report(transaction_id, consent_id, lines)["notification"]
        told["notifier"]["id"] = told["statusNotification"]["hipId"] = OLDER_ID
        assert self.call("health-information/notify", {"notification": told}).status_code == 202


OK = {"acknowledgement": {"status": "OK"}}
SPELT_OK = {"acknowledgment": {"status": "OK"}}


def patient(references: Any) -> dict[str, Any]:
    """The patient of on-discover, on-confirm and add-contexts with these visits."""
    return {
        "referenceNumber": "MRN-2208",
        "display": "Meera Joshi",
        "careContexts": [{"referenceNumber": one, "display": VISITS[one][0]} for one in references],
    }
