"""The states of everything that has a life, and the moves between them (architecture 4).

Pure: `move` says whether a change may be made; whoever stores the state makes it. A move to the
present state is a no-op. A forbidden one raises `IllegalTransition`, which callers record and
ignore: a late or repeated message is never an error towards the gateway. Terminal consent states
never reopen.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar

from adapter.protocol.errors import IllegalTransition


class FacilityState(StrEnum):
    """A facility served here. REGISTERED: ABDM has it as HIP and HIU of our bridge; FAILED: ABDM
    refused, with a reason; adding it again tries again."""

    CONFIGURED = "CONFIGURED"
    REGISTERED = "REGISTERED"
    FAILED = "FAILED"


class AbhaState(StrEnum):
    """A transaction with the ABHA service. CHOOSING: several accounts, one has to be chosen;
    NOT_FOUND: no ABHA for this Aadhaar number, creation may go on; VERIFIED: the person has proven
    who they are; LINKED: to a patient here."""

    STARTED = "STARTED"
    OTP_SENT = "OTP_SENT"
    CHOOSING = "CHOOSING"
    NOT_FOUND = "NOT_FOUND"
    VERIFIED = "VERIFIED"
    MOBILE_OTP_SENT = "MOBILE_OTP_SENT"
    MOBILE_VERIFIED = "MOBILE_VERIFIED"
    LINKED = "LINKED"
    EXPIRED = "EXPIRED"
    LOCKED = "LOCKED"


class QueueTokenState(StrEnum):
    """A number in a counter's queue."""

    ISSUED = "ISSUED"
    CALLED = "CALLED"
    SERVED = "SERVED"
    EXPIRED = "EXPIRED"


class LinkTokenState(StrEnum):
    """A link token of one (HIP, ABHA address). CHALLENGED: a person has to prove the request."""

    REQUESTED = "REQUESTED"
    CHALLENGED = "CHALLENGED"
    ACTIVE = "ACTIVE"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"


class CareContextLinkState(StrEnum):
    """The link of one (HIP, patient, care context, HI type). WITHDRAWN: nothing of it is linked or
    released any more, though ABDM may still list it (no unlink call is published)."""

    PENDING = "PENDING"
    NO_ABHA = "NO_ABHA"
    WAITING_FOR_TOKEN = "WAITING_FOR_TOKEN"  # noqa: S105 - a state, not a password
    SENT = "SENT"
    LINKED = "LINKED"
    FAILED = "FAILED"
    WITHDRAWN = "WITHDRAWN"


class SmsNoticeState(StrEnum):
    """An SMS that ABDM was asked to send. UNCONFIRMED: taken, and nobody said what became of it."""

    SENT = "SENT"
    CONFIRMED = "CONFIRMED"
    UNCONFIRMED = "UNCONFIRMED"
    FAILED = "FAILED"


class LinkSessionState(StrEnum):
    """A discovery transaction and the linking that follows it."""

    DISCOVERED = "DISCOVERED"
    OTP_SENT = "OTP_SENT"
    CONFIRMED = "CONFIRMED"
    EXPIRED = "EXPIRED"
    LOCKED = "LOCKED"


class ConsentState(StrEnum):
    """A consent artefact as we know it; NOTIFIED is one of which nothing is stored yet."""

    NOTIFIED = "NOTIFIED"
    GRANTED = "GRANTED"
    REVOKED = "REVOKED"
    EXPIRED = "EXPIRED"


class TransferState(StrEnum):
    """A transfer out. ACKNOWLEDGED waits until the gateway has taken our acknowledgement;
    PREPARING makes pages, PREPARED has them all, PUSHING has begun to send."""

    ACKNOWLEDGED = "ACKNOWLEDGED"
    PREPARING = "PREPARING"
    PREPARED = "PREPARED"
    PUSHING = "PUSHING"
    TRANSFERRED = "TRANSFERRED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class PageState(StrEnum):
    """A page out: encrypted and stored, then taken by the receiver or given up."""

    SEALED = "SEALED"
    SENT = "SENT"
    FAILED = "FAILED"


class TransferContextState(StrEnum):
    """One care context of a transfer, as the final report names it."""

    WAITING = "WAITING"
    PREPARED = "PREPARED"
    DELIVERED = "DELIVERED"
    ERRORED = "ERRORED"


