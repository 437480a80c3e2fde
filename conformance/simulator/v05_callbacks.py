"""Callbacks in the form of v0.5, and v1.0 for the sharing of profiles: one table, V3's names.

The rules build every message in the form of V3; here it is rewritten: ids and time into the body,
`resp`, one patient instead of entries by HI type, older names of identifiers, numbers as error
codes, no Invoice. Messages that V3 does not have come here in the older form already, but for
`response` and `error`. Source: NDHM's OpenAPI files of gateway, HIP and HIU.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from conformance.simulator.errors import number
from conformance.simulator.times import now, timestamp
from conformance.simulator.v05_names import IDENTIFIERS, older_hi_types

if TYPE_CHECKING:
    from conformance.simulator.core import Simulator

HIP, HIU = "X-HIP-ID", "X-HIU-ID"
_SUCCESS = {"acknowledgement": {"status": "SUCCESS"}}
_OLDER_OF = {newer: older for older, newer in IDENTIFIERS.items()}


@dataclass(frozen=True)
class Told:
    """A callback in the form of V3: its body, its id, and the artefact that it is about if any."""

    body: dict[str, Any]
    request_id: str
    about: str = ""


Write = Callable[["Simulator", Told], dict[str, Any]]


@dataclass(frozen=True)
class Older:
    """A callback as v0.5 has it; `role`: the header that names the facility."""

    path: str
    role: str
    schema: str
    body: dict[str, Any]


@dataclass(frozen=True)
class Row:
    """Where a message goes and how its body is made; `role` empty: by what the facility is."""

    path: str
    role: str
    write: Write


def written(simulator: "Simulator", message: str, service_id: str, told: Told) -> Older:
    """`message`, given in the form of V3, to a facility as v0.5 has it."""
    body = told.body
    schema = message
    if message == "ProfileShare" and simulator.config.share_version == "v1.0":
        schema = "ProfileShare-v1.0"
    row = ROWS[schema]
    made: dict[str, Any] = {"requestId": told.request_id, "timestamp": timestamp(now())}
    if not body.get("error") or message in _BESIDE_AN_ERROR:
        made |= row.write(simulator, told)
    if body.get("error"):
        made["error"] = {
            "code": number(body["error"]["code"]),
            "message": body["error"]["message"],
        }
    if "response" in body:
        made["resp"] = body["response"]
    return Older(row.path, row.role or _role(simulator, service_id), schema, made)


def _role(simulator: "Simulator", service_id: str) -> str:
    with simulator.state.changed:
        service = simulator.state.services.get(service_id)
        return HIP if service is None or "HIP" in service.types else HIU


# -- bodies ----------------------------------------------------------------------------------


def _kept(*names: str) -> Write:
    return lambda _simulator, told: {name: told.body[name] for name in names}


def _discover(_simulator: "Simulator", told: Told) -> dict[str, Any]:
    patient = told.body["patient"]
    typed = patient["unverifiedIdentifiers"]
    described = {
        "id": patient["id"],
        "verifiedIdentifiers": _identifiers(patient["verifiedIdentifiers"]),
        "name": patient["name"],
        "gender": patient["gender"],
        "yearOfBirth": patient["yearOfBirth"],
    }
    if typed:
        described["unverifiedIdentifiers"] = _identifiers(typed)
    return {"transactionId": told.body["transactionId"], "patient": described}


def _identifiers(given: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{**one, "type": _OLDER_OF.get(one["type"], one["type"])} for one in given]


def _link_init(_simulator: "Simulator", told: Told) -> dict[str, Any]:
    body = told.body
    patient = {
        "id": body["abhaAddress"],
        "referenceNumber": body["patient"][0]["referenceNumber"],
        "careContexts": [c for entry in body["patient"] for c in entry["careContexts"]],
    }
    return {"transactionId": body["transactionId"], "patient": patient}


def _link_confirm(_simulator: "Simulator", told: Told) -> dict[str, Any]:
    confirmation = told.body["confirmation"]
    return {"confirmation": {**confirmation, "token": str(confirmation["token"]).zfill(6)}}


def _hip_notify(simulator: "Simulator", told: Told) -> dict[str, Any]:
    # Also the notice of an end carries the whole artefact there.
    notification = told.body["notification"]
    with simulator.state.changed:
        artefact = simulator.state.artefacts[notification["consentId"]]
    written_out = {
        "status": notification["status"],
        "consentId": artefact.id,
        "consentDetail": _detail(artefact.detail, for_hiu=False),
        "signature": artefact.signature,
        "grantAcknowledgement": False,
    }
    return {"notification": written_out}


def _hiu_notify(_simulator: "Simulator", told: Told) -> dict[str, Any]:
    names = ("consentRequestId", "status", "consentArtefacts")
    return {"notification": {name: told.body["notification"][name] for name in names}}


def _fetched(simulator: "Simulator", told: Told) -> dict[str, Any]:
    # An ended artefact keeps its content there; what it is signed over is published nowhere.
    with simulator.state.changed:
        artefact = simulator.state.artefacts[told.about]
    consent = {
        "status": told.body["consent"]["status"],
        "consentDetail": _detail(artefact.detail, for_hiu=True),
        "signature": artefact.signature,
    }
    return {"consent": consent}


def _detail(detail: dict[str, Any], *, for_hiu: bool) -> dict[str, Any]:
    left_out = set() if for_hiu else {"hiu", "requester"}
    kept = {name: value for name, value in detail.items() if name not in left_out}
    return {**kept, "schemaVersion": "v0.5", "hiTypes": older_hi_types(detail["hiTypes"])}


def _share(_simulator: "Simulator", told: Told) -> dict[str, Any]:
    person, counter = told.body["profile"]["patient"], told.body["metaData"]["context"]
    parts = {name: person[name] for name in ("dayOfBirth", "monthOfBirth") if person.get(name)}
    patient = {
        "healthId": person["abhaAddress"],
        "healthIdNumber": person["abhaNumber"] or "",
        "name": person["name"],
        "gender": person["gender"],
        "yearOfBirth": int(person["yearOfBirth"]),
        **{name: int(value) for name, value in parts.items()},
        "identifiers": [{"type": "MOBILE", "value": person["phoneNumber"]}],
    }
    if person["address"]:
        lines = person["address"]
        pincode = lines.get("pincode", lines.get("pinCode"))
        patient["address"] = {
            **{name: lines[name] for name in ("line", "district", "state")},
            "pincode": str(pincode),
        }
    return {"profile": {"hipCode": counter, "patient": patient}}


def _share_with_intent(simulator: "Simulator", told: Told) -> dict[str, Any]:
    where = told.body["metaData"]
    place = {name: str(where.get(name) or "0.0") for name in ("latitude", "longitude")}
    intent = told.body["intent"]
    stated = "REGISTRATION" if intent == "PROFILE_SHARE" else intent
    return {"intent": {"type": stated}, "location": place, **_share(simulator, told)}


# -- the table -------------------------------------------------------------------------------

# What the published files require beside an error too.
_BESIDE_AN_ERROR = ("OnCareContextNotify", "OnSmsNotify")

ROWS: dict[str, Row] = {
    "OnHipLinkCareContext": Row(
        "/v0.5/links/link/on-add-contexts", HIP, lambda _simulator, _told: _SUCCESS
    ),
    "OnCareContextNotify": Row(
        "/v0.5/links/context/on-notify", HIP, lambda _simulator, _told: _SUCCESS
    ),
    "OnSmsNotify": Row(
        "/v0.5/patients/sms/on-notify",
        HIP,
        lambda _simulator, told: {
            "status": "ERRORED" if told.body.get("error") else "ACKNOWLEDGED"
        },
    ),
    "DiscoverCareContexts": Row("/v0.5/care-contexts/discover", HIP, _discover),
    "LinkInit": Row("/v0.5/links/link/init", HIP, _link_init),
    "LinkConfirm": Row("/v0.5/links/link/confirm", HIP, _link_confirm),
    "HipConsentNotify": Row("/v0.5/consents/hip/notify", HIP, _hip_notify),
    "HipHealthInformationRequest": Row(
        "/v0.5/health-information/hip/request", HIP, _kept("transactionId", "hiRequest")
    ),
    "ProfileShare": Row("/v0.5/patients/profile/share", HIP, _share),
    "ProfileShare-v1.0": Row("/v1.0/patients/profile/share", HIP, _share_with_intent),
    "OnConsentRequestInit": Row("/v0.5/consent-requests/on-init", HIU, _kept("consentRequest")),
    "OnConsentRequestStatus": Row("/v0.5/consent-requests/on-status", HIU, _kept("consentRequest")),
    "HiuConsentNotify": Row("/v0.5/consents/hiu/notify", HIU, _hiu_notify),
    "OnConsentFetch": Row("/v0.5/consents/on-fetch", HIU, _fetched),
    "OnHiuHealthInformationRequest": Row(
        "/v0.5/health-information/hiu/on-request", HIU, _kept("hiRequest")
    ),
    "OnFindPatient": Row("/v0.5/patients/on-find", "", _kept("patient")),
    "LinkTokenModes": Row("/v0.5/users/auth/on-fetch-modes", "", _kept("auth")),
    "LinkTokenChallenge": Row("/v0.5/users/auth/on-init", "", _kept("auth")),
    "OnGenerateLinkToken": Row("/v0.5/users/auth/on-confirm", "", _kept("auth")),
    "LinkTokenNotify": Row("/v0.5/users/auth/notify", "", _kept("auth")),
    "PatientStatusNotify": Row("/v0.5/patients/status/notify", "", _kept("notification")),
}
