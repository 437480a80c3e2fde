"""The calls that the gateway serves in the form of v0.5, as one table, and their checks.

What V3 has too is brought into its form (`v05_calls.py`) and answered by the same rules. What
cannot be read is refused at once, `{"error": {"code": number, "message"}}`; a refusal by the rules
comes in the callback where there is one, as the consent manager stood behind the gateway. Source:
NDHM's OpenAPI files; v1 document, sections 2 and 8.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from conformance import schemas
from conformance.simulator import (
    data_flow,
    hiu_consent,
    hiu_data,
    linking,
    notices,
    share,
    user_auth,
    user_linking,
    v05_gateway,
)
from conformance.simulator import v05_calls as calls
from conformance.simulator.core import Call, Reply, Simulator
from conformance.simulator.errors import Refusal, refusal
from conformance.simulator.operations import OPERATIONS as NEWER
from conformance.simulator.operations import Handler
from conformance.simulator.state import Generation
from conformance.simulator.times import now, parse

GENERATION: Generation = "v0.5"
INVALID_BODY = "Bad Request, invalid request Body"
_BAD_BODY = {each.message: each.bad_body for each in NEWER}


@dataclass(frozen=True)
class OlderOperation:
    """One call: who answers it, what it must fit, how it is read.

    `answer`: the callback that carries a refusal, if there is one, to a service in `role`.
    `enveloped`: id and time stand in the body. `as_v3`: V3's own schema holds for what was read.
    `family`: where the schema of an enveloped message stands. Two messages may share a path;
    `fits` then tells by the body, valid or not, which one it is.
    """

    message: str
    method: str
    path: str
    handler: Handler
    schema: str | None
    read: calls.Read = calls.plain
    answer: str = ""
    role: str = "HIP"
    enveloped: bool = True
    authorised: bool = True
    as_v3: bool = False
    family: str = GENERATION
    fits: Callable[[Any], bool] = lambda _body: True


def reports_as(role: str) -> Callable[[Any], bool]:
    """Whether a report on a transfer is an HIP's or an HIU's."""

    def fits(body: Any) -> bool:
        notification = body.get("notification") if isinstance(body, dict) else None
        notifier = notification.get("notifier") if isinstance(notification, dict) else None
        return isinstance(notifier, dict) and notifier.get("type") == role

    return fits


_G = "/gateway/v0.5"
_AUTH = f"{_G}/users/auth"
_DATA = f"{_G}/health-information"


def _post(
    message: str, path: str, handler: Handler, reader: calls.Read = calls.plain, **more: Any
) -> OlderOperation:
    return OlderOperation(
        message, "POST", path, handler, **{"schema": message, **more}, read=reader
    )


# fmt: off
OPERATIONS: tuple[OlderOperation, ...] = (
    _post("SessionRequest", f"{_G}/sessions", v05_gateway.create_session,
          authorised=False, enveloped=False),
    OlderOperation("CertsGet", "GET", f"{_G}/certs", v05_gateway.certs, None,
                   authorised=False, enveloped=False),
    OlderOperation("OpenIdConfigurationGet", "GET", f"{_G}/.well-known/openid-configuration",
                   v05_gateway.openid_configuration, None, authorised=False, enveloped=False),
    OlderOperation("HeartbeatGet", "GET", f"{_G}/heartbeat", v05_gateway.heartbeat, None,
                   authorised=False, enveloped=False),
    OlderOperation("BridgeServiceGet", "GET", f"{_G}/hi-services/<service_id>",
                   v05_gateway.service_profile, None, enveloped=False),
    *(
        operation
        for base in ("/gateway/v1/bridges", "/devservice/v1/bridges")
        for operation in (
            OlderOperation("BridgeUrlUpdate", "PATCH", base, v05_gateway.update_bridge_url,
                           "BridgeUrlUpdate", enveloped=False),
            OlderOperation("BridgeServicesList", "GET", f"{base}/getServices",
                           v05_gateway.bridge_services, None, enveloped=False),
            *(
                OlderOperation("BridgeServicesUpdate", method, f"{base}/addUpdateServices",
                               v05_gateway.update_services, "BridgeServicesUpdate",
                               enveloped=False)
                for method in ("POST", "PUT")
            ),
        )
    ),
    _post("FindPatientRequest", f"{_G}/patients/find", user_auth.find, user_auth.read_find,
          answer="OnFindPatient", role="HIU"),
    _post("GenerateLinkTokenRequest", f"{_AUTH}/fetch-modes", user_auth.fetch_modes,
          user_auth.read_query, answer="LinkTokenModes"),
    _post("LinkTokenInit", f"{_AUTH}/init", user_auth.init, user_auth.read_query,
          answer="LinkTokenChallenge"),
    _post("LinkTokenConfirm", f"{_AUTH}/confirm", user_auth.confirm, user_auth.read_confirm,
          answer="OnGenerateLinkToken"),
    _post("LinkTokenOnNotifyRequest", f"{_AUTH}/on-notify", user_auth.on_notify),
    _post("PatientStatusOnNotifyRequest", f"{_G}/patients/status/on-notify",
          user_auth.on_patient_status),
    _post("HipLinkCareContextRequest", f"{_G}/links/link/add-contexts",
          linking.link_care_contexts, calls.add_contexts, answer="OnHipLinkCareContext"),
    _post("CareContextNotifyRequest", f"{_G}/links/context/notify", linking.notify_context,
          calls.notify_context, answer="OnCareContextNotify"),
    _post("SmsNotifyRequest", f"{_G}/patients/sms/notify2", linking.notify_by_sms,
          calls.notify_by_sms, answer="OnSmsNotify"),
    # The form before notify2, with a link of the hospital's own.
    _post("SmsNotifyRequest", f"{_G}/patients/sms/notify", linking.notify_by_sms,
          calls.notify_by_sms, answer="OnSmsNotify", family="v0.5-deprecated"),
    _post("ProfileOnShareRequest", f"{_G}/patients/profile/on-share", share.on_share,
          calls.on_share),
    _post("ProfileOnShareRequest", "/gateway/v1.0/patients/profile/on-share", share.on_share,
          calls.on_share, schema="ProfileOnShareRequest-v1.0"),
    _post("OnDiscoverRequest", f"{_G}/care-contexts/on-discover", user_linking.on_discover,
          calls.on_discover),
    _post("OnLinkInitRequest", f"{_G}/links/link/on-init", user_linking.on_init,
          calls.on_link_init),
    _post("OnLinkConfirmRequest", f"{_G}/links/link/on-confirm", user_linking.on_confirm,
          calls.on_link_confirm),
    _post("HipConsentOnNotifyRequest", f"{_G}/consents/hip/on-notify", notices.on_hip_notify),
    _post("HipHealthInformationOnRequest", f"{_DATA}/hip/on-request", data_flow.on_request),
    _post("DataFlowNotifyByHiu", f"{_DATA}/notify", hiu_data.notify, calls.report_as_hiu,
          fits=reports_as("HIU")),
    _post("DataFlowNotifyByHip", f"{_DATA}/notify", data_flow.notify),
    _post("ConsentRequestInit", f"{_G}/consent-requests/init", hiu_consent.init,
          calls.consent_init, answer="OnConsentRequestInit", role="HIU", as_v3=True),
    _post("ConsentRequestStatusRequest", f"{_G}/consent-requests/status", hiu_consent.status,
          calls.consent_status, answer="OnConsentRequestStatus", role="HIU", as_v3=True),
    _post("HiuConsentOnNotifyRequest", f"{_G}/consents/hiu/on-notify", notices.on_hiu_notify),
    _post("ConsentFetchRequest", f"{_G}/consents/fetch", hiu_consent.fetch, calls.consent_fetch,
          answer="OnConsentFetch", role="HIU", as_v3=True),
    _post("HiuHealthInformationRequest", f"{_DATA}/cm/request", hiu_data.request,
          calls.data_request, answer="OnHiuHealthInformationRequest", role="HIU", as_v3=True),
)
# fmt: on


def by_path() -> dict[tuple[str, str], list[OlderOperation]]:
    """The operations grouped by method and path, in the order of the table."""
    grouped: dict[tuple[str, str], list[OlderOperation]] = {}
    for operation in OPERATIONS:
        grouped.setdefault((operation.method, operation.path), []).append(operation)
    return grouped


def picker(operations: list[OlderOperation]) -> Callable[[Any], OlderOperation]:
    """Which of the operations on one path a body is for."""
    return lambda body: next((one for one in operations if one.fits(body)), operations[0])


def answered(
    simulator: Simulator,
    operation: OlderOperation,
    headers: dict[str, str],
    raw: bytes,
    **arguments: str,
) -> Reply:
    """The reply to a call; else raises a Refusal in the shape of this generation.

    `arguments`: the variables of the path.
    """
    try:
        client_id, body = _checked(simulator, operation, headers, raw)
        return _handled(simulator, operation, client_id, body, arguments)
    except Refusal as refused:
        refused.shape = "older"
        raise


def _checked(
    simulator: Simulator, operation: OlderOperation, headers: dict[str, str], raw: bytes
) -> tuple[str, Any]:
    client_id = _authorised(simulator, operation, headers)
    body: Any = _body(operation, raw) if operation.schema else None
    if operation.enveloped:
        if headers.get("X-CM-ID") != simulator.config.cm_id:
            raise refusal("ABDM-2403")
        offset = abs(parse(body["timestamp"]) - now())
        if offset > timedelta(seconds=simulator.config.timestamp_tolerance):
            raise refusal("ABDM-2402", why=f"the timestamp is off by {offset}")
        try:
            simulator.use_request_id(client_id, body["requestId"], GENERATION)
        except Refusal as repeated:
            repeated.status = 429
            raise
    return client_id, body


def _authorised(simulator: Simulator, operation: OlderOperation, headers: dict[str, str]) -> str:
    if not operation.authorised:
        return ""
    value = headers.get("AUTHORIZATION", "")
    client_id = simulator.realm_of(GENERATION).client_of(value.removeprefix("Bearer "))
    with simulator.state.changed:
        known = client_id in simulator.state.bridges
    if client_id is None or not known:
        raise refusal("900901", status=401, why="the token is missing or not valid (any more)")
    return client_id


def _body(operation: OlderOperation, raw: bytes) -> Any:
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise refusal("ABDM-2500", INVALID_BODY, why="unreadable JSON") from error
    family = operation.family if operation.enveloped else "v0.5-bridge"
    wrong = schemas.problems(operation.schema or "", body, family)
    if wrong:
        raise refusal("ABDM-2500", INVALID_BODY, why="; ".join(wrong))
    return body


def _handled(
    simulator: Simulator,
    operation: OlderOperation,
    client_id: str,
    body: Any,
    arguments: dict[str, str],
) -> Reply:
    if not operation.enveloped:
        call = Call(operation.message, client_id, "", {}, body, arguments)
        return operation.handler(simulator, call)
    headers: dict[str, str] = {}
    try:
        headers, made = operation.read(simulator, client_id, body)
        if operation.as_v3 and (wrong := schemas.problems(operation.message, made)):
            raise _BAD_BODY[operation.message](made, "; ".join(wrong))
        request_id = body["requestId"]
        call = Call(operation.message, client_id, request_id, headers, made, {})
        operation.handler(simulator, call)
        return Reply()
    except Refusal as refused:
        service_id = _whom(simulator, client_id, headers, operation.role)
        if not operation.answer or not service_id:
            raise
        error = {"code": refused.code, "message": refused.message or refused.why}
        told = {"error": error, "response": {"requestId": body["requestId"]}}
        simulator.callbacks.send(operation.answer, service_id, told, generation=GENERATION)
        return Reply()


def _whom(simulator: Simulator, client_id: str, headers: dict[str, str], role: str) -> str:
    """The caller's service that a call names, else any in the role; empty if there is none."""
    for name, stated in (("X-HIP-ID", "HIP"), ("X-HIU-ID", "HIU")):
        if headers.get(name) in calls.services_of(simulator.state, client_id, stated):
            return headers[name]
    return next(iter(calls.services_of(simulator.state, client_id, role)), "")