class ConsentRequestState(StrEnum):
    """A consent request of ours. GRANTED ends as REVOKED or EXPIRED once every artefact has;
    EXPIRED from REQUESTED: nobody answered it."""

    CREATED = "CREATED"
    REQUESTED = "REQUESTED"
    GRANTED = "GRANTED"
    DENIED = "DENIED"
    EXPIRED = "EXPIRED"
    REVOKED = "REVOKED"
    FAILED = "FAILED"


class HiuArtefactState(StrEnum):
    """An artefact that was given to us. NOTIFIED: its content is not fetched yet; REVOKED and
    EXPIRED: access has stopped, its records are being archived; ARCHIVED: they are gone from the
    FHIR server; ERASED: the sealed copies too. REFUSED: not what was asked for, nothing fetched."""

    NOTIFIED = "NOTIFIED"
    GRANTED = "GRANTED"
    REFUSED = "REFUSED"
    REVOKED = "REVOKED"
    EXPIRED = "EXPIRED"
    ARCHIVED = "ARCHIVED"
    ERASED = "ERASED"


class IncomingState(StrEnum):
    """A transfer in. REQUESTED: keys are stored, the request is out; ACKNOWLEDGED: ABDM named the
    transaction; RECEIVING: a page came (perhaps before that). STORED: all there; PARTIAL: pages
    missing at the deadline, what came is kept."""

    REQUESTED = "REQUESTED"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    RECEIVING = "RECEIVING"
    STORED = "STORED"
    PARTIAL = "PARTIAL"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class IncomingPageState(StrEnum):
    """A page in: kept as it came, then worked into FHIR, or nothing in it could be read."""

    RECEIVED = "RECEIVED"
    STORED = "STORED"
    FAILED = "FAILED"


class IncomingEntryState(StrEnum):
    """One entry of a page in. STORED: its document is kept, valid FHIR or not; ERRORED: nothing of
    it is, and the sentence says why."""

    RECEIVED = "RECEIVED"
    STORED = "STORED"
    ERRORED = "ERRORED"


_ABHA_ENDS: set[StrEnum] = {AbhaState.EXPIRED, AbhaState.LOCKED}
_TRANSFER_ENDS: set[StrEnum] = {TransferState.FAILED, TransferState.CANCELLED}
_INCOMING_ENDS: set[StrEnum] = {
    IncomingState.STORED,
    IncomingState.PARTIAL,
    IncomingState.FAILED,
    IncomingState.CANCELLED,
}

