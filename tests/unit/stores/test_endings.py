"""The end of an artefact in SQL alone: at once, for good, whatever FHIR does."""

import uuid
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from adapter.flows import archive
from adapter.protocol.errors import ConsentNotFound, IllegalTransition
from adapter.protocol.messages import DataFlowNotifyByHiu, Envelope
from adapter.rules.states import HiuArtefactState, IncomingPageState, IncomingState
from adapter.runtime import Adapter
from adapter.stores import db, hiu_artefacts, outbox
from tests import rig

REVOKED, EXPIRED = HiuArtefactState.REVOKED, HiuArtefactState.EXPIRED


@pytest.fixture
def adapter(tmp_path: Path) -> Adapter:
    """An adapter whose FHIR server is a closed port."""
    return rig.adapter_over(rig.sqlite_url(tmp_path))


def granted(adapter: Adapter) -> str:
    """A granted artefact of which a page has just come in; its id."""
    artefact_id, incoming_id, page_id = (str(uuid.uuid4()) for _ in range(3))
    now = adapter.clock()
    work = {"deadline": now + timedelta(days=1), "attempts": 0, "created_at": now}
    with adapter.db.transaction() as tx:
        tx.execute(
            sa.insert(db.hiu_artefact).values(
                id=artefact_id,
                hiu_id="HIU-1",
                hip_id="HIP-2",
                dialect="v3",
                state=HiuArtefactState.GRANTED,
                erase_at=now + timedelta(days=30),
                due_at=now + timedelta(days=30),
                **work,
            )
        )
        tx.execute(
            sa.insert(db.incoming).values(
                id=incoming_id,
                artefact_id=artefact_id,
                hip_id="HIP-2",
                hiu_id="HIU-1",
                dialect="v3",
                push_token_hash=uuid.uuid4().hex,
                keys=b"sealed",
                keys_until=now + timedelta(minutes=30),
                state=IncomingState.RECEIVING,
                due_at=now,
                **work,
            )
        )
        tx.execute(
            sa.insert(db.incoming_page).values(
                id=page_id,
                incoming_id=incoming_id,
                number=1,
                page_count=2,
                transaction_id=str(uuid.uuid4()),
                digest="0" * 64,
                size=3,
                state=IncomingPageState.RECEIVED,
                received_at=now,
            )
        )
        tx.execute(sa.insert(db.incoming_chunk).values(page_id=page_id, n=0, data=b"abc"))
    return artefact_id


def row(adapter: Adapter, artefact_id: str) -> hiu_artefacts.HiuArtefact:
    with adapter.db.reading() as tx:
        found = hiu_artefacts.by_id(tx, artefact_id)
    assert found is not None
    return found


def only(adapter: Adapter, table: sa.Table) -> sa.Row[tuple[object, ...]]:
    with adapter.db.reading() as tx:
        return tx.execute(sa.select(table)).one()


@pytest.mark.parametrize("reason", [REVOKED, EXPIRED])
def test_an_end_cancels_the_transfer_and_drops_its_keys_and_pages(
    adapter: Adapter, reason: HiuArtefactState
) -> None:
    artefact_id = granted(adapter)
    assert archive.note_end(adapter, artefact_id, reason)
    found = row(adapter, artefact_id)
    assert (found.state, found.reason, found.ended_at) == (reason, reason, adapter.clock())
    assert only(adapter, db.hiu_artefact).due_at == adapter.clock()
    transfer = only(adapter, db.incoming)
    assert (transfer.state, transfer._mapping["keys"]) == (IncomingState.CANCELLED, None)
    assert "nothing more is received" in transfer.sentence
    assert only(adapter, db.incoming_page).state == IncomingPageState.FAILED
    with adapter.db.reading() as tx:
        assert tx.execute(sa.select(db.incoming_chunk)).all() == []


def test_a_request_for_records_that_still_waits_is_never_sent(adapter: Adapter) -> None:
    artefact_id = granted(adapter)
    message = DataFlowNotifyByHiu(artefact_id, str(uuid.uuid4()), adapter.clock(), "HIP-2", ())
    with adapter.db.transaction() as tx:
        row_id = outbox.queue(
            tx,
            adapter,
            Envelope("v3", hiu_id="HIU-1"),
            message,
            deadline=timedelta(days=1),
            subject=tx.scalar(sa.select(db.incoming.c.id)),
        )
    archive.note_end(adapter, artefact_id, REVOKED)
    with adapter.db.reading() as tx:
        row = tx.execute(sa.select(db.outbox).where(db.outbox.c.id == row_id)).one()
    assert (row.state, row.error, row.body) == ("DONE", "ConsentRevoked", None)


def test_the_same_end_again_changes_nothing(adapter: Adapter) -> None:
    artefact_id = granted(adapter)
    archive.note_end(adapter, artefact_id, REVOKED)
    before = row(adapter, artefact_id)
    assert archive.note_end(adapter, artefact_id, REVOKED) is False
    assert row(adapter, artefact_id) == before
    with adapter.db.reading() as tx:
        assert len(tx.execute(sa.select(db.outbox)).all()) == 1


def test_the_first_end_stands(adapter: Adapter) -> None:
    artefact_id = granted(adapter)
    archive.note_end(adapter, artefact_id, REVOKED)
    with pytest.raises(IllegalTransition):
        archive.note_end(adapter, artefact_id, EXPIRED)
    assert row(adapter, artefact_id).reason is REVOKED


def test_an_end_of_an_artefact_that_is_not_ours_is_said(adapter: Adapter) -> None:
    with pytest.raises(ConsentNotFound):
        archive.note_end(adapter, str(uuid.uuid4()), REVOKED)
