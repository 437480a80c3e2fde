"""The generations' wire forms, for flow tests that are written once, in the form of V3.

A callback is put into the dialect under test (`callback`), a message of ours is read back from it
(`as_v3`). A link token's first two steps and the question whether an ABHA address exists, which V3
does not have, are answered here (`challenge`); the third step is the request that V3 makes in one.
A profile is shared in the form v1.0, whose answer has the number in the queue as V3's has.
Every body of ours in v0.5's form is checked against its schema, and all but a few callbacks.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adapter.protocol.errors import CODES
from conformance import schemas

Json = dict[str, Any]

BOTH = ("v3", "v0.5")

_GATEWAY = "/gateway/v0.5"
_ON_SHARE = "/api/hiecm/patient-share/v3/on-share"
#: (message, path in v0.5, path in V3) of what we send.
_SENT = (
    ("LinkTokenConfirm", "/users/auth/confirm", "/api/hiecm/v3/token/generate-token"),
    ("HipLinkCareContextRequest", "/links/link/add-contexts", "/api/hiecm/hip/v3/link/carecontext"),
    ("CareContextNotifyRequest", "/links/context/notify", "/api/hiecm/hip/v3/link/context/notify"),
    ("SmsNotifyRequest", "/patients/sms/notify2", "/hip/v3/link/patient/links/sms/notify2"),
    ("ProfileOnShareRequest", "/patients/profile/on-share", _ON_SHARE),
    ("OnDiscoverRequest", "/care-contexts/on-discover", "/patient/care-context/on-discover"),
    ("OnLinkInitRequest", "/links/link/on-init", "/link/care-context/on-init"),
    ("OnLinkConfirmRequest", "/links/link/on-confirm", "/link/care-context/on-confirm"),
    ("HipConsentOnNotifyRequest", "/consents/hip/on-notify", "/consent/v3/request/hip/on-notify"),
    (
        "HipHealthInformationOnRequest",
        "/health-information/hip/on-request",
        "/data-flow/v3/health-information/hip/on-request",
    ),
    ("DataFlowNotify", "/health-information/notify", "/data-flow/v3/health-information/notify"),
    ("ConsentRequestInit", "/consent-requests/init", "/consent/v3/request/init"),
    ("ConsentRequestStatusRequest", "/consent-requests/status", "/consent/v3/request/status"),
    ("HiuConsentOnNotifyRequest", "/consents/hiu/on-notify", "/consent/v3/request/hiu/on-notify"),
    ("ConsentFetchRequest", "/consents/fetch", "/consent/v3/fetch"),
    (
        "HiuHealthInformationRequest",
        "/health-information/cm/request",
        "/data-flow/v3/health-information/request",
    ),
)
_BY_PATH = {_GATEWAY + old: (name, new) for name, old, new in _SENT} | {
    "/gateway/v1.0/patients/profile/on-share": ("ProfileOnShareRequest-v1.0", _ON_SHARE)
}
#: (message, path) of what V3 does not have.
_ONLY_THERE = {
    f"{_GATEWAY}/users/auth/fetch-modes": "GenerateLinkTokenRequest",
    f"{_GATEWAY}/users/auth/init": "LinkTokenInit",
    f"{_GATEWAY}/users/auth/on-notify": "LinkTokenOnNotifyRequest",
    f"{_GATEWAY}/patients/find": "FindPatientRequest",
    f"{_GATEWAY}/patients/status/on-notify": "PatientStatusOnNotifyRequest",
}
#: The first step to a link token, the one that ABDM wants to be asked rarely.
FIRST_STEP = {"v3": "/token/generate-token", "v0.5": "/users/auth/fetch-modes"}
#: What a refusal is called in V3; the words are the same in both.
_V3_CODES = {(code.v05, code.message): code.v3 for code in CODES.values()}
#: Callbacks that tests send as peers do, not as the schema has them: an end without its artefact,
#: nulls, no identifiers.
_LOOSER = frozenset(
    {"HipConsentNotify", "DiscoverCareContexts", "OnConsentFetch", "OnConsentRequestStatus"}
)
#: What a HIU that got its records says in V3.
_RECEIVED = {"TRANSFERRED": "RECEIVED"}
_OLDER = {"ABHA_NUMBER": "NDHM_HEALTH_NUMBER", "ABHA_ADDRESS": "HEALTH_ID"}
_NEWER = {old: new for new, old in _OLDER.items()}
#: Refusals that have a number of their own in v0.5; the others keep V3's.
_OLDER_CODES = {"ABDM-1024": 2503, "ABDM-1026": 1401}


@dataclass(frozen=True)
class Call:
    """One HTTP request that reached the outside."""

    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Json:
        parsed: Json = json.loads(self.raw)
        return parsed

    @property
    def request_id(self) -> str:
        return self.headers["request-id"]


@dataclass(frozen=True)
class Answer:
    """A callback of v0.5 to be delivered as it is; `request_id`: of the message it answers.

    `hip_id`: the facility that asked.
    """

    request_id: str
    name: str
    body: Json
    hip_id: str


def only(*generations: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Marks a test of what only these generations have; its module runs in all it names."""

    def mark(test: Callable[..., None]) -> Callable[..., None]:
        test.generations = generations  # type: ignore[attr-defined]  # read by conftest.py
        return test

    return mark


