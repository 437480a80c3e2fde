"""The V3 dialect: one table of every message, its path, and its two functions.

A new message is one dataclass in `messages.py`, one function in `v3_decode.py` or `v3_encode.py`
and one row here. Paths: V3 contract, message map.
"""

from __future__ import annotations

from adapter.protocol import messages as m
from adapter.protocol import v3_decode as read
from adapter.protocol import v3_encode as write
from adapter.protocol.wire import Inbound, Outbound

SESSIONS_PATH = "/api/hiecm/gateway/v3/sessions"
CERTS_PATH = "/api/hiecm/gateway/v3/certs"

_LINKING = "/api/hiecm/user-initiated-linking/v3"
_DATA_FLOW = "/api/hiecm/data-flow/v3/health-information"

# fmt: off
INBOUND: tuple[Inbound, ...] = (
    Inbound(m.OnGenerateLinkToken, "/api/v3/hip/token/on-generate-token",
            read.on_generate_link_token, m.GenerateLinkTokenRequest),
    Inbound(m.OnHipLinkCareContext, "/api/v3/link/on_carecontext",
            read.on_hip_link_care_context, m.HipLinkCareContextRequest),
    Inbound(m.OnCareContextNotify, "/api/v3/links/context/on-notify",
            read.on_care_context_notify, m.CareContextNotifyRequest),
    Inbound(m.DiscoverCareContexts, "/api/v3/hip/patient/care-context/discover",
            read.discover_care_contexts),
    Inbound(m.LinkInit, "/api/v3/hip/link/care-context/init", read.link_init),
    Inbound(m.LinkConfirm, "/api/v3/hip/link/care-context/confirm", read.link_confirm),
    Inbound(m.HipConsentNotify, "/api/v3/consent/request/hip/notify", read.hip_consent_notify),
    Inbound(m.HipHealthInformationRequest, "/api/v3/hip/health-information/request",
            read.hip_health_information_request),
)

OUTBOUND: tuple[Outbound, ...] = (
    Outbound(m.GenerateLinkTokenRequest, "POST", "/api/hiecm/v3/token/generate-token",
             write.generate_link_token, answered_by=m.OnGenerateLinkToken),
    Outbound(m.HipLinkCareContextRequest, "POST", "/api/hiecm/hip/v3/link/carecontext",
             write.hip_link_care_context, answered_by=m.OnHipLinkCareContext),
    Outbound(m.CareContextNotifyRequest, "POST", "/api/hiecm/hip/v3/link/context/notify",
             write.care_context_notify, answered_by=m.OnCareContextNotify),
    Outbound(m.OnDiscoverRequest, "POST", f"{_LINKING}/patient/care-context/on-discover",
             write.on_discover),
    Outbound(m.OnLinkInitRequest, "POST", f"{_LINKING}/link/care-context/on-init",
             write.on_link_init),
    Outbound(m.OnLinkConfirmRequest, "POST", f"{_LINKING}/link/care-context/on-confirm",
             write.on_link_confirm),
    Outbound(m.HipConsentOnNotifyRequest, "POST", "/api/hiecm/consent/v3/request/hip/on-notify",
             write.hip_consent_on_notify),
    Outbound(m.HipHealthInformationOnRequest, "POST", f"{_DATA_FLOW}/hip/on-request",
             write.hip_health_information_on_request),
    Outbound(m.HealthInformationPush, "POST", "", write.health_information_push),
    Outbound(m.DataFlowNotifyByHip, "POST", f"{_DATA_FLOW}/notify",
             write.data_flow_notify_by_hip),
)
# fmt: on
