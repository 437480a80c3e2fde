"""Builds the FHIR AuditEvents: who linked, was told of, disclosed or was refused what, and when.

Pure builders of dictionaries; `outbox.queue_audit` gives each its id and sends it. Each event's
subtype is a tag `source:subject:action`. Records, patients and consents are named by identifier,
never by literal reference, so that the trail never blocks a delete and outlives what it is about.
No name, no clinical content.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapter.protocol import timestamps
from adapter.protocol.messages import Envelope
from mappings import systems

if TYPE_CHECKING:
    from adapter.runtime import Adapter

Resource = dict[str, Any]

TAG = "urn:abdm-adapter:audit"
CONSENT_REQUEST = "urn:abdm-adapter:consent-request"
MESSAGE = "urn:abdm-adapter:message"
DOCUMENT = "urn:abdm-adapter:received-document"
REQUEST_ID = "urn:abdm:request-id"
ABHA_TRANSACTION = "urn:abdm-adapter:abha-transaction"

_LIFECYCLE = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle"
_ENTITY_TYPE = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_SUCCESS, _MINOR_FAILURE = "0", "4"


@dataclass(frozen=True)
class Tag:
    """What an event is: `source:subject:action`, its ISO 21089 lifecycle code and FHIR action."""

    code: str
    lifecycle: str
    display: str
    action: str


LINKED = Tag("record:context:link", "link", "Link Record Lifecycle Event", "U")
WITHDRAWN = Tag("record:context:withdraw", "unlink", "Unlink Record Lifecycle Event", "U")
DISCLOSED = Tag("record:context:disclose", "disclose", "Disclose Record Lifecycle Event", "R")
CONSENT_REQUESTED = Tag(
    "consent:request:send", "originate", "Originate/Retain Record Lifecycle Event", "C"
)
CONSENT_RECEIVED = Tag("consent:artefact:receive", "receive", "Receive Record Lifecycle Event", "C")
STORED = Tag("record:received:store", "receive", "Receive Record Lifecycle Event", "C")
CONSENT_ENDED = Tag("consent:artefact:end", "deprecate", "Deprecate Record Lifecycle Event", "U")
RECORDS_ARCHIVED = Tag("consent:artefact:archive", "archive", "Archive Record Lifecycle Event", "D")
COPY_ERASED = Tag("record:archive:erase", "destroy", "Destroy/Delete Record Lifecycle Event", "D")
RECORDS_VIEWED = Tag("record:received:view", "access", "Access/View Record Lifecycle Event", "R")
ABHA_CREATED = Tag(
    "abha:profile:create", "originate", "Originate/Retain Record Lifecycle Event", "C"
)
ABHA_LINKED = Tag("abha:profile:link", "link", "Link Record Lifecycle Event", "U")
REFUSED = Tag("gateway:message:refuse", "access", "Access/View Record Lifecycle Event", "E")
TAGS = (
    LINKED,
    WITHDRAWN,
    DISCLOSED,
    CONSENT_REQUESTED,
    CONSENT_RECEIVED,
    STORED,
    CONSENT_ENDED,
    RECORDS_ARCHIVED,
    COPY_ERASED,
    RECORDS_VIEWED,
    ABHA_CREATED,
    ABHA_LINKED,
    REFUSED,
)

# entity.type: http://hl7.org/fhir/R4/valueset-audit-entity-type.html
_PERSON, _OBJECT, _OTHER = ("1", "Person"), ("2", "System Object"), ("4", "Other")


def linked(
    adapter: Adapter,
    *,
    hip_id: str,
    patient_id: str,
    references: Iterable[str],
    user: str | None = None,
) -> Resource:
    """Care contexts of a patient were linked: ABDM now knows that they exist.

    `user`: who asked for it at the hospital, or "patient".
    """
    entities = [_patient(patient_id), *map(_care_context, references)]
    return _event(adapter, LINKED, entities, hip_id=hip_id, user=user)


def withdrawn(
    adapter: Adapter,
    *,
    hip_id: str,
    patient_id: str,
    references: Iterable[str],
    user: str | None = None,
) -> Resource:
    """Nothing of these linked care contexts is released any more. `user`: who wanted it, if
    anybody did."""
    entities = [_patient(patient_id), *map(_care_context, references)]
    return _event(adapter, WITHDRAWN, entities, hip_id=hip_id, user=user)


def disclosed(
    adapter: Adapter,
    *,
    hip_id: str,
    hiu_id: str | None,
    patient_id: str | None,
    artefact_id: str,
    transaction_id: str,
    references: Iterable[str],
    outcome: str | None = None,
) -> Resource:
    """Records left for a HIU under a consent. `outcome`: why some or all did not; None: all did."""
    entities = [
        *([_patient(patient_id)] if patient_id else []),
        _entity(systems.SECURITY_ARTEFACT, artefact_id, _OTHER),
        _entity(systems.TRANSACTION_ID, transaction_id, _OTHER),
        *map(_care_context, references),
    ]
    return _event(adapter, DISCLOSED, entities, hip_id=hip_id, requester=hiu_id, failure=outcome)


def consent_requested(
    adapter: Adapter, *, hiu_id: str, patient_id: str | None, request_id: str, user: str
) -> Resource:
    """A patient was asked for consent. `user`: who asked here; `request_id`: our own id of it."""
    entities = [
        *([_patient(patient_id)] if patient_id else []),
        _entity(CONSENT_REQUEST, request_id, _OTHER),
    ]
    return _event(adapter, CONSENT_REQUESTED, entities, hip_id=hiu_id, user=user)


def consent_received(
    adapter: Adapter, *, hip_id: str | None, hiu_id: str | None, artefact_id: str
) -> Resource:
    """A granted consent artefact was stored."""
    entities = [_entity(systems.SECURITY_ARTEFACT, artefact_id, _OTHER)]
    return _event(adapter, CONSENT_RECEIVED, entities, hip_id=hip_id, requester=hiu_id)


def received(
    adapter: Adapter,
    *,
    hiu_id: str,
    hip_id: str,
    patient_id: str | None,
    artefact_id: str,
    transaction_id: str | None,
    references: Iterable[str],
    outcome: str | None = None,
) -> Resource:
    """Records of another hospital (`hip_id`) were stored here under a consent given to `hiu_id`.

    `outcome`: why some of what was to come is not there; None: all is.
    """
    entities = [
        *([_patient(patient_id)] if patient_id else []),
        _entity(systems.SECURITY_ARTEFACT, artefact_id, _OTHER),
        *([_entity(systems.TRANSACTION_ID, transaction_id, _OTHER)] if transaction_id else []),
        *map(_care_context, references),
    ]
    return _event(adapter, STORED, entities, hip_id=hiu_id, requester=hip_id, failure=outcome)


def consent_ended(
    adapter: Adapter, *, hip_id: str | None, artefact_id: str, status: str
) -> Resource:
    """A consent was revoked or expired (`status`); nothing leaves under it any more."""
    entities = [_entity(systems.SECURITY_ARTEFACT, artefact_id, _OTHER, description=status)]
    return _event(adapter, CONSENT_ENDED, entities, hip_id=hip_id)


def records_archived(
    adapter: Adapter,
    *,
    hiu_id: str,
    patient_id: str | None,
    artefact_id: str,
    reason: str,
    document_ids: Iterable[str],
) -> Resource:
    """What was received under an artefact left the FHIR server. `reason`: REVOKED or EXPIRED."""
    entities = [
        *([_patient(patient_id)] if patient_id else []),
        _entity(systems.SECURITY_ARTEFACT, artefact_id, _OTHER, description=reason),
        *(_entity(DOCUMENT, each, _OBJECT) for each in document_ids),
    ]
    return _event(adapter, RECORDS_ARCHIVED, entities, hip_id=hiu_id)


def records_viewed(
    adapter: Adapter,
    *,
    hiu_id: str | None,
    user: str,
    what: str,
    patient_ids: Iterable[str],
    artefact_ids: Iterable[str],
    document_id: str | None = None,
    refusal: str | None = None,
) -> Resource:
    """Somebody here looked at received records, or was refused it (`refusal`: an error's class).

    `what`: which view of them.
    """
    entities = [
        *map(_patient, patient_ids),
        *(
            _entity(systems.SECURITY_ARTEFACT, each, _OTHER, description=what)
            for each in artefact_ids
        ),
        *([_entity(DOCUMENT, document_id, _OBJECT)] if document_id else []),
    ]
    return _event(adapter, RECORDS_VIEWED, entities, hip_id=hiu_id, user=user, failure=refusal)


def copy_erased(
    adapter: Adapter,
    *,
    hiu_id: str,
    patient_id: str | None,
    artefact_id: str,
    document_id: str,
    user: str | None,
) -> Resource:
    """The sealed copy of a received document was erased. `user`: who ordered it; None: policy."""
    entities = [
        *([_patient(patient_id)] if patient_id else []),
        _entity(systems.SECURITY_ARTEFACT, artefact_id, _OTHER),
        _entity(DOCUMENT, document_id, _OBJECT),
    ]
    return _event(adapter, COPY_ERASED, entities, hip_id=hiu_id, user=user)


def abha_created(adapter: Adapter, *, hip_id: str, transaction_id: str, user: str) -> Resource:
    """An ABHA was created here with the person's consent (kept with the profile)."""
    entities = [_entity(ABHA_TRANSACTION, transaction_id, _OBJECT)]
    return _event(adapter, ABHA_CREATED, entities, hip_id=hip_id, user=user)


def abha_linked(adapter: Adapter, *, hip_id: str | None, patient_id: str, user: str) -> Resource:
    """A patient's record received the identifiers of an ABHA."""
    return _event(adapter, ABHA_LINKED, [_patient(patient_id)], hip_id=hip_id, user=user)


def refused(adapter: Adapter, envelope: Envelope, message: str, error: str) -> Resource:
    """A callback was refused or ignored. `message`, `error`: class names."""
    entities = [
        _entity(REQUEST_ID, envelope.request_id, _OTHER),
        _entity(MESSAGE, message, _OBJECT),
    ]
    return _event(
        adapter,
        REFUSED,
        entities,
        hip_id=envelope.hip_id,
        requester=envelope.hiu_id,
        failure=error,
    )


def _event(
    adapter: Adapter,
    tag: Tag,
    entities: list[Resource],
    *,
    hip_id: str | None,
    requester: str | None = None,
    user: str | None = None,
    failure: str | None = None,
) -> Resource:
    """An R4 AuditEvent without id (http://hl7.org/fhir/R4/auditevent.html).

    The adapter acts under ABDM_USERNAME; `requester`, if another party asked for it, is its service
    id, `user` the person here who did.
    """
    own = _identifier(systems.USER, adapter.config.abdm_username)
    asked = requester is not None or user is not None
    agents: list[Resource] = [{"who": own, "requestor": not asked}]
    if user is not None:
        agents.append({"who": _identifier(systems.USER, user), "requestor": True})
    if requester is not None:
        agents.append({"who": _identifier(systems.SERVICE_ID, requester), "requestor": True})
    observer = _identifier(systems.SERVICE_ID, hip_id) if hip_id else own
    event: Resource = {
        "resourceType": "AuditEvent",
        "type": systems.coding(_LIFECYCLE, tag.lifecycle, tag.display),
        "subtype": [{"system": TAG, "code": tag.code}],
        "action": tag.action,
        "recorded": timestamps.format(adapter.clock()),
        "outcome": _SUCCESS if failure is None else _MINOR_FAILURE,
        "agent": agents,
        "source": {"observer": observer},
        "entity": entities,
    }
    if failure is not None:
        event["outcomeDesc"] = failure
    return event


def _identifier(system: str, value: str) -> Resource:
    return {"identifier": {"system": system, "value": value}}


def _entity(
    system: str, value: str, kind: tuple[str, str], *, description: str | None = None
) -> Resource:
    code, display = kind
    entity: Resource = {
        "what": _identifier(system, value),
        "type": systems.coding(_ENTITY_TYPE, code, display),
    }
    if description:
        entity["description"] = description
    return entity


def _patient(patient_id: str) -> Resource:
    entity = _entity(systems.PATIENT, patient_id, _PERSON)
    entity["what"]["type"] = "Patient"
    return entity


def _care_context(reference: str) -> Resource:
    return _entity(systems.CARE_CONTEXT, reference, _OBJECT)