#: Marks a test of what leaves or arrives, in a module whose other tests know no generation.
in_both = only(*BOTH)


def stated_hiu(generation: str, hiu_id: str) -> str | None:
    """What the header X-HIU-ID of our messages says; v0.5 has none, it knows us by the token."""
    return hiu_id if generation == "v3" else None


def callback(generation: str, name: str, body: Json, request_id: str, now: datetime) -> Json:
    """The callback `name`, written in the form of V3, as this generation sends it."""
    if generation == "v3":
        return body
    made = {key: value for key, value in body.items() if value is not None}
    if "response" in made:
        made["resp"] = made.pop("response")
    if isinstance(made.get("error"), dict):
        made |= refusal(generation, made["error"]["code"], made["error"]["message"])
    made = _CALLBACKS.get(name, lambda same: same)(made)
    stamp = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    made |= {"requestId": request_id, "timestamp": stamp}
    schema = name if name != "ProfileShare" else "ProfileShare-v1.0"
    assert name in _LOOSER or schemas.problems(schema, made, generation) == [], schema
    return made


def refusal(generation: str, code: str | int, message: str) -> Json:
    """The error with V3's `code`, as this generation writes it."""
    if generation == "v3":
        return {"error": {"code": code, "message": message}}
    number = _OLDER_CODES.get(str(code)) or int(re.sub(r"\D", "", str(code))[-4:])
    return {"error": {"code": number, "message": message}}


def dialect(generation: str, name: str) -> str:
    """The dialect that the callback `name` comes in."""
    return "v1.0" if (generation, name) == ("v0.5", "ProfileShare") else generation


def _link_token(body: Json) -> Json:
    if "linkToken" in body:
        body["auth"] = {"accessToken": body.pop("linkToken")}
    body.pop("abhaAddress", None)
    return body


def _linked(body: Json) -> Json:
    kept = {key: body[key] for key in ("resp", "error") if key in body}
    return kept if "error" in kept else kept | {"acknowledgement": {"status": "SUCCESS"}}


def _told(body: Json) -> Json:
    # The only status there is, beside an error too.
    return body | {"acknowledgement": {"status": "SUCCESS"}}


def _sms(body: Json) -> Json:
    body.pop("acknowledgement", None)
    return body | {"status": "ERRORED" if "error" in body else "ACKNOWLEDGED"}


def _share(body: Json) -> Json:
    person = {k: v for k, v in body["profile"]["patient"].items() if v is not None}
    dates = {k: int(person[k]) for k in ("yearOfBirth", "monthOfBirth", "dayOfBirth")}
    lines = dict(person["address"])
    lines["pincode"] = lines.pop("pinCode")
    patient = {
        "healthId": person["abhaAddress"],
        "healthIdNumber": person.get("abhaNumber", ""),
        "name": person["name"],
        "gender": person["gender"],
        **dates,
        "address": lines,
        "identifiers": [{"type": "MOBILE", "value": person["phoneNumber"]}],
    }
    intent = {"PROFILE_SHARE": "REGISTRATION"}.get(body["intent"], body["intent"])
    return {
        "intent": {"type": intent},
        "location": {"latitude": "12.93", "longitude": "0.0"},
        "profile": {"hipCode": body["metaData"]["context"], "patient": patient},
    }


def _discover(body: Json) -> Json:
    for kind in ("verifiedIdentifiers", "unverifiedIdentifiers"):
        for each in body["patient"].get(kind) or []:
            each["type"] = _OLDER.get(each["type"], each["type"])
    return body


def _link_init(body: Json) -> Json:
    entries = body.get("patient", [])
    chosen = {c["referenceNumber"]: c for entry in entries for c in entry["careContexts"]}
    body["patient"] = {
        "id": body.pop("abhaAddress", None),
        "referenceNumber": entries[0]["referenceNumber"] if entries else "",
        "careContexts": [{"referenceNumber": reference} for reference in chosen],
    }
    return body


def _link_confirm(body: Json) -> Json:
    body["confirmation"]["token"] = str(body["confirmation"]["token"])
    return body


