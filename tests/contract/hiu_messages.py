"""The messages of `conformance/samples/v3` that a HIU writes and reads, as our dataclasses."""

from typing import Any

from adapter.protocol import messages as m
from tests.contract.samples import (
    ADDRESS,
    CONSENT,
    CONSENT_REQUEST,
    HIP,
    TRANSFER,
    VISIT,
    at,
    sample,
)

DATES = m.DateRange(at("2026-01-01T00:00:00"), at("2026-11-01T00:00:00"))
PERMISSION = m.Permission(
    "VIEW", DATES, at("2027-01-31T18:30:00"), m.Frequency(unit="HOUR", value=1, repeats=0)
)
KEY = sample("HiuHealthInformationRequest")["hiRequest"]["keyMaterial"]

WRITTEN: dict[str, Any] = {
    "ConsentRequestInit": m.ConsentRequestInit(
        "CAREMGT",
        "Care Management",
        ADDRESS,
        m.Requester("Dr. Farah Khan", "REGNO", "MMC-30117", "https://www.council.example.in"),
        ("OPConsultation", "Prescription"),
        PERMISSION,
        hip_id=HIP,
    ),
    "ConsentRequestStatusRequest": m.ConsentRequestStatusRequest(CONSENT_REQUEST),
    "HiuConsentOnNotifyRequest": m.HiuConsentOnNotifyRequest((CONSENT,)),
    "ConsentFetchRequest": m.ConsentFetchRequest(CONSENT),
    "HiuHealthInformationRequest": m.HiuHealthInformationRequest(
        CONSENT,
        DATES,
        "https://hiu.example.in/push/7Jm2rKq0sYv1",
        m.KeyMaterial(KEY["dhPublicKey"]["keyValue"], KEY["nonce"], at("2026-12-01T06:00:00")),
    ),
    "DataFlowNotifyByHiu": m.DataFlowNotifyByHiu(
        CONSENT,
        TRANSFER,
        at("2026-11-02T04:12:00"),
        HIP,
        (m.ContextStatus(VISIT, True, "Data received"),),
    ),
}

READ: dict[str, Any] = {
    "OnConsentRequestInit": m.OnConsentRequestInit(CONSENT_REQUEST, None),
    "OnConsentRequestInit.error": m.OnConsentRequestInit(
        None, m.ErrorObject("ABDM-1040", "Invalid HIU ID")
    ),
    "OnConsentRequestStatus": m.OnConsentRequestStatus(
        CONSENT_REQUEST, "GRANTED", (CONSENT,), None
    ),
    "OnConsentRequestStatus.error": m.OnConsentRequestStatus(
        None, None, (), m.ErrorObject("ABDM-1001", "No data found")
    ),
    "HiuConsentNotify": m.HiuConsentNotify(CONSENT_REQUEST, "GRANTED", None, (CONSENT,)),
    "HiuConsentNotify.denied": m.HiuConsentNotify(CONSENT_REQUEST, "DENIED", None, ()),
    "OnConsentFetch": None,
    "OnConsentFetch.revoked": m.OnConsentFetch("REVOKED", None, None, None),
    "OnHiuHealthInformationRequest": m.OnHiuHealthInformationRequest(TRANSFER, "REQUESTED", None),
    "OnHiuHealthInformationRequest.error": m.OnHiuHealthInformationRequest(
        None, None, m.ErrorObject("ABDM-1061", "Consent artefact expired")
    ),
}

#: Fields that a message must have, and values that none may have (a UUID, a state, …).
REQUIRED = [
    ("OnConsentRequestInit", "consentRequest"),
    ("OnConsentRequestInit", "consentRequest.id"),
    ("OnConsentRequestInit", "response"),
    ("OnConsentRequestStatus", "consentRequest.status"),
    ("HiuConsentNotify", "notification.consentRequestId"),
    ("HiuConsentNotify", "notification.status"),
    ("OnConsentFetch", "consent.status"),
    ("OnConsentFetch", "consent.consentDetail"),
    ("OnConsentFetch", "consent.consentDetail.permission.dataEraseAt"),
    ("OnConsentFetch", "response"),
    ("OnHiuHealthInformationRequest", "hiRequest.transactionId"),
]
WRONG: list[tuple[str, str, Any]] = [
    ("OnConsentRequestInit", "consentRequest.id", "not-a-uuid-9876543210"),
    ("OnConsentRequestStatus", "consentRequest.status", "9876543210"),
    ("HiuConsentNotify", "notification.status", "9876543210"),
    ("HiuConsentNotify", "notification.consentArtefacts", "9876543210"),
    ("OnConsentFetch", "consent.consentDetail.patient", "9876543210"),
]
