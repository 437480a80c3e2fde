"""The AuditEvents that the adapter writes."""

from collections.abc import Callable
from typing import Any

import pytest
from fhir.resources.R4B.auditevent import AuditEvent

from adapter.protocol.messages import Envelope
from adapter.runtime import Adapter
from adapter.stores import audit, outbox, outbox_delivery
from mappings.resources import references
from tests.rig import HIP_ID

ARTEFACT = "4e0f0f0c-8c2a-4c51-8f3c-26e7d4d4f2a1"

EVENTS: dict[str, Callable[[Adapter], dict[str, Any]]] = {
    "record:context:link": lambda adapter: audit.linked(
        adapter, hip_id=HIP_ID, patient_id="p-1", references=["Encounter-1", "Encounter-2"]
    ),
    "record:context:disclose": lambda adapter: audit.disclosed(
        adapter,
        hip_id=HIP_ID,
        hiu_id="HIU-1",
        patient_id="p-1",
        artefact_id=ARTEFACT,
        transaction_id="t-1",
        references=["Encounter-1"],
        outcome="NotAllDelivered",
    ),
    "consent:request:send": lambda adapter: audit.consent_requested(
        adapter, hiu_id=HIP_ID, patient_id="p-1", request_id="r-1", user="Dr Rao"
    ),
    "consent:artefact:receive": lambda adapter: audit.consent_received(
        adapter, hip_id=HIP_ID, hiu_id="HIU-1", artefact_id=ARTEFACT
    ),
    "record:received:store": lambda adapter: audit.received(
        adapter,
        hiu_id=HIP_ID,
        hip_id="IN-OTHER",
        patient_id="p-1",
        artefact_id=ARTEFACT,
        transaction_id="t-1",
        references=["visit-1"],
    ),
    "consent:artefact:end": lambda adapter: audit.consent_ended(
        adapter, hip_id=HIP_ID, artefact_id=ARTEFACT, status="REVOKED"
    ),
    "consent:artefact:archive": lambda adapter: audit.records_archived(
        adapter,
        hiu_id=HIP_ID,
        patient_id="p-1",
        artefact_id=ARTEFACT,
        reason="REVOKED",
        document_ids=["rcv-1", "rcv-2"],
    ),
    "record:archive:erase": lambda adapter: audit.copy_erased(
        adapter,
        hiu_id=HIP_ID,
        patient_id="p-1",
        artefact_id=ARTEFACT,
        document_id="rcv-1",
        user="Sister Mary",
    ),
    "record:received:view": lambda adapter: audit.records_viewed(
        adapter,
        hiu_id=HIP_ID,
        user="Sister Mary",
        what="document",
        patient_ids=["p-1"],
        artefact_ids=[ARTEFACT],
        document_id="rcv-1",
        refusal="ConsentRevoked",
    ),
    "record:context:withdraw": lambda adapter: audit.withdrawn(
        adapter, hip_id=HIP_ID, patient_id="p-1", references=["Encounter-1"], user="Sister Mary"
    ),
    "abha:profile:create": lambda adapter: audit.abha_created(
        adapter, hip_id=HIP_ID, transaction_id="t-1", user="Sister Mary"
    ),
    "abha:profile:link": lambda adapter: audit.abha_linked(
        adapter, hip_id=HIP_ID, patient_id="p-1", user="Sister Mary"
    ),
    "gateway:message:refuse": lambda adapter: audit.refused(
        adapter, Envelope("v3", request_id="r-1", hip_id=HIP_ID), "LinkConfirm", "OtpInvalid"
    ),
}


def test_every_kind_of_event_is_covered_here() -> None:
    assert set(EVENTS) == {tag.code for tag in audit.TAGS}


@pytest.mark.parametrize("tag", EVENTS)
def test_an_event_is_valid_r4_and_says_who_did_what(adapter: Adapter, tag: str) -> None:
    event = EVENTS[tag](adapter)
    AuditEvent.model_validate({**event, "id": "audit-1"})
    assert event["subtype"][0]["code"] == tag
    assert event["agent"][0]["who"]["identifier"]["value"] == "abdm_user_internal"
    assert [agent["requestor"] for agent in event["agent"]].count(True) == 1
    assert event["recorded"] == "2026-11-23T18:29:30.000Z"


@pytest.mark.parametrize("tag", EVENTS)
def test_records_are_named_by_identifier_so_that_the_trail_blocks_no_delete(
    adapter: Adapter, tag: str
) -> None:
    event = EVENTS[tag](adapter)
    assert references(event) == []
    assert all(entity["what"]["identifier"]["value"] for entity in event["entity"])


def test_an_event_gets_the_id_of_its_outbox_row_so_that_it_is_written_once(
    adapter: Adapter,
) -> None:
    with adapter.db.transaction() as tx:
        row_id = outbox.queue_audit(tx, adapter, EVENTS["record:context:link"](adapter))
    row = outbox_delivery.claim(adapter.db, adapter.clock())
    assert row is not None
    assert row.body is not None
    assert f'"id":"audit-{row_id}"'.encode() in adapter.sealer.open(row.body)