_CALLBACKS = {
    "OnGenerateLinkToken": _link_token,
    "OnHipLinkCareContext": _linked,
    "OnCareContextNotify": _told,
    "OnSmsNotify": _sms,
    "ProfileShare": _share,
    "DiscoverCareContexts": _discover,
    "LinkInit": _link_init,
    "LinkConfirm": _link_confirm,
}


def as_v3(call: Call, earlier: Sequence[Call] = ()) -> Call:
    """What we sent, in the form of V3; V3's own, pages and what V3 does not have as they are.

    `earlier`: what we sent before, as it was sent; a link token's last step is about the patient
    that the one before names.
    """
    name, path = _BY_PATH.get(call.path, ("", ""))
    if not name:
        own = _ONLY_THERE.get(call.path)
        assert not own or schemas.problems(own, call.body, "v0.5") == [], own
        return call
    body = call.body
    schema = name if name != "DataFlowNotify" else _reporter(body)
    assert schemas.problems(schema, body, "v0.5") == [], schema
    headers = call.headers | {"request-id": body.pop("requestId"), "timestamp": body["timestamp"]}
    del body["timestamp"]
    if "resp" in body:
        body["response"] = body.pop("resp")
    if "error" in body:
        error = body["error"]
        error["code"] = _V3_CODES[error["code"], error["message"]]
    if name == "LinkTokenConfirm":
        asked = _asked(body.pop("transactionId"), earlier)
        headers["x-hip-id"] = asked.get("requester", {}).get("id", "")
        person = body.pop("credential").get("demographic")
        body = {"abhaAddress": asked.get("id")} | (_person(person) if person else {})
    elif name == "SmsNotifyRequest":
        body["notification"]["phoneNo"] = body["notification"]["phoneNo"].replace("+91-", "91")
    elif name.startswith("ProfileOnShareRequest"):
        told = body.pop("acknowledgement")
        assert (told["status"] == "FAILURE") is ("error" in body)
        if "error" not in body:
            profile = {"tokenNumber": told.get("tokenNumber")}
            kept = {"status": told["status"], "abhaAddress": told["healthId"], "profile": profile}
            body["acknowledgement"] = kept
    elif name == "HipLinkCareContextRequest":
        headers["x-link-token"] = body["link"]["accessToken"]
        body = {"patient": [body["link"]["patient"]]}
    elif schema == "DataFlowNotifyByHiu":
        told = body["notification"]["statusNotification"]
        told["sessionStatus"] = _RECEIVED.get(told["sessionStatus"], told["sessionStatus"])
    elif name == "OnDiscoverRequest" and "patient" in body:
        kinds = body["patient"].pop("matchedBy")
        body["matchedBy"] = [_NEWER.get(kind, kind) for kind in kinds]
        body["patient"] = [body["patient"]]
    elif name == "OnLinkConfirmRequest" and "patient" in body:
        body["patient"] = [body["patient"]]
    return Call(path, headers, json.dumps(body).encode())


def _asked(transaction_id: str, earlier: Sequence[Call]) -> Json:
    """What the step before asked for whose answer named this transaction."""
    inits = (call.body for call in earlier if call.path.endswith("/users/auth/init"))
    queries = (b["query"] for b in inits if _transaction(b["requestId"]) == transaction_id)
    return next(queries, {})


def _transaction(request_id: str) -> str:
    return str(uuid.uuid5(uuid.UUID(request_id), "transaction"))


def _person(demographic: Json) -> Json:
    year = int(demographic["dateOfBirth"][:4])
    return {"name": demographic["name"], "gender": demographic["gender"], "yearOfBirth": year}


def _reporter(body: Json) -> str:
    return f"DataFlowNotifyBy{body['notification']['notifier']['type'].title()}"


def challenge(wires: Sequence[Call], answered: Collection[str]) -> Answer | None:
    """The answer to a step towards a link token that waits for one: demographics are offered."""
    for call in wires:
        step = call.path.removeprefix(_GATEWAY)
        if step not in ("/users/auth/fetch-modes", "/users/auth/init", "/patients/find"):
            continue
        body = call.body
        if body["requestId"] in answered:
            continue
        query = body["query"]
        if step == "/patients/find":
            name = "OnFindPatient"
            told: Json = {"patient": {"id": query["patient"]["id"], "name": "Asha Verma"}}
        elif step.endswith("fetch-modes"):
            name = "LinkTokenModes"
            told = {"auth": {"purpose": "LINK", "modes": ["MOBILE_OTP", "DEMOGRAPHICS"]}}
        else:
            name = "LinkTokenChallenge"
            auth = {"transactionId": _transaction(body["requestId"]), "mode": query["authMode"]}
            told = {"auth": auth}
        told["response"] = {"requestId": body["requestId"]}
        return Answer(body["requestId"], name, told, query["requester"]["id"])
    return None
