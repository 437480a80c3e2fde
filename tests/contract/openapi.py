"""NDHM's OpenAPI files as JSON Schemas, where they lie beside the project; it does without them.

Faults of theirs are relaxed by name: `Error.code` is any integer, not one of two examples; two
members are required that are described nowhere (UNDESCRIBED). The HI types lack `Invoice`, so
messages leave it out.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

import conformance

FOLDER = Path(next(iter(conformance.__path__))).parents[1] / "shared" / "abdm" / "openapi"

#: Which file and path (below /v0.5, or with its own version) describe a message.
_HIP, _HIU, _GATEWAY = "ndhm-hip", "ndhm-hiu", "ndhm-gateway-v1"
PATHS: dict[str, tuple[str, str]] = {
    "GenerateLinkTokenRequest": (_HIP, "/v0.5/users/auth/fetch-modes"),
    "LinkTokenModes": (_HIP, "/v0.5/users/auth/on-fetch-modes"),
    "LinkTokenInit": (_HIP, "/v0.5/users/auth/init"),
    "LinkTokenChallenge": (_HIP, "/v0.5/users/auth/on-init"),
    # The HIP's file has the OTP only, the gateway's demographics too.
    "LinkTokenConfirm": (_GATEWAY, "/v0.5/users/auth/confirm"),
    "OnGenerateLinkToken": (_GATEWAY, "/v0.5/users/auth/on-confirm"),
    "LinkTokenNotify": (_HIP, "/v0.5/users/auth/notify"),
    "LinkTokenOnNotifyRequest": (_HIP, "/v0.5/users/auth/on-notify"),
    "HipLinkCareContextRequest": (_HIP, "/v0.5/links/link/add-contexts"),
    "OnHipLinkCareContext": (_HIP, "/v0.5/links/link/on-add-contexts"),
    "CareContextNotifyRequest": (_HIP, "/v0.5/links/context/notify"),
    "OnCareContextNotify": (_HIP, "/v0.5/links/context/on-notify"),
    "PatientStatusNotify": (_HIP, "/v0.5/patients/status/notify"),
    "PatientStatusOnNotifyRequest": (_HIP, "/v0.5/patients/status/on-notify"),
    "DiscoverCareContexts": (_HIP, "/v0.5/care-contexts/discover"),
    "OnDiscoverRequest": (_HIP, "/v0.5/care-contexts/on-discover"),
    "LinkInit": (_HIP, "/v0.5/links/link/init"),
    "OnLinkInitRequest": (_HIP, "/v0.5/links/link/on-init"),
    "LinkConfirm": (_HIP, "/v0.5/links/link/confirm"),
    "OnLinkConfirmRequest": (_HIP, "/v0.5/links/link/on-confirm"),
    "ProfileShare": (_HIP, "/v0.5/patients/profile/share"),
    "ProfileShare-v1.0": (_HIP, "/v1.0/patients/profile/share"),
    "ProfileOnShareRequest": (_HIP, "/v0.5/patients/profile/on-share"),
    "ProfileOnShareRequest-v1.0": (_HIP, "/v1.0/patients/profile/on-share"),
    "SmsNotifyRequest": (_HIP, "/v0.5/patients/sms/notify2"),
    "SmsNotifyRequest-deprecated": (_HIP, "/v0.5/patients/sms/notify"),
    "OnSmsNotify": (_HIP, "/v0.5/patients/sms/on-notify"),
    # The gateway's file: the HIP's own asks for a member (grantAcknowledgement) of CM's side.
    "HipConsentNotify": (_GATEWAY, "/v0.5/consents/hip/notify"),
    "HipConsentOnNotifyRequest": (_HIP, "/v0.5/consents/hip/on-notify"),
    "HipHealthInformationRequest": (_HIP, "/v0.5/health-information/hip/request"),
    "HipHealthInformationOnRequest": (_HIP, "/v0.5/health-information/hip/on-request"),
    "HealthInformationPush": (_HIP, "/v0.5/health-information/transfer"),
    "DataFlowNotifyByHip": (_HIP, "/v0.5/health-information/notify"),
    "FindPatientRequest": (_HIU, "/v0.5/patients/find"),
    "OnFindPatient": (_HIU, "/v0.5/patients/on-find"),
    "ConsentRequestInit": (_HIU, "/v0.5/consent-requests/init"),
    "OnConsentRequestInit": (_HIU, "/v0.5/consent-requests/on-init"),
    "ConsentRequestStatusRequest": (_HIU, "/v0.5/consent-requests/status"),
    "OnConsentRequestStatus": (_HIU, "/v0.5/consent-requests/on-status"),
    "HiuConsentNotify": (_HIU, "/v0.5/consents/hiu/notify"),
    "HiuConsentOnNotifyRequest": (_HIU, "/v0.5/consents/hiu/on-notify"),
    "ConsentFetchRequest": (_HIU, "/v0.5/consents/fetch"),
    "OnConsentFetch": (_HIU, "/v0.5/consents/on-fetch"),
    "HiuHealthInformationRequest": (_HIU, "/v0.5/health-information/cm/request"),
    "OnHiuHealthInformationRequest": (_HIU, "/v0.5/health-information/hiu/on-request"),
    "DataFlowNotifyByHiu": (_HIU, "/v0.5/health-information/notify"),
}

#: Required by a schema that does not describe them, so nobody can know what to put there.
UNDESCRIBED = {
    "PatientAuthNotification": "transactionId",
    "ConsentRequest": "consentNotificationUrl",
}


def problems(name: str, body: object) -> list[str]:
    """Where `body` departs from the published description of the message `name`."""
    file, path = PATHS[name]
    way = f"urn:{file}#/paths/{path.replace('~', '~0').replace('/', '~1')}/post/requestBody"
    validator = Draft202012Validator({"$ref": _body(file, path, way)}, registry=_registry(file))
    return [
        f"{list(error.absolute_path)}: {error.message}" for error in validator.iter_errors(body)
    ]


def paths(file: str) -> frozenset[str]:
    """Every path that a file describes."""
    return frozenset(_document(file)["paths"])


def reply_problems(file: str, path: str, body: object) -> list[str]:
    """Where the reply to a GET departs from its published description."""
    way = f"urn:{file}#/paths/{path.replace('/', '~1')}/get/responses/200"
    schema = {"$ref": f"{way}/content/application~1json/schema"}
    validator = Draft202012Validator(schema, registry=_registry(file))
    return [
        f"{list(error.absolute_path)}: {error.message}" for error in validator.iter_errors(body)
    ]


def _body(file: str, path: str, way: str) -> str:
    stated = _document(file)["paths"][path]["post"]["requestBody"]
    if "$ref" in stated:
        way = f"urn:{file}{stated['$ref']}"
        stated = _document(file)
        for step in way.partition("#/")[2].split("/"):
            stated = stated[step]
    media = next(iter(stated["content"]))
    return f"{way}/content/{media.replace('/', '~1')}/schema"


@cache
def _document(file: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((FOLDER / f"{file}.yml").read_text("utf-8"))
    schemas = document["components"]["schemas"]
    schemas["Error"]["properties"]["code"] = {"type": "integer"}
    for name, member in UNDESCRIBED.items():
        for schema in _objects(schemas.get(name, {})):
            if member in schema.get("required", ()) and member not in schema["properties"]:
                schema["required"].remove(member)
    return document


def _objects(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The schema and those of its members that stand in it."""
    yield schema
    for member in schema.get("properties", {}).values():
        yield from _objects(member)


@cache
def _registry(file: str) -> Registry[Any]:
    resource = DRAFT202012.create_resource(_document(file))
    return Registry().with_resource(f"urn:{file}", resource)
