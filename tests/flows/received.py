"""Records of another hospital as a finished transfer leaves them: rows, FHIR resources, a Consent.

The transfer itself is not run here; what it stores is, with the adapter's own mapping.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from adapter.protocol.messages import ConsentArtefact, DateRange, Permission
from adapter.rules import hiu_consent_resource
from adapter.rules.states import HiuArtefactState, IncomingState
from adapter.stores import db, received
from mappings.received import Origin, ReceivedDocument, provenance, split_received
from mappings.resources import key
from tests.flows.harness import Json, Site

HIP = "IN-OTHER-HOSPITAL"


@dataclass
class Given:
    """An artefact given to the site, and the documents received under it."""

    site: Site
    artefact_id: str
    patient_id: str
    hip_id: str = HIP
    own_patient: str | None = None
    incoming_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    documents: list[ReceivedDocument] = field(default_factory=list)
    contents: list[bytes] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """Everything in FHIR that goes when the consent ends."""
        return [
            key(each)
            for document in self.documents
            for each in (document.binary, *document.resources)
        ]

    @property
    def provenance_ids(self) -> list[str]:
        return [each.document_id.replace("rcv-", "rcvp-") for each in self.documents]

    @property
    def row(self) -> Json:
        (row,) = [r for r in self.site.rows("hiu_artefact") if r["id"] == self.artefact_id]
        return row


def bundle(observations: int = 2, *, note: str = "Fever", **patient_has: Any) -> bytes:
    """A document of a patient, an encounter and results that point at both, as bytes."""
    subject, encounter = {"reference": "Patient/1"}, {"reference": "Encounter/1"}
    code = {"coding": [{"system": "http://loinc.org", "code": "8310-5"}], "text": note}
    results = [
        {
            "resourceType": "Observation",
            "id": str(n),
            "status": "final",
            "code": code,
            "subject": subject,
            "encounter": encounter,
            "valueQuantity": {"value": 37 + n % 4},
        }
        for n in range(1, observations + 1)
    ]
    composition = {
        "resourceType": "Composition",
        "id": "1",
        "status": "final",
        "type": {
            "coding": [{"system": "http://snomed.info/sct", "code": "371530004"}],
            "text": "Clinical consultation report",
        },
        "subject": subject,
        "encounter": encounter,
        "date": "2026-10-01",
        "author": [{"display": "Dr Elsewhere"}],
        "title": note,
        "section": [{"entry": [{"reference": f"Observation/{each['id']}"} for each in results]}],
    }
    patient = {"resourceType": "Patient", "id": "1", "name": [{"text": "Asha Verma"}]} | patient_has
    visit = {
        "resourceType": "Encounter",
        "id": "1",
        "status": "finished",
        "class": {"code": "AMB"},
        "subject": subject,
    }
    entries = [
        {"fullUrl": f"https://elsewhere.example/{key(each)}", "resource": each}
        for each in (composition, patient, visit, *results)
    ]
    made = {
        "resourceType": "Bundle",
        "id": str(uuid.uuid4()),
        "type": "document",
        "timestamp": "2026-10-01T10:00:00+05:30",
        "entry": entries,
    }
    return json.dumps(made, indent=1).encode()


def give(
    site: Site,
    *contents: bytes,
    erase_at: datetime | None = None,
    hiu_id: str | None = None,
    patient_id: str | None = None,
    hip_id: str = HIP,
    own_patient: str | None = None,
) -> Given:
    """An artefact granted to the site for 30 days unless said otherwise, its documents stored.

    `own_patient`: the site's own Patient it is about, to whom the received one is then linked.
    """
    now = site.clock()
    patient = own_patient or patient_id or f"p-{uuid.uuid4()}"
    given = Given(site, str(uuid.uuid4()), patient, hip_id, own_patient)
    erase_at = erase_at or now + timedelta(days=30)
    work = {"deadline": now + timedelta(days=1), "attempts": 0, "created_at": now}
    mine = {
        "hip_id": hip_id,
        "hiu_id": hiu_id or site.hip_id,
        "patient_id": given.patient_id,
        "dialect": "v3",
    }
    with site.adapter.db.transaction() as tx:
        artefact = {"id": given.artefact_id, "state": HiuArtefactState.GRANTED, **mine}
        artefact |= {"erase_at": erase_at, "due_at": erase_at, **work}
        tx.execute(sa.insert(db.hiu_artefact).values(artefact))
        transfer = {"id": given.incoming_id, "artefact_id": given.artefact_id, **mine, **work}
        transfer |= {"push_token_hash": uuid.uuid4().hex, "keys_until": now, "due_at": erase_at}
        transfer |= {"state": IncomingState.STORED, "done_at": now}
        tx.execute(sa.insert(db.incoming).values(transfer))
    site.load(
        hiu_consent_resource.given(
            _artefact(given, hip_id, erase_at),
            None,
            hiu_id=mine["hiu_id"],
            hip_id=hip_id,
            request=None,
            abdm_request=None,
            at=now,
        )
    )
    for content in contents:
        receive(given, content)
    return given


def granted(site: Site, artefact_id: str) -> Given:
    """An artefact that ABDM has granted to the site, of which nothing has come yet."""
    (row,) = [r for r in site.rows("hiu_artefact") if r["id"] == artefact_id]
    (transfer,) = [r for r in site.rows("incoming") if r["artefact_id"] == artefact_id]
    patient = row["patient_id"] or f"p-{uuid.uuid4()}"
    return Given(site, artefact_id, patient, row["hip_id"], incoming_id=transfer["id"])


def reopen(given: Given) -> None:
    """The transfer is still waiting for pages."""
    with given.site.adapter.db.transaction() as tx:
        tx.execute(
            sa.update(db.incoming)
            .where(db.incoming.c.id == given.incoming_id)
            .values(state=IncomingState.RECEIVING, done_at=None)
        )


def receive(given: Given, content: bytes, care_context: str | None = None) -> ReceivedDocument:
    """Store one more document as the transfer does: noted in SQL, then written to FHIR."""
    document = prepare(given, content, care_context)
    write(given, document)
    return document


def prepare(given: Given, content: bytes, care_context: str | None = None) -> ReceivedDocument:
    """Split a document and note what will be written, as the transfer does before it writes."""
    site = given.site
    origin = _origin(given, care_context or f"visit-{len(given.documents) + 1}")
    document = split_received(content, origin)
    given.documents.append(document)
    given.contents.append(content)
    names = [key(each) for each in (document.binary, *document.resources)]
    names.append(f"Provenance/{document.document_id.replace('rcv-', 'rcvp-')}")
    noted: dict[str, Any] = {
        "id": document.document_id,
        "artefact_id": given.artefact_id,
        "incoming_id": given.incoming_id,
        "transaction_id": origin.transaction_id,
        "hip_id": origin.hip_id,
        "patient_id": given.patient_id,
        "care_context": origin.care_context,
        "hi_type": document.hi_type,
        "sha256": document.sha256,
        "size": document.size,
        "stored": len(document.resources),
        "flags": [],
        "received_at": site.clock(),
    }
    with site.adapter.db.transaction() as tx:
        tx.execute(sa.insert(db.received_document).values(noted))
        tx.execute(
            sa.insert(db.received_resource),
            [
                {
                    "artefact_id": given.artefact_id,
                    "resource": name,
                    "document_id": document.document_id,
                }
                for name in names
            ],
        )
    return document


def write(given: Given, document: ReceivedDocument) -> None:
    """Write a document's resources, its bytes and its Provenance to FHIR."""
    origin = _origin(given, "visit")
    stored = [key(each) for each in document.resources]
    given.site.load(document.binary, *document.resources, provenance(document, origin, stored))
    with given.site.adapter.db.transaction() as tx:
        received.stored(tx, document.document_id, given.site.clock(), len(stored), [])


def _artefact(given: Given, hip_id: str, erase_at: datetime) -> ConsentArtefact:
    now = given.site.clock()
    return ConsentArtefact(
        consent_id=given.artefact_id,
        patient_id="asha@sbx",
        care_contexts=(),
        purpose_code="CAREMGT",
        purpose_text=None,
        hip_id=hip_id,
        hiu_id=given.site.hip_id,
        hiu_name=None,
        requester_name="Dr Meera Nair",
        consent_manager_id="sbx",
        hi_types=("OPConsultation",),
        permission=Permission("VIEW", DateRange(now - timedelta(days=365), now), erase_at),
        created_at=now,
        verbatim="{}",
    )


def _origin(given: Given, care_context: str) -> Origin:
    return Origin(
        artefact_id=given.artefact_id,
        hip_id=given.hip_id,
        hip_name="Other Hospital",
        hiu_id=given.site.hip_id,
        transaction_id="11111111-2222-4333-8444-555555555555",
        care_context=care_context,
        received_at=given.site.clock(),
        local_patient_id=given.own_patient,
        recorder="abdm_user_internal",
    )
