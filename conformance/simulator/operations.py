"""The calls the gateway serves, as one table, and how each refuses a body that does not fit.

Source: V3 contract, message map and section 13.1; x-negative cases of the contract.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from conformance.simulator import consent_manager, data_flow, gateway, linking, user_linking
from conformance.simulator.core import Call, Reply, Simulator
from conformance.simulator.errors import (
    HI_TYPES,
    INVALID_COUNT,
    INVALID_HI_TYPE,
    Refusal,
    Shape,
    empty_refusal,
    refusal,
)

Handler = Callable[[Simulator, Call], Reply]
BodyRefusal = Callable[[Any, str], Refusal]


def in_shape(shape: Shape, code: str, message: str = "") -> BodyRefusal:
    """A refusal that does not depend on what exactly is wrong."""
    return lambda _body, why: refusal(code, message, shape=shape, why=why)


def linking_refusal(body: Any, why: str) -> Refusal:
    """The linking services: empty for dashed numbers and HI type arrays, else a code."""
    number = body.get("abhaNumber") if isinstance(body, dict) else None
    if isinstance(number, str) and "-" in number:
        return empty_refusal("a dashed ABHA number")
    entries = body.get("patient") if isinstance(body, dict) else None
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and (found := _entry_refusal(entry, why)):
            return found
    return refusal("ABDM-1006", why=why)


def _entry_refusal(entry: dict[str, Any], why: str) -> Refusal | None:
    hi_type = entry.get("hiType", entry.get("hiTypes"))
    if isinstance(hi_type, list):
        return empty_refusal("an array as HI type")
    if hi_type not in HI_TYPES:
        return refusal("ABDM-1006", INVALID_HI_TYPE, why=why)
    contexts = entry.get("careContexts")
    if not isinstance(contexts, list) or not contexts:
        return refusal("ABDM-1057", why=why)
    count = entry.get("count")
    if not isinstance(count, int) or not 1 <= count <= 20:
        return refusal("ABDM-1006", INVALID_COUNT, why=why)
    if len(contexts) > 20:
        return refusal("ABDM-1059", why=why)
    return None


def consent_notice_refusal(body: Any, why: str) -> Refusal:
    """on-notify: 1006 for an array of acknowledgements, else an array of errors."""
    if isinstance(body, dict) and isinstance(body.get("acknowledgement"), list):
        return refusal("ABDM-1006", why=why)
    message = "Invalid status, Please provide a valid status"
    return refusal("ABDM-9999", message, shape="array", why=why)


_SESSION_REFUSAL = in_shape(
    "object",
    "ABDM-9999",
    "415 UNSUPPORTED_MEDIA_TYPE: send a JSON object with Content-Type application/json",
)
_PLAIN = in_shape("object", "ABDM-1006")


@dataclass(frozen=True)
class Operation:
    """One call: who answers it, what it must carry, how a bad body is refused."""

    message: str
    method: str
    path: str
    handler: Handler
    schema: str | None = None  # None: no body
    headers: tuple[str, ...] = ()  # beyond REQUEST-ID, TIMESTAMP and X-CM-ID
    authorised: bool = True
    bad_body: BodyRefusal = _PLAIN


_API = "/api/hiecm"
_GATEWAY = f"{_API}/gateway/v3"
_USER = f"{_API}/user-initiated-linking/v3"

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
        f"{_API}/consent/v3/request/hip/on-notify",
        consent_manager.on_notify,
        "HipConsentOnNotifyRequest",
        bad_body=consent_notice_refusal,
    ),
    Operation(
        "HipHealthInformationOnRequest",
        "POST",
        f"{_API}/data-flow/v3/health-information/hip/on-request",
        data_flow.on_request,
        "HipHealthInformationOnRequest",
        bad_body=in_shape("flat", "ABDM-1031"),
    ),
    Operation(
        "DataFlowNotifyByHip",
        "POST",
        f"{_API}/data-flow/v3/health-information/notify",
        data_flow.notify,
        "DataFlowNotifyByHip",
        bad_body=in_shape("flat", "ABDM-1031"),
    ),
)
