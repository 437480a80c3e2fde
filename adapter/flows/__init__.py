"""One journey a file: what happens next when a message arrives or a step is due.

`work.py` looks an inbound message up in `HANDLERS` and calls `handle`, which may read and write
FHIR (idempotently, on derived ids) and returns a `Commit`: everything the step writes to SQL, run
in ONE transaction with finishing the inbox row (architecture 1, rule 3). `AFTER_SEND` says what
changes once the gateway took an outgoing message or refused it for good.

Flows import no Flask, requests, SQLAlchemy or fhirpy: they decide; `stores/` and `upstream/` do.
"""

from __future__ import annotations

from adapter.flows import (
    discovery,
    hip_consent,
    hip_request,
    hiu_consent,
    hiu_fetch,
    hiu_raise,
    hiu_transfer,
    link_answers,
    link_challenge,
    link_notices,
    link_tokens,
    patient_status,
    profile_share,
    sms_notice,
    user_linking,
)
from adapter.flows.handler import SENT, AfterSend, BeforeSend, Commit, Handler, Outcome
from adapter.protocol import messages as m
from adapter.stores.outbox_rows import Otp

__all__ = [
    "AFTER_SEND",
    "BEFORE_SEND",
    "HANDLERS",
    "SENT",
    "WAITED_FOR",
    "AfterSend",
    "BeforeSend",
    "Commit",
    "Handler",
    "Outcome",
]

HANDLERS: dict[type, Handler] = {
    m.DiscoverCareContexts: discovery.HANDLER,
    m.LinkInit: user_linking.INIT_HANDLER,
    m.LinkConfirm: user_linking.CONFIRM_HANDLER,
    m.OnGenerateLinkToken: link_answers.TOKEN_HANDLER,
    m.LinkTokenModes: link_challenge.MODES_HANDLER,
    m.LinkTokenChallenge: link_challenge.CHALLENGE_HANDLER,
    m.LinkTokenNotify: link_challenge.NOTIFY_HANDLER,
    m.PatientStatusNotify: patient_status.HANDLER,
    m.OnHipLinkCareContext: link_answers.LINK_HANDLER,
    m.OnCareContextNotify: link_notices.HANDLER,
    m.OnSmsNotify: sms_notice.HANDLER,
    m.ProfileShare: profile_share.HANDLER,
    m.HipConsentNotify: hip_consent.HANDLER,
    m.HipHealthInformationRequest: hip_request.HANDLER,
    m.OnFindPatient: hiu_raise.FIND_HANDLER,
    m.OnConsentRequestInit: hiu_consent.INIT_HANDLER,
    m.OnConsentRequestStatus: hiu_consent.STATUS_HANDLER,
    m.HiuConsentNotify: hiu_consent.NOTIFY_HANDLER,
    m.OnConsentFetch: hiu_fetch.HANDLER,
    m.OnHiuHealthInformationRequest: hiu_transfer.HANDLER,
}

#: Names of the messages whose replies somebody waits for.
WAITED_FOR = frozenset(kind.__name__ for kind, each in HANDLERS.items() if each.waited_for)

#: When a message may leave (None: now), looked at in the transaction that commits its attempt.
BEFORE_SEND: dict[type, BeforeSend] = {
    m.GenerateLinkTokenRequest: link_tokens.not_before,
    m.ConsentRequestInit: hiu_raise.not_before,
}

AFTER_SEND: dict[type, AfterSend] = {
    Otp: user_linking.after_otp,
    m.OnLinkConfirmRequest: user_linking.after_confirm,
    m.GenerateLinkTokenRequest: link_answers.after_generate_link_token,
    m.LinkTokenInit: link_challenge.after_init,
    m.LinkTokenConfirm: link_challenge.after_confirm,
    m.HipLinkCareContextRequest: link_answers.after_hip_link_care_context,
    m.SmsNotifyRequest: sms_notice.after_sms_notify,
    m.HipHealthInformationOnRequest: hip_request.after_on_request,
    m.FindPatientRequest: hiu_raise.after_find,
    m.ConsentRequestInit: hiu_raise.after_init,
    m.ConsentFetchRequest: hiu_fetch.after_fetch,
    m.HiuHealthInformationRequest: hiu_transfer.after_request,
}
