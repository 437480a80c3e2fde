"""Another hospital that pushes records to the site: its pages, encrypted by plain curve arithmetic.

The artefact is granted as the consent flow leaves it (row, Consent in FHIR), and the site asks for
the records by itself; from there on everything goes over the site's own edges.
"""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from werkzeug.test import TestResponse

from adapter.app import create_app
from adapter.flows import hiu_transfer
from adapter.protocol import timestamps
from adapter.protocol.messages import CareContextRef, ConsentArtefact, DateRange, Permission
from adapter.rules import hiu_consent_resource
from adapter.rules.states import HiuArtefactState
from adapter.stores import db, hiu_artefacts
from conformance.simulator import refcrypto
from tests.flows.harness import NOTIFY, Call, Json, Site

REQUEST = "/data-flow/v3/health-information/request"
NAME = "OnHiuHealthInformationRequest"
EXPIRY = datetime.fromisoformat("2026-12-31T18:30:00+00:00")


@dataclass
class Pushing:
    """A hospital whose records of one patient were opened to the site for 30 days."""

    site: Site
    contexts: tuple[str, ...] = ("visit-1", "visit-2")
    patient_id: str | None = None
    hip_id: str = field(default_factory=lambda: f"IN-OTHER-{uuid.uuid4().hex[:8]}")
    artefact_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    transaction_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    pair: refcrypto.KeyPair = field(default_factory=refcrypto.generate_key_pair)

    def __post_init__(self) -> None:
        self.client = create_app(self.site.adapter).test_client()

    # --- consent and request ----------------------------------------------------------------

    @property
    def artefact(self) -> ConsentArtefact:
        """What the patient granted."""
        now = self.site.clock()
        dates = DateRange(now - timedelta(days=365), now)
        return ConsentArtefact(
            consent_id=self.artefact_id,
            patient_id="asha@sbx",
            care_contexts=tuple(CareContextRef("MRN-9", each) for each in self.contexts),
            purpose_code="CAREMGT",
            purpose_text="Care Management",
            hip_id=self.hip_id,
            hiu_id=self.site.hip_id,
            hiu_name=None,
            requester_name="Dr Meera Nair",
            consent_manager_id="sbx",
            hi_types=("OPConsultation", "Prescription"),
            permission=Permission("VIEW", dates, now + timedelta(days=30)),
            created_at=now,
            verbatim="{}",
        )

    def grant(self) -> None:
        """The artefact as its on-fetch leaves it; the site's request is out then."""
        site, now, artefact = self.site, self.site.clock(), self.artefact
        erase_at = artefact.permission.data_erase_at
        consent = hiu_consent_resource.given(
            artefact,
            None,
            hiu_id=site.hip_id,
            hip_id=self.hip_id,
            request=None,
            abdm_request=None,
            at=now,
        )
        site.load(consent)
        with site.adapter.db.transaction() as tx:
            tx.execute(
                sa.insert(db.hiu_artefact).values(
                    id=self.artefact_id,
                    hiu_id=site.hip_id,
                    hip_id=self.hip_id,
                    patient_id=self.patient_id,
                    dialect="v3",
                    state=HiuArtefactState.GRANTED,
                    erase_at=erase_at,
                    due_at=erase_at,
                    deadline=erase_at,
                    attempts=0,
                    created_at=now,
                )
            )
        self.ask()

    def ask(self) -> None:
        """The site asks for the records (again)."""
        site = self.site
        with site.adapter.db.transaction() as tx:
            row = hiu_artefacts.by_id(tx, self.artefact_id)
            assert row is not None
            hiu_transfer.request_records(site.adapter, tx, row, self.artefact)
        site.run()

    @property
    def asked(self) -> Call:
        """The site's newest request to the gateway."""
        return self.site.outside.to(REQUEST)[-1]

    @property
    def path(self) -> str:
        """Where the newest request wants its pages."""
        url: str = self.asked.body["hiRequest"]["dataPushUrl"]
        return url.removeprefix(self.site.adapter.config.public_url)

    def acknowledge(self) -> None:
        """The gateway names the transaction."""
        told = {"transactionId": self.transaction_id, "sessionStatus": "REQUESTED"}
        self.site.answer(self.asked, NAME, {"hiRequest": told})

    # --- pages ------------------------------------------------------------------------------

    def entry(
        self, context: str, content: bytes, *, checksum: str | None = None, **changes: Any
    ) -> Json:
        """One document, encrypted for the site under this hospital's key of the moment."""
        material = self.asked.body["hiRequest"]["keyMaterial"]
        peer = refcrypto.decode_point(material["dhPublicKey"]["keyValue"])
        nonce = refcrypto.decode_nonce(material["nonce"])
        if checksum is None:
            checksum = hashlib.md5(content, usedforsecurity=False).hexdigest()
        return {
            "content": refcrypto.encrypt(self.pair, peer, nonce, content),
            "media": "application/fhir+json",
            "checksum": checksum,
            "careContextReference": context,
            **changes,
        }

    def page(
        self, *entries: Json, number: int = 1, count: int = 1, form: Any = "raw", **changes: Any
    ) -> Json:
        """A page of these entries; the next one gets another key."""
        material = refcrypto.key_material(self.pair, form, EXPIRY)
        self.pair = refcrypto.generate_key_pair()
        return {
            "pageNumber": number,
            "pageCount": count,
            "transactionId": self.transaction_id,
            "entries": list(entries),
            "keyMaterial": material,
            **changes,
        }

    def send(self, page: Json | bytes, path: str | None = None) -> TestResponse:
        """POST a page; nothing is worked on."""
        raw = page if isinstance(page, bytes) else json.dumps(page).encode()
        return self.client.post(
            path or self.path, data=raw, headers={"Content-Type": "application/json"}
        )

    def push(self, page: Json | bytes) -> None:
        """POST a page that must be taken, and do what is due."""
        answer = self.send(page)
        assert (answer.status_code, answer.data) == (202, b""), answer.data
        self.site.run()

    def push_each(self, *contents: bytes) -> None:
        """One document per care context, each as a page of its own, as NHA wants it."""
        for number, (context, content) in enumerate(zip(self.contexts, contents, strict=True), 1):
            self.push(self.page(self.entry(context, content), number=number, count=len(contents)))

    # --- what the site did ------------------------------------------------------------------

    @property
    def reports(self) -> list[tuple[str, dict[str, str], dict[str, str]]]:
        """Each report to ABDM: session status, status and description by care context."""
        made = []
        for call in self.site.outside.to(NOTIFY):
            told = call.body["notification"]["statusNotification"]
            lines = told["statusResponses"]
            made.append(
                (
                    told["sessionStatus"],
                    {line["careContextReference"]: line["hiStatus"] for line in lines},
                    {line["careContextReference"]: line["description"] for line in lines},
                )
            )
        return made

    @property
    def report(self) -> tuple[str, dict[str, str], dict[str, str]]:
        """The only report."""
        (only,) = self.reports
        return only

    @property
    def row(self) -> Json:
        """The newest transfer in under this artefact."""
        mine = [r for r in self.site.rows("incoming") if r["artefact_id"] == self.artefact_id]
        return max(mine, key=lambda row: row["created_at"])

    @property
    def documents(self) -> list[Json]:
        """What is noted of the documents received."""
        rows = self.site.rows("received_document")
        return [row for row in rows if row["artefact_id"] == self.artefact_id]

    def found(self, resource_type: str) -> list[Json]:
        """What the FHIR server finds of this artefact's records."""
        search = {"_security": f"urn:abdm:consent-artefact|{self.artefact_id}", "_count": "200"}
        return list(self.site.adapter.fhir._client.search(resource_type, search))

    @property
    def now(self) -> str:
        return timestamps.format(self.site.clock())


def verbatim(other: Pushing) -> set[bytes]:
    """The bytes kept of each document."""
    return {base64.b64decode(b["data"]) for b in other.found("Binary")}


def both_ok(other: Pushing) -> None:
    """Both visits of the other hospital arrived whole, and the report said so."""
    session, statuses, _ = other.report
    assert (session, statuses) == ("RECEIVED", {"visit-1": "OK", "visit-2": "OK"})
    assert other.row["state"] == "STORED"
