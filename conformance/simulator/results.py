"""What SimulatorClient returns: one frozen dataclass per thing a test asks about."""

import base64
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ErrorObject:
    """The `error` of a message: code without its trailing colon, and text."""

    code: str
    message: str

    @classmethod
    def read(cls, body: dict[str, Any] | None) -> "ErrorObject | None":
        """From a message body, None where it has no error."""
        error = (body or {}).get("error")
        return cls(error["code"].rstrip(": "), error["message"]) if error else None


@dataclass(frozen=True)
class CareContext:
    """A care context as a HIP names it."""

    reference: str
    display: str


@dataclass(frozen=True)
class PatientEntry:
    """The care contexts of one patient under one HI type."""

    reference: str
    display: str
    hi_type: str
    care_contexts: list[CareContext]

    @classmethod
    def read(cls, entry: dict[str, Any]) -> "PatientEntry":
        """From an entry of on-discover or on-confirm."""
        contexts = [CareContext(c["referenceNumber"], c["display"]) for c in entry["careContexts"]]
        return cls(entry["referenceNumber"], entry["display"], entry["hiType"], contexts)


@dataclass(frozen=True)
class Discovery:
    """What on-discover said: entries, one per HI type, or an error."""

    transaction_id: str
    patients: list[PatientEntry]
    matched_by: list[str]
    error: ErrorObject | None
    warnings: list[str]


@dataclass(frozen=True)
class LinkChallenge:
    """What on-init said: where the OTP went and under which reference, or an error."""

    transaction_id: str
    reference: str
    medium: str
    hint: str
    expiry: str
    error: ErrorObject | None = None


@dataclass(frozen=True)
class LinkOutcome:
    """What on-confirm said: the linked entries, or an error."""

    patients: list[PatientEntry]
    error: ErrorObject | None


@dataclass(frozen=True)
class LinkedEntry:
    """A care context linked under one HI type."""

    hip_id: str
    patient_reference: str
    care_context: str
    hi_type: str
    display: str


@dataclass(frozen=True)
class ConsentRequestView:
    """A consent request as the patient sees it."""

    id: str
    hiu_id: str
    hip_id: str | None
    status: str
    purpose: str
    hi_types: list[str]
    date_from: str
    date_to: str
    erase_at: str
    artefacts: list[str]
    care_contexts: list[str] | None
    requester: dict[str, Any] | None
    notices: list["NoticeView"]

    @classmethod
    def read(cls, body: dict[str, Any]) -> "ConsentRequestView":
        """From the control call's answer."""
        plain = {name: body[name] for name in cls.__dataclass_fields__ if name != "notices"}
        return cls(**plain, notices=[NoticeView.read(one) for one in body["notices"]])


@dataclass(frozen=True)
class NoticeView:
    """A consent notice to the HIP or HIU; `acknowledgement`: OK, ERROR, PENDING or MISSING."""

    status: str
    request_id: str
    artefacts: list[str]
    acknowledgement: str
    error: ErrorObject | None

    @classmethod
    def read(cls, body: dict[str, Any]) -> "NoticeView":
        """From the control call's answer."""
        return cls(
            body["status"],
            body["request_id"],
            body["artefacts"],
            body["acknowledgement"],
            ErrorObject.read(body),
        )


@dataclass(frozen=True)
class ArtefactView:
    """A consent artefact."""

    id: str
    request_id: str
    hip_id: str
    status: str
    detail: dict[str, Any]
    acknowledgements: list[NoticeView]


@dataclass(frozen=True)
class ReceivedPage:
    """A pushed page."""

    number: int
    count: int
    care_contexts: list[str]
    received_at: str
    repeated: bool
    with_bearer: bool


@dataclass(frozen=True)
class ReceivedDocument:
    """A decrypted document; `checksum_ok` is None where the sender gave no MD5."""

    care_context: str
    content: bytes
    checksum_ok: bool | None
    page_number: int


@dataclass(frozen=True)
class HeldDocument:
    """A document that a HIP of the simulator holds; `name` is its file's, if it is one."""

    hip_id: str
    care_context: str
    hi_type: str
    dated_at: str | None
    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class PushedPage:
    """A page that a HIP of the simulator pushed; `status` None if it never got an answer."""

    number: int
    count: int
    transaction_id: str
    care_contexts: list[str]
    status: int | None


@dataclass(frozen=True)
class Transfer:
    """A data request: REQUESTED, ACKNOWLEDGED, REFUSED, TRANSFERRED or FAILED.

    `pages` and `documents` are what the simulator's own HIU received, `pushed` what its own HIP
    sent; `hiu_notifications` are the reports of another's HIU by transaction id.
    """

    transaction_id: str
    status: str
    on_request: dict[str, Any] | None
    error: ErrorObject | None
    pages: list[ReceivedPage]
    documents: list[ReceivedDocument]
    hip_notification: dict[str, Any] | None
    errors: list[str]
    asked: dict[str, Any]
    pushed: list[PushedPage]
    hiu_notifications: dict[str, dict[str, Any]]

    @classmethod
    def read(cls, body: dict[str, Any]) -> "Transfer":
        """From the control call's answer."""
        return cls(
            body["id"],
            body["status"],
            body["on_request"],
            ErrorObject.read(body["on_request"]),
            [ReceivedPage(**page) for page in body["pages"]],
            [
                ReceivedDocument(
                    document["care_context"],
                    base64.b64decode(document["content"]),
                    document["checksum_ok"],
                    document["page_number"],
                )
                for document in body["documents"]
            ],
            body["hip_notification"],
            body["errors"],
            body["asked"],
            [PushedPage(**page) for page in body["pushed"]],
            body["hiu_notifications"],
        )


@dataclass(frozen=True)
class Sms:
    """A message at the SMS sink."""

    to: str
    text: str
    purpose: str
    at: str


@dataclass(frozen=True)
class ExchangeView:
    """One recorded HTTP exchange; direction "in" is a call to the simulator."""

    number: int
    direction: str
    message: str
    method: str
    url: str
    at: str
    headers: dict[str, str]
    body: Any
    status: int | None
    answer: Any
    seconds: float
    note: str
