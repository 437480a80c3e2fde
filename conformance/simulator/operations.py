"""The calls the gateway serves, as one table. Source: V3 contract, message map."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from conformance.simulator import (
    data_flow,
    gateway,
    hiu_consent,
    hiu_data,
    linking,
    notices,
    share,
    user_linking,
)
from conformance.simulator.body_refusals import (
    BodyRefusal,
    consent_notice_refusal,
    consent_request_refusal,
    hiu_notice_refusal,
    in_shape,
    linking_refusal,
)
from conformance.simulator.core import Call, Reply, Simulator

Handler = Callable[[Simulator, Call], Reply]

_SESSION_REFUSAL = in_shape(
    "object",
    "ABDM-9999",
    "415 UNSUPPORTED_MEDIA_TYPE: send a JSON object with Content-Type application/json",
)
_PLAIN = in_shape("object", "ABDM-1006")
_FLAT = in_shape("flat", "ABDM-1031")


@dataclass(frozen=True)
class Operation:
    """One call: who answers it, what it must carry, how a bad body is refused.

    Two messages may share a path; `fits` then tells by the body, valid or not, which one it is.
    """

    message: str
    method: str
    path: str
    handler: Handler
    schema: str | None = None  # None: no body
    headers: tuple[str, ...] = ()  # beyond REQUEST-ID, TIMESTAMP and X-CM-ID
    authorised: bool = True
    bad_body: BodyRefusal = _PLAIN
    fits: Callable[[Any], bool] = lambda _body: True


def _reports_as_hiu(body: Any) -> bool:
    notification = body.get("notification") if isinstance(body, dict) else None
    notifier = notification.get("notifier") if isinstance(notification, dict) else None
    return isinstance(notifier, dict) and notifier.get("type") == "HIU"


_API = "/api/hiecm"
_GATEWAY = f"{_API}/gateway/v3"
_USER = f"{_API}/user-initiated-linking/v3"
_CONSENT = f"{_API}/consent/v3"
_DATA = f"{_API}/data-flow/v3/health-information"

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "SessionRequest",
        "POST",
        f"{_GATEWAY}/sessions",
        gateway.create_session,
        "SessionRequest",
        authorised=False,
        bad_body=_SESSION_REFUSAL,
    ),
    Operation("CertsGet", "GET", f"{_GATEWAY}/certs", gateway.certs, authorised=False),
    Operation(
        "OpenIdConfigurationGet",
        "GET",
        f"{_GATEWAY}/.well-known/openid-configuration",
        gateway.openid_configuration,
        authorised=False,
    ),
    Operation(
        "BridgeUrlUpdate",
        "PATCH",
        f"{_GATEWAY}/bridge/url",
        gateway.update_bridge_url,
        "BridgeUrlUpdate",
    ),
    Operation("BridgeServicesList", "GET", f"{_GATEWAY}/bridge-services", gateway.bridge_services),
    Operation(
        "BridgeServiceGet",
        "GET",
        f"{_GATEWAY}/bridge-service/serviceId/<service_id>",
        gateway.bridge_service,
    ),
    Operation(
        "GenerateLinkTokenRequest",
        "POST",
        f"{_API}/v3/token/generate-token",
        linking.generate_token,
        "GenerateLinkTokenRequest",
        ("X-HIP-ID",),
        bad_body=linking_refusal,
    ),
    Operation(
        "HipLinkCareContextRequest",
        "POST",
        f"{_API}/hip/v3/link/carecontext",
        linking.link_care_contexts,
        "HipLinkCareContextRequest",
        ("X-HIP-ID", "X-LINK-TOKEN"),
        bad_body=linking_refusal,
    ),
    Operation(
        "CareContextNotifyRequest",
        "POST",
        f"{_API}/hip/v3/link/context/notify",
        linking.notify_context,
        "CareContextNotifyRequest",
        ("X-HIP-ID",),
    ),
    Operation(
        "SmsNotifyRequest",
        "POST",
        f"{_API}/hip/v3/link/patient/links/sms/notify2",
        linking.notify_by_sms,
        "SmsNotifyRequest",
    ),
    Operation(
        "ProfileOnShareRequest",
        "POST",
        f"{_API}/patient-share/v3/on-share",
        share.on_share,
        "ProfileOnShareRequest",
    ),
    Operation(
        "OnDiscoverRequest",
        "POST",
        f"{_USER}/patient/care-context/on-discover",
        user_linking.on_discover,
        "OnDiscoverRequest",
        bad_body=linking_refusal,
    ),
    Operation(
        "OnLinkInitRequest",
        "POST",
        f"{_USER}/link/care-context/on-init",
        user_linking.on_init,
        "OnLinkInitRequest",
    ),
    Operation(
        "OnLinkConfirmRequest",
        "POST",
        f"{_USER}/link/care-context/on-confirm",
        user_linking.on_confirm,
        "OnLinkConfirmRequest",
        bad_body=linking_refusal,
    ),
    Operation(
        "HipConsentOnNotifyRequest",
        "POST",
        f"{_CONSENT}/request/hip/on-notify",
        notices.on_hip_notify,
        "HipConsentOnNotifyRequest",
        bad_body=consent_notice_refusal,
    ),
    Operation(
        "HipHealthInformationOnRequest",
        "POST",
        f"{_DATA}/hip/on-request",
        data_flow.on_request,
        "HipHealthInformationOnRequest",
        bad_body=_FLAT,
    ),
    Operation(
        "DataFlowNotifyByHiu",
        "POST",
        f"{_DATA}/notify",
        hiu_data.notify,
        "DataFlowNotifyByHiu",
        bad_body=_FLAT,
        fits=_reports_as_hiu,
    ),
    Operation(
        "DataFlowNotifyByHip",
        "POST",
        f"{_DATA}/notify",
        data_flow.notify,
        "DataFlowNotifyByHip",
        bad_body=_FLAT,
    ),
    Operation(
        "ConsentRequestInit",
        "POST",
        f"{_CONSENT}/request/init",
        hiu_consent.init,
        "ConsentRequestInit",
        bad_body=consent_request_refusal,
    ),
    Operation(
        "ConsentRequestStatusRequest",
        "POST",
        f"{_CONSENT}/request/status",
        hiu_consent.status,
        "ConsentRequestStatusRequest",
        ("X-HIU-ID",),
        bad_body=in_shape("array", "ABDM-9999", hiu_consent.INVALID_REQUEST_ID),
    ),
    Operation(
        "HiuConsentOnNotifyRequest",
        "POST",
        f"{_CONSENT}/request/hiu/on-notify",
        notices.on_hiu_notify,
        "HiuConsentOnNotifyRequest",
        bad_body=hiu_notice_refusal,
    ),
    Operation(
        "ConsentFetchRequest",
        "POST",
        f"{_CONSENT}/fetch",
        hiu_consent.fetch,
        "ConsentFetchRequest",
        ("X-HIU-ID",),
        bad_body=in_shape("array", "ABDM-9999", hiu_consent.INVALID_ARTEFACT_ID),
    ),
    Operation(
        "HiuHealthInformationRequest",
        "POST",
        f"{_DATA}/request",
        hiu_data.request,
        "HiuHealthInformationRequest",
        ("X-HIU-ID",),
        bad_body=_FLAT,
    ),
    Operation(
        "HealthInformationRequestStatusGet",
        "GET",
        f"{_DATA}/request/status/<transaction_id>",
        hiu_data.status,
    ),
)


def by_path() -> dict[tuple[str, str], list[Operation]]:
    """The operations grouped by method and path, in the order of the table."""
    grouped: dict[tuple[str, str], list[Operation]] = {}
    for operation in OPERATIONS:
        grouped.setdefault((operation.method, operation.path), []).append(operation)
    return grouped
