"""Every error the adapter raises on purpose, and the number each has in each dialect.

    AdapterError
      RequestError        answered at the edge, nothing stored: MalformedRequest, ConflictingReplay,
                          Unauthenticated, Forbidden, NotFound, Conflict, TooMany,
                          TransferOver, ConsentOver, DependencyUnavailable
      ProtocolError       a flow refuses; becomes `error` in the on-… reply
      UpstreamError       RetryLater | SessionExpired | LinkTokenRefused | AlreadyDone |
                          ClockRejected | Rejected
      FhirError           FhirUnavailable (retry; FhirConflict: after reading again;
                          FhirUncertain: it may have been done) |
                          FhirRejected (our bug or bad data: dead letter)
      IllegalTransition   recorded and ignored

The published V3 lists disagree about several numbers (1010, 1035, 1056, 1061-1064), so flows raise
classes and the number is data: `CODES`. Messages to others come from that table, never from an
exception's text; an exception's own text is for the operator and holds no personal data.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


class AdapterError(Exception):
    """Base of every error raised on purpose."""


class RequestError(AdapterError):
    """Refused at the edge before anything is stored; `sentence` may be shown to the caller."""

    def __init__(self, sentence: str = "") -> None:
        super().__init__(sentence or CODES[type(self).__name__].message)
        self.sentence = str(self)


class MalformedRequest(RequestError):
    """The body or a header cannot be read; the sentence names the field."""


class ConflictingReplay(RequestError):
    """A REQUEST-ID came again with another body."""


class Unauthenticated(RequestError):
    """No valid credential."""


class Forbidden(RequestError):
    """A valid credential that may not do this."""


class NotFound(RequestError):
    """No such thing, or none that this key may see."""


class Conflict(RequestError):
    """Not in the present state: another step comes first, or another record has it already."""


class TooMany(RequestError):
    """Asked too often; the sentence says when the next attempt is allowed."""


class TransferOver(RequestError):
    """A page came for a transfer that takes none any more: its consent or its time has ended."""


class ConsentOver(RequestError):
    """Records whose consent is not in force; the sentence says why and since when."""


class DependencyUnavailable(RequestError):
    """Something this answer needs cannot be reached now; try again."""


class ProtocolError(AdapterError):
    """A flow refuses. The class decides the code; `sentence` is for the operator only."""

    def __init__(self, sentence: str = "") -> None:
        super().__init__(sentence or CODES[type(self).__name__].message)
        self.sentence = str(self)


class UnknownFacility(ProtocolError):
    """The HIP id names no facility served here."""


class PatientNotFound(ProtocolError):
    """No patient fits."""


class MultiplePatients(ProtocolError):
    """More than one patient fits; none may be guessed."""


class NoUnlinkedCareContexts(ProtocolError):
    """The patient was found, but every care context is linked already, or there is none."""


class CareContextNotFound(ProtocolError):
    """A care context was named that was not offered, does not exist, or is another's."""


class LinkSessionNotFound(ProtocolError):
    """No linking transaction by this id."""


class LinkSessionExpired(ProtocolError):
    """The linking transaction has lapsed; discover again."""


class OtpInvalid(ProtocolError):
    """The one-time password does not match."""


class OtpExpired(ProtocolError):
    """The one-time password has expired; start linking again."""


class OtpLocked(ProtocolError):
    """Five wrong one-time passwords; start linking again."""


class OtpNotSent(ProtocolError):
    """No mobile number is on record, or the message could not be handed over."""


class ShareNotSupported(ProtocolError):
    """A share with an intent that this hospital has no use for; only profiles are taken."""


class ConsentNotFound(ProtocolError):
    """No artefact by this id."""


class ConsentNotGranted(ProtocolError):
    """The artefact is not in state GRANTED, or does not cover this HIP."""


class ConsentExpired(ProtocolError):
    """The artefact's erase date has passed."""


class ConsentRevoked(ProtocolError):
    """The patient withdrew the consent."""


class DateRangeNotPermitted(ProtocolError):
    """The request's dates are not inside the artefact's."""


class KeyMaterialInvalid(ProtocolError):
    """The peer's public key or nonce cannot be used."""


class PushUrlRefused(ProtocolError):
    """The push URL is not https, or leads to a private address."""


class RequestNotServable(ProtocolError):
    """A dependency stayed away until the reply's deadline."""


class Unexpected(ProtocolError):
    """A fault of ours; the log has the exception under the same request id."""


class UpstreamError(AdapterError):
    """The gateway or another service refused or failed; `code` is its own, if it gave one."""

    def __init__(self, sentence: str, *, code: str | None = None, status: int | None = None):
        super().__init__(sentence)
        self.sentence = sentence
        self.code = code
        self.status = status


class RetryLater(UpstreamError):
    """Worth another attempt; not before `after` where that is given."""

    def __init__(
        self,
        sentence: str,
        *,
        code: str | None = None,
        status: int | None = None,
        after: timedelta | None = None,
    ):
        super().__init__(sentence, code=code, status=status)
        self.after = after


class AskedAlready(RetryLater):
    """ABDM remembers an earlier request for a link token and does not answer this one (1092)."""


class SessionExpired(UpstreamError):
    """The bearer token was refused and has been dropped: try once more, with a new REQUEST-ID.

    Refused again with a fresh token, it is no token problem, and the refusal is final.
    """


class LinkTokenRefused(UpstreamError):
    """The link token is not accepted (1026, 1038, 1062, 1063, 1066): get a new one, once."""


