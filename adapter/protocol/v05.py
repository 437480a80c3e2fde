"""The v0.5 dialect, with the v1.0 form of profile share: one table of every message, as `v3.py`.

Many bodies are those of V3 and are read and written by the same functions. Where v0.5 asks more
(a link token by way of a challenge, an existence check before a consent request) there are messages
that V3 does not have; the flows answer them and never ask for the generation. `Invoice` is no HI
type there and is left out. Paths: NDHM's files for gateway, HIP and HIU.
"""

from __future__ import annotations

from adapter.protocol import messages as m
from adapter.protocol import v05_decode as read
from adapter.protocol import v05_encode as write
from adapter.protocol import v05_encode_hiu as write_hiu
from adapter.protocol import v3_decode as read_v3
from adapter.protocol import v3_decode_hiu as read_v3_hiu
from adapter.protocol import v3_encode as write_v3
from adapter.protocol.errors import CODES
from adapter.protocol.wire import Dialect, Inbound, Outbound

_GATEWAY = "/gateway/v0.5"
_SESSIONS_PATH = f"{_GATEWAY}/sessions"
_CERTS_PATH = f"{_GATEWAY}/certs"

#: 204: what the published file names for a transfer's notice.
_TAKEN = frozenset({200, 202, 204})


def _out(
    message: type, path: str, encode: write.Encode, answered_by: type | None = None
) -> Outbound:
    return Outbound(message, "POST", _GATEWAY + path, encode, _TAKEN, answered_by)


# fmt: off
INBOUND: tuple[Inbound, ...] = (
    Inbound(m.LinkTokenModes, "/v0.5/users/auth/on-fetch-modes",
            read.link_token_modes, m.GenerateLinkTokenRequest),
    Inbound(m.LinkTokenChallenge, "/v0.5/users/auth/on-init",
            read.link_token_challenge, m.LinkTokenInit),
    Inbound(m.OnGenerateLinkToken, "/v0.5/users/auth/on-confirm",
            read.on_generate_link_token, m.LinkTokenConfirm),
    Inbound(m.LinkTokenNotify, "/v0.5/users/auth/notify", read.link_token_notify),
    Inbound(m.OnHipLinkCareContext, "/v0.5/links/link/on-add-contexts",
            read.on_hip_link_care_context, m.HipLinkCareContextRequest),
    Inbound(m.OnCareContextNotify, "/v0.5/links/context/on-notify",
            read_v3.on_care_context_notify, m.CareContextNotifyRequest),
    Inbound(m.OnSmsNotify, "/v0.5/patients/sms/on-notify", read.on_sms_notify, m.SmsNotifyRequest),
    Inbound(m.PatientStatusNotify, "/v0.5/patients/status/notify", read.patient_status_notify),
    Inbound(m.DiscoverCareContexts, "/v0.5/care-contexts/discover", read.discover_care_contexts),
    Inbound(m.LinkInit, "/v0.5/links/link/init", read.link_init),
    Inbound(m.LinkConfirm, "/v0.5/links/link/confirm", read_v3.link_confirm),
    Inbound(m.ProfileShare, "/v0.5/patients/profile/share", read.profile_share),
    Inbound(m.HipConsentNotify, "/v0.5/consents/hip/notify", read_v3.hip_consent_notify),
    Inbound(m.HipHealthInformationRequest, "/v0.5/health-information/hip/request",
            read_v3.hip_health_information_request),
    Inbound(m.OnFindPatient, "/v0.5/patients/on-find", read.on_find_patient, m.FindPatientRequest),
    Inbound(m.OnConsentRequestInit, "/v0.5/consent-requests/on-init",
            read_v3_hiu.on_consent_request_init, m.ConsentRequestInit),
    Inbound(m.OnConsentRequestStatus, "/v0.5/consent-requests/on-status",
            read_v3_hiu.on_consent_request_status, m.ConsentRequestStatusRequest),
    Inbound(m.HiuConsentNotify, "/v0.5/consents/hiu/notify", read_v3_hiu.hiu_consent_notify),
    Inbound(m.OnConsentFetch, "/v0.5/consents/on-fetch",
            read_v3_hiu.on_consent_fetch, m.ConsentFetchRequest),
    Inbound(m.OnHiuHealthInformationRequest, "/v0.5/health-information/hiu/on-request",
            read_v3_hiu.on_hiu_health_information_request, m.HiuHealthInformationRequest),
)

