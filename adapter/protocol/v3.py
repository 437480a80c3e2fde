"""The V3 dialect: one table of every message, its path, and its two functions.

A new message is one dataclass in `messages.py`, one function in `v3_decode*.py` or `v3_encode*.py`
and one row here. Paths: V3 contract, message map.
"""

from __future__ import annotations

from adapter.protocol import messages as m
from adapter.protocol import v3_decode as read
from adapter.protocol import v3_decode_hiu as read_hiu
from adapter.protocol import v3_encode as write
from adapter.protocol import v3_encode_hiu as write_hiu
from adapter.protocol.errors import CODES
from adapter.protocol.wire import Dialect, Inbound, Outbound

SESSIONS_PATH = "/api/hiecm/gateway/v3/sessions"
CERTS_PATH = "/api/hiecm/gateway/v3/certs"

_LINKING = "/api/hiecm/user-initiated-linking/v3"
_CONSENT = "/api/hiecm/consent/v3"
_HIU = "/api/v3/hiu"
_DATA_FLOW = "/api/hiecm/data-flow/v3/health-information"

# fmt: off
INBOUND: tuple[Inbound, ...] = (
    Inbound(m.OnGenerateLinkToken, "/api/v3/hip/token/on-generate-token",
            read.on_generate_link_token, m.GenerateLinkTokenRequest),
    Inbound(m.OnHipLinkCareContext, "/api/v3/link/on_carecontext",
            read.on_hip_link_care_context, m.HipLinkCareContextRequest),
    Inbound(m.OnCareContextNotify, "/api/v3/links/context/on-notify",
            read.on_care_context_notify, m.CareContextNotifyRequest),
    Inbound(m.OnSmsNotify, "/api/v3/patients/sms/on-notify",
            read.on_sms_notify, m.SmsNotifyRequest),
    Inbound(m.DiscoverCareContexts, "/api/v3/hip/patient/care-context/discover",
            read.discover_care_contexts),
    Inbound(m.LinkInit, "/api/v3/hip/link/care-context/init", read.link_init),
    Inbound(m.LinkConfirm, "/api/v3/hip/link/care-context/confirm", read.link_confirm),
    Inbound(m.ProfileShare, "/api/v3/hip/patient/share", read.profile_share),
    Inbound(m.HipConsentNotify, "/api/v3/consent/request/hip/notify", read.hip_consent_notify),
    Inbound(m.HipHealthInformationRequest, "/api/v3/hip/health-information/request",
            read.hip_health_information_request),
    Inbound(m.OnConsentRequestInit, f"{_HIU}/consent/request/on-init",
            read_hiu.on_consent_request_init, m.ConsentRequestInit),
    Inbound(m.OnConsentRequestStatus, f"{_HIU}/consent/request/on-status",
            read_hiu.on_consent_request_status, m.ConsentRequestStatusRequest),
    Inbound(m.HiuConsentNotify, f"{_HIU}/consent/request/notify", read_hiu.hiu_consent_notify),
    Inbound(m.OnConsentFetch, f"{_HIU}/consent/on-fetch",
            read_hiu.on_consent_fetch, m.ConsentFetchRequest),
    Inbound(m.OnHiuHealthInformationRequest, f"{_HIU}/health-information/on-request",
            read_hiu.on_hiu_health_information_request, m.HiuHealthInformationRequest),
)

#: A page from another HIP: it comes to an address we chose, not by a path of the dialect.
PUSHED = read_hiu.health_information_push_received

OUTBOUND: tuple[Outbound, ...] = (
    Outbound(m.GenerateLinkTokenRequest, "POST", "/api/hiecm/v3/token/generate-token",
             write.generate_link_token, answered_by=m.OnGenerateLinkToken),
    Outbound(m.HipLinkCareContextRequest, "POST", "/api/hiecm/hip/v3/link/carecontext",
             write.hip_link_care_context, answered_by=m.OnHipLinkCareContext),
    Outbound(m.CareContextNotifyRequest, "POST", "/api/hiecm/hip/v3/link/context/notify",
             write.care_context_notify, answered_by=m.OnCareContextNotify),
    Outbound(m.SmsNotifyRequest, "POST", "/api/hiecm/hip/v3/link/patient/links/sms/notify2",
             write.sms_notify, answered_by=m.OnSmsNotify),
    Outbound(m.OnDiscoverRequest, "POST", f"{_LINKING}/patient/care-context/on-discover",
             write.on_discover),
    Outbound(m.OnLinkInitRequest, "POST", f"{_LINKING}/link/care-context/on-init",
             write.on_link_init),
    Outbound(m.OnLinkConfirmRequest, "POST", f"{_LINKING}/link/care-context/on-confirm",
             write.on_link_confirm),
    Outbound(m.ProfileOnShareRequest, "POST", "/api/hiecm/patient-share/v3/on-share",
             write.profile_on_share),
    Outbound(m.HipConsentOnNotifyRequest, "POST", f"{_CONSENT}/request/hip/on-notify",
             write.hip_consent_on_notify),
    Outbound(m.HipHealthInformationOnRequest, "POST", f"{_DATA_FLOW}/hip/on-request",
             write.hip_health_information_on_request),
    Outbound(m.HealthInformationPush, "POST", "", write.health_information_push),
    Outbound(m.DataFlowNotifyByHip, "POST", f"{_DATA_FLOW}/notify",
             write.data_flow_notify_by_hip),
    Outbound(m.ConsentRequestInit, "POST", f"{_CONSENT}/request/init",
             write_hiu.consent_request_init, answered_by=m.OnConsentRequestInit),
    Outbound(m.ConsentRequestStatusRequest, "POST", f"{_CONSENT}/request/status",
             write_hiu.consent_request_status, answered_by=m.OnConsentRequestStatus),
    Outbound(m.HiuConsentOnNotifyRequest, "POST", f"{_CONSENT}/request/hiu/on-notify",
             write_hiu.hiu_consent_on_notify),
    Outbound(m.ConsentFetchRequest, "POST", f"{_CONSENT}/fetch",
             write_hiu.consent_fetch, answered_by=m.OnConsentFetch),
    Outbound(m.HiuHealthInformationRequest, "POST", f"{_DATA_FLOW}/request",
             write_hiu.hiu_health_information_request,
             answered_by=m.OnHiuHealthInformationRequest),
    Outbound(m.DataFlowNotifyByHiu, "POST", f"{_DATA_FLOW}/notify",
             write_hiu.data_flow_notify_by_hiu),
)
# fmt: on

DIALECT = Dialect(
    name="v3",
    generation="v3",
    inbound=INBOUND,
    outbound=OUTBOUND,
    sessions_path=SESSIONS_PATH,
    certs_path=CERTS_PATH,
    in_body=False,
    code=lambda name: CODES[name].v3,
)