class AlreadyDone(UpstreamError):
    """The other side has this already (1056 linked, 1090, duplicates): counts as success."""


class ClockRejected(UpstreamError):
    """Our TIMESTAMP was refused: this machine's clock is off."""


class Rejected(UpstreamError):
    """Refused for good: a dead letter with the reason."""


class AddressBlocked(Rejected):
    """ABDM blocks this ABHA address for 24 hours (1027)."""


class AbhaDeactivated(Rejected):
    """The holder has deactivated this ABHA (1134, 1216, 1308, 1407)."""


class FhirError(AdapterError):
    """The FHIR server failed or refused."""


class FhirUnavailable(FhirError):
    """Not reachable, timed out or 5xx: try again."""


class FhirUncertain(FhirUnavailable):
    """No answer came to a request that may have arrived: it may have been done, or still be."""


class FhirConflict(FhirUnavailable):
    """409: somebody else wrote one of these records meanwhile. Read again, then try again."""


class FhirRejected(FhirError):
    """Refused with 4xx: our bug or bad data; the text is the server's diagnostics, shortened."""


class IllegalTransition(AdapterError):
    """A state machine forbids this move: recorded, audited and ignored."""


@dataclass(frozen=True)
class Code:
    """One error towards others: its code in V3 and in v0.5, HTTP status at the edge, the words
    ABDM gets. `source`: of the V3 code; v0.5's schema names two codes only, so those are what the
    parties of that generation really send (architecture 8)."""

    v3: str
    v05: int
    http: int
    message: str
    source: str


_CATALOGUE = "V3 contract 13.3"

CODES: dict[str, Code] = {
    "MalformedRequest": Code("ABDM-1031", 1000, 400, "Invalid request", _CATALOGUE),
    "ConflictingReplay": Code("ABDM-1030", 3429, 400, "Invalid request ID", _CATALOGUE),
    "Unauthenticated": Code("ABDM-1066", 3401, 401, "Invalid JWT token", _CATALOGUE),
    "Forbidden": Code("ABDM-1066", 3401, 403, "Not permitted", _CATALOGUE),
    "NotFound": Code("ABDM-1001", 3404, 404, "No data found", _CATALOGUE),
    "Conflict": Code("ABDM-2406", 1000, 409, "Not in the present state", "M0 and M1, section 6.1"),
    "TooMany": Code("ABDM-1100", 3429, 429, "Too many attempts", "M0 and M1, section 6.1"),
    "TransferOver": Code("ABDM-1061", 3416, 410, "Consent artefact expired", _CATALOGUE),
    "ConsentOver": Code("ABDM-1061", 3416, 403, "Consent artefact expired", _CATALOGUE),
    "DependencyUnavailable": Code(
        "ABDM-1019", 3500, 503, "Dependent Service Unavailable", _CATALOGUE
    ),
    "UnknownFacility": Code("ABDM-1055", 1000, 202, "Invalid HIP Id or PHR Id", _CATALOGUE),
    "PatientNotFound": Code("ABDM-1010", 3404, 202, "Patient not found", "V3 contract 6.5"),
    "MultiplePatients": Code("ABDM-1036", 3403, 202, "Multiple patients found", _CATALOGUE),
    "NoUnlinkedCareContexts": Code(
        "ABDM-1010", 3402, 202, "No care contexts left to link", "V3 contract 6.5"
    ),
    "CareContextNotFound": Code("ABDM-1057", 3402, 202, "Invalid Care Contexts", _CATALOGUE),
    "LinkSessionNotFound": Code(
        "ABDM-1056", 3413, 202, "Invalid Link Reference Number", _CATALOGUE
    ),
    "LinkSessionExpired": Code("ABDM-1056", 3408, 202, "Link transaction expired", _CATALOGUE),
    "OtpInvalid": Code("ABDM-1035", 3405, 202, "Incorrect OTP", "V3 contract 6.5"),
    "OtpExpired": Code("ABDM-1035", 3406, 202, "OTP expired", "V3 contract 6.5"),
    "OtpLocked": Code("ABDM-1035", 3405, 202, "Too many incorrect OTPs", "V3 contract 6.5"),
    "OtpNotSent": Code("ABDM-1010", 3500, 202, "Unable to send the one time password", "6.5"),
    "ShareNotSupported": Code(
        "ABDM-1049", 1000, 202, "Invalid Profile Share Intent Keys", _CATALOGUE
    ),
    "ConsentNotFound": Code("ABDM-1062", 3416, 202, "Consent Not granted", _CATALOGUE),
    "ConsentNotGranted": Code("ABDM-1062", 3416, 202, "Consent Not granted", _CATALOGUE),
    "ConsentExpired": Code("ABDM-1061", 3416, 202, "Consent artefact expired", _CATALOGUE),
    "ConsentRevoked": Code("ABDM-1061", 3416, 202, "Consent artefact revoked", _CATALOGUE),
    "DateRangeNotPermitted": Code(
        "ABDM-1063", 1000, 202, "Date Range given is invalid", _CATALOGUE
    ),
    "KeyMaterialInvalid": Code("ABDM-1031", 3410, 202, "Invalid key material", _CATALOGUE),
    "PushUrlRefused": Code("ABDM-1031", 1000, 202, "Invalid data push URL", _CATALOGUE),
    "RequestNotServable": Code("ABDM-1019", 3500, 202, "Dependent Service Unavailable", _CATALOGUE),
    "Unexpected": Code("ABDM-9999", 3500, 500, "Unknown exception", _CATALOGUE),
}