OUTBOUND: tuple[Outbound, ...] = (
    _out(m.GenerateLinkTokenRequest, "/users/auth/fetch-modes", write.fetch_modes,
         m.LinkTokenModes),
    _out(m.LinkTokenInit, "/users/auth/init", write.link_token_init, m.LinkTokenChallenge),
    _out(m.LinkTokenConfirm, "/users/auth/confirm", write.link_token_confirm,
         m.OnGenerateLinkToken),
    _out(m.LinkTokenOnNotifyRequest, "/users/auth/on-notify", write.link_token_on_notify),
    _out(m.HipLinkCareContextRequest, "/links/link/add-contexts", write.hip_link_care_context,
         m.OnHipLinkCareContext),
    _out(m.CareContextNotifyRequest, "/links/context/notify", write.care_context_notify,
         m.OnCareContextNotify),
    _out(m.SmsNotifyRequest, "/patients/sms/notify2", write.sms_notify, m.OnSmsNotify),
    _out(m.PatientStatusOnNotifyRequest, "/patients/status/on-notify",
         write.patient_status_on_notify),
    _out(m.OnDiscoverRequest, "/care-contexts/on-discover", write.on_discover),
    _out(m.OnLinkInitRequest, "/links/link/on-init", write.on_link_init),
    _out(m.OnLinkConfirmRequest, "/links/link/on-confirm", write.on_link_confirm),
    _out(m.ProfileOnShareRequest, "/patients/profile/on-share", write.profile_on_share),
    _out(m.HipConsentOnNotifyRequest, "/consents/hip/on-notify", write.hip_consent_on_notify),
    _out(m.HipHealthInformationOnRequest, "/health-information/hip/on-request",
         write.hip_health_information_on_request),
    Outbound(m.HealthInformationPush, "POST", "", write_v3.health_information_push),
    _out(m.DataFlowNotifyByHip, "/health-information/notify", write.data_flow_notify_by_hip),
    _out(m.FindPatientRequest, "/patients/find", write_hiu.find_patient, m.OnFindPatient),
    _out(m.ConsentRequestInit, "/consent-requests/init", write_hiu.consent_request_init,
         m.OnConsentRequestInit),
    _out(m.ConsentRequestStatusRequest, "/consent-requests/status",
         write_hiu.consent_request_status, m.OnConsentRequestStatus),
    _out(m.HiuConsentOnNotifyRequest, "/consents/hiu/on-notify", write_hiu.hiu_consent_on_notify),
    _out(m.ConsentFetchRequest, "/consents/fetch", write_hiu.consent_fetch, m.OnConsentFetch),
    _out(m.HiuHealthInformationRequest, "/health-information/cm/request",
         write_hiu.hiu_health_information_request, m.OnHiuHealthInformationRequest),
    _out(m.DataFlowNotifyByHiu, "/health-information/notify", write_hiu.data_flow_notify_by_hiu),
)
# fmt: on


def _dialect(name: str, inbound: tuple[Inbound, ...], outbound: tuple[Outbound, ...]) -> Dialect:
    return Dialect(
        name=name,
        generation="v0.5",
        inbound=inbound,
        outbound=outbound,
        sessions_path=_SESSIONS_PATH,
        certs_path=_CERTS_PATH,
        in_body=True,
        code=lambda error: CODES[error].v05,
    )


DIALECT = _dialect("v0.5", INBOUND, OUTBOUND)

#: Profile share has a younger form of the same generation; its answer carries the number.
SHARE_DIALECT = _dialect(
    "v1.0",
    (Inbound(m.ProfileShare, "/v1.0/patients/profile/share", read.profile_share_with_intent),),
    (
        Outbound(
            m.ProfileOnShareRequest,
            "POST",
            "/gateway/v1.0/patients/profile/on-share",
            write.profile_on_share_with_number,
            _TAKEN,
        ),
    ),
)