#: Per type: from each state, the states it may move to. A state without a row is an end. By type,
#: because members of different StrEnums are equal where their texts are.
MOVES: dict[type[StrEnum], dict[StrEnum, set[StrEnum]]] = {
    FacilityState: {
        FacilityState.CONFIGURED: {FacilityState.REGISTERED, FacilityState.FAILED},
        FacilityState.FAILED: {FacilityState.REGISTERED, FacilityState.CONFIGURED},
        # Unlinked at ABDM, or another service id stated: to be registered again.
        FacilityState.REGISTERED: {FacilityState.FAILED, FacilityState.CONFIGURED},
    },
    AbhaState: {
        AbhaState.STARTED: {AbhaState.OTP_SENT, AbhaState.CHOOSING, AbhaState.NOT_FOUND}
        | _ABHA_ENDS,
        AbhaState.OTP_SENT: {
            AbhaState.VERIFIED,
            AbhaState.CHOOSING,
            AbhaState.NOT_FOUND,
            # The answer to the right OTP was lost, and ABDM's transaction with it.
            AbhaState.STARTED,
        }
        | _ABHA_ENDS,
        AbhaState.CHOOSING: {AbhaState.VERIFIED, AbhaState.OTP_SENT} | _ABHA_ENDS,
        AbhaState.NOT_FOUND: {AbhaState.OTP_SENT} | _ABHA_ENDS,
        AbhaState.VERIFIED: {
            AbhaState.MOBILE_OTP_SENT,
            # ABDM knows the number as theirs already.
            AbhaState.MOBILE_VERIFIED,
            AbhaState.LINKED,
        }
        | _ABHA_ENDS,
        AbhaState.MOBILE_OTP_SENT: {
            AbhaState.MOBILE_VERIFIED,
            # The answer to the right OTP was lost, or another number needs none.
            AbhaState.VERIFIED,
        }
        | _ABHA_ENDS,
        AbhaState.MOBILE_VERIFIED: {AbhaState.LINKED} | _ABHA_ENDS,
        AbhaState.LINKED: {AbhaState.EXPIRED},
    },
    QueueTokenState: {
        QueueTokenState.ISSUED: {
            QueueTokenState.CALLED,
            QueueTokenState.SERVED,
            QueueTokenState.EXPIRED,
        },
        QueueTokenState.CALLED: {QueueTokenState.SERVED, QueueTokenState.EXPIRED},
    },
    LinkTokenState: {
        LinkTokenState.REQUESTED: {
            LinkTokenState.CHALLENGED,
            LinkTokenState.ACTIVE,
            LinkTokenState.REJECTED,
            LinkTokenState.EXPIRED,
        },
        LinkTokenState.CHALLENGED: {
            LinkTokenState.ACTIVE,
            LinkTokenState.REJECTED,
            LinkTokenState.EXPIRED,
            LinkTokenState.REQUESTED,
        },
        LinkTokenState.ACTIVE: {LinkTokenState.EXPIRED, LinkTokenState.REQUESTED},
        LinkTokenState.EXPIRED: {LinkTokenState.REQUESTED},
        # ACTIVE: the answer came after we had given up waiting for it.
        LinkTokenState.REJECTED: {LinkTokenState.REQUESTED, LinkTokenState.ACTIVE},
    },
    CareContextLinkState: {
        CareContextLinkState.NO_ABHA: {
            CareContextLinkState.PENDING,
            CareContextLinkState.SENT,
            CareContextLinkState.WITHDRAWN,
        },
        CareContextLinkState.PENDING: {
            CareContextLinkState.NO_ABHA,
            CareContextLinkState.WAITING_FOR_TOKEN,
            CareContextLinkState.SENT,
            CareContextLinkState.FAILED,
            CareContextLinkState.WITHDRAWN,
        },
        CareContextLinkState.WAITING_FOR_TOKEN: {
            CareContextLinkState.PENDING,
            CareContextLinkState.NO_ABHA,
            CareContextLinkState.SENT,
            CareContextLinkState.FAILED,
            CareContextLinkState.WITHDRAWN,
        },
        CareContextLinkState.SENT: {
            CareContextLinkState.LINKED,
            CareContextLinkState.FAILED,
            CareContextLinkState.WAITING_FOR_TOKEN,
            CareContextLinkState.WITHDRAWN,
        },
        # The patient may link the same visit under another ABHA address (user linking: SENT).
        CareContextLinkState.LINKED: {
            CareContextLinkState.SENT,
            CareContextLinkState.WITHDRAWN,
        },
        # LINKED after FAILED: the answer came after we had given up waiting for it.
        CareContextLinkState.FAILED: {
            CareContextLinkState.LINKED,
            CareContextLinkState.PENDING,
            CareContextLinkState.NO_ABHA,
            CareContextLinkState.SENT,
            CareContextLinkState.WITHDRAWN,
        },
        # The reason is gone (`link_changes`): where ABDM has the link already, it holds again.
        CareContextLinkState.WITHDRAWN: {
            CareContextLinkState.LINKED,
            CareContextLinkState.PENDING,
            CareContextLinkState.NO_ABHA,
            CareContextLinkState.SENT,
        },
    },
    SmsNoticeState: {
        SmsNoticeState.SENT: {
            SmsNoticeState.CONFIRMED,
            SmsNoticeState.UNCONFIRMED,
            SmsNoticeState.FAILED,
        },
        # The callback may come much later, or never.
        SmsNoticeState.UNCONFIRMED: {SmsNoticeState.CONFIRMED, SmsNoticeState.FAILED},
    },
    LinkSessionState: {
        LinkSessionState.DISCOVERED: {LinkSessionState.OTP_SENT, LinkSessionState.EXPIRED},
        LinkSessionState.OTP_SENT: {
            LinkSessionState.CONFIRMED,
            LinkSessionState.EXPIRED,
            LinkSessionState.LOCKED,
        },
    },
    ConsentState: {
        ConsentState.NOTIFIED: {
            ConsentState.GRANTED,
            ConsentState.REVOKED,
            ConsentState.EXPIRED,
        },
        ConsentState.GRANTED: {ConsentState.REVOKED, ConsentState.EXPIRED},
    },
    TransferState: {
        TransferState.ACKNOWLEDGED: {TransferState.PREPARING} | _TRANSFER_ENDS,
        TransferState.PREPARING: {TransferState.PREPARED} | _TRANSFER_ENDS,
        TransferState.PREPARED: {TransferState.PUSHING} | _TRANSFER_ENDS,
        TransferState.PUSHING: {TransferState.TRANSFERRED} | _TRANSFER_ENDS,
    },
    PageState: {
        PageState.SEALED: {PageState.SENT, PageState.FAILED},
        # Given up by a revocation while it was on its way, and taken all the same.
        PageState.FAILED: {PageState.SENT},
    },
    ConsentRequestState: {
        ConsentRequestState.CREATED: {
            ConsentRequestState.REQUESTED,
            # A notice may overtake on-init.
            ConsentRequestState.GRANTED,
            ConsentRequestState.DENIED,
            ConsentRequestState.EXPIRED,
            ConsentRequestState.FAILED,
        },
        ConsentRequestState.REQUESTED: {
            ConsentRequestState.GRANTED,
            ConsentRequestState.DENIED,
            ConsentRequestState.EXPIRED,
            ConsentRequestState.REVOKED,
        },
        ConsentRequestState.GRANTED: {
            ConsentRequestState.REVOKED,
            ConsentRequestState.EXPIRED,
        },
        # The answer came after we had given up waiting for it.
        ConsentRequestState.FAILED: {ConsentRequestState.REQUESTED},
    },
    HiuArtefactState: {
        HiuArtefactState.NOTIFIED: {
            HiuArtefactState.GRANTED,
            HiuArtefactState.REFUSED,
            HiuArtefactState.REVOKED,
            HiuArtefactState.EXPIRED,
        },
        HiuArtefactState.GRANTED: {HiuArtefactState.REVOKED, HiuArtefactState.EXPIRED},
        HiuArtefactState.REVOKED: {HiuArtefactState.ARCHIVED},
        HiuArtefactState.EXPIRED: {HiuArtefactState.ARCHIVED},
        HiuArtefactState.ARCHIVED: {HiuArtefactState.ERASED},
    },
    IncomingState: {
        IncomingState.REQUESTED: {
            IncomingState.ACKNOWLEDGED,
            IncomingState.RECEIVING,
            *_INCOMING_ENDS,
        },
        IncomingState.ACKNOWLEDGED: {IncomingState.RECEIVING, *_INCOMING_ENDS},
        IncomingState.RECEIVING: set(_INCOMING_ENDS),
        # A late page under the same keys brings what was missing, or a part of it.
        IncomingState.PARTIAL: {IncomingState.STORED, IncomingState.CANCELLED},
        IncomingState.FAILED: {
            IncomingState.STORED,
            IncomingState.PARTIAL,
            IncomingState.CANCELLED,
        },
    },
    IncomingEntryState: {
        IncomingEntryState.RECEIVED: {IncomingEntryState.STORED, IncomingEntryState.ERRORED},
    },
    IncomingPageState: {
        IncomingPageState.RECEIVED: {IncomingPageState.STORED, IncomingPageState.FAILED},
    },
    TransferContextState: {
        TransferContextState.WAITING: {
            TransferContextState.PREPARED,
            TransferContextState.ERRORED,
        },
        TransferContextState.PREPARED: {
            TransferContextState.DELIVERED,
            TransferContextState.ERRORED,
        },
    },
}

State = TypeVar("State", bound=StrEnum)


def allowed(present: State, wanted: State) -> bool:
    """Whether `wanted` may follow `present` (the present state itself may)."""
    # Members of two StrEnums of the same text are equal, so the type is compared too.
    return type(present) is type(wanted) and (
        present == wanted or wanted in MOVES[type(present)].get(present, set())
    )


def move(present: State, wanted: State) -> bool:
    """True if the state changes, False if it is the present one already.

    Raises IllegalTransition where the move is not allowed; nothing may be changed then.
    """
    if not allowed(present, wanted):
        raise IllegalTransition(
            f"{type(present).__name__}: {present} can't become {wanted}; left as it is."
        )
    return present != wanted


def sources(wanted: State) -> tuple[State, ...]:
    """Every state that may move to `wanted`: the condition of an UPDATE that makes the move."""
    kind = type(wanted)
    return tuple(state for state in kind if state != wanted and allowed(state, wanted))
