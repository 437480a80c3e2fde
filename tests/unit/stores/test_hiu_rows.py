"""Rows of our consent requests and of the artefacts given to us: moves, handles, what is due."""

import uuid
from typing import Any

from adapter.flows import archive
from adapter.rules.states import ConsentRequestState, HiuArtefactState
from adapter.runtime import Adapter
from adapter.stores import claims, consent_requests, endings, hiu_artefacts
from adapter.stores.consent_requests import ConsentRequest
from adapter.stores.db import hiu_artefact
from tests import rig


def request(adapter: Adapter, **values: Any) -> ConsentRequest:
    row = ConsentRequest(
        **{
            "id": str(uuid.uuid4()),
            "hiu_id": "HIU-1",
            "dialect": "v3",
            "requester": "Dr Rao",
            "state": ConsentRequestState.CREATED,
            "shown": ConsentRequestState.CREATED,
            "created_at": adapter.clock(),
            **values,
        }
    )
    with adapter.db.transaction() as tx:
        consent_requests.add(tx, row)
    return row


def notified(adapter: Adapter, of: ConsentRequest) -> str:
    artefact_id = str(uuid.uuid4())
    with adapter.db.transaction() as tx:
        assert hiu_artefacts.add_notified(tx, adapter, artefact_id, of, adapter.clock())
        assert not hiu_artefacts.add_notified(tx, adapter, artefact_id, of, adapter.clock())
    return artefact_id


def due(adapter: Adapter, clock: rig.FrozenClock) -> str | None:
    """The artefact whose end is due."""
    row = claims.claim(adapter.db, hiu_artefact, clock(), open_=endings.OPEN)
    return None if row is None else str(row.id)


def test_request_is_found_by_either_of_the_ids_that_abdm_gave_it(adapter: Adapter) -> None:
    row = request(adapter)
    with adapter.db.transaction() as tx:
        consent_requests.note(tx, row.id, abdm_id="first", repeat_id="second")
    with adapter.db.reading() as tx:
        found = {consent_requests.by_abdm_id(tx, name) for name in ("first", "second")}
        assert {each.id for each in found if each} == {row.id}
        assert consent_requests.by_abdm_id(tx, "third") is None


def test_ended_request_moves_no_more(adapter: Adapter) -> None:
    row = request(adapter)
    with adapter.db.transaction() as tx:
        assert consent_requests.move(tx, row.id, ConsentRequestState.DENIED, sentence="x" * 600)
        assert not consent_requests.move(tx, row.id, ConsentRequestState.GRANTED)
        stored = consent_requests.by_id(tx, row.id)
    assert stored is not None
    assert (stored.state, len(stored.sentence or "")) == (ConsentRequestState.DENIED, 500)


def test_facility_sees_its_own_requests_only_by_patient_and_state(adapter: Adapter) -> None:
    mine = request(adapter, patient_id="p1")
    request(adapter, patient_id="p1", hiu_id="HIU-2")
    denied = request(adapter, state=ConsentRequestState.DENIED)

    def ids(**asked: Any) -> set[str]:
        with adapter.db.reading() as tx:
            return {row.id for row in consent_requests.of_facilities(tx, ["HIU-1"], **asked)}

    assert ids() == {mine.id, denied.id}
    assert ids(patient_id="p1") == {mine.id}
    assert ids(state=ConsentRequestState.DENIED) == {denied.id}


def test_only_waiting_requests_whose_time_has_come_are_polled(
    adapter: Adapter, clock: rig.FrozenClock
) -> None:
    due = request(adapter, state=ConsentRequestState.REQUESTED, poll_at=clock())
    request(adapter, state=ConsentRequestState.DENIED, poll_at=clock())
    request(adapter, state=ConsentRequestState.REQUESTED)
    with adapter.db.reading() as tx:
        assert [row.id for row in consent_requests.to_poll(tx, clock())] == [due.id]


def test_requests_that_fhir_shows_otherwise_are_known(adapter: Adapter) -> None:
    row = request(adapter)
    with adapter.db.transaction() as tx:
        assert consent_requests.to_show(tx) == []
        consent_requests.move(tx, row.id, ConsentRequestState.FAILED)
        assert [each.id for each in consent_requests.to_show(tx)] == [row.id]


def test_granted_artefact_is_due_when_it_is_to_be_erased(
    adapter: Adapter, clock: rig.FrozenClock
) -> None:
    artefact_id = notified(adapter, request(adapter, patient_id="p1"))
    assert due(adapter, clock) is None
    end = clock.now.replace(year=2027)
    with adapter.db.transaction() as tx:
        assert hiu_artefacts.grant(tx, artefact_id, "HIP-2", "p1", end)
        row = hiu_artefacts.by_id(tx, artefact_id)
    assert row is not None
    assert (row.state, row.hip_id, row.erase_at) == (HiuArtefactState.GRANTED, "HIP-2", end)
    assert due(adapter, clock) is None
    clock.now = end
    assert due(adapter, clock) == artefact_id


def test_ended_artefact_is_not_granted_and_stays_unconfirmed_until_abdm_was_asked(
    adapter: Adapter, clock: rig.FrozenClock
) -> None:
    artefact_id = notified(adapter, request(adapter))
    with adapter.db.transaction() as tx:
        first = hiu_artefacts.by_id(tx, artefact_id)
        assert first is not None
        assert hiu_artefacts.asked(tx, first, clock())
        assert not hiu_artefacts.asked(tx, first, clock())
        assert [row.id for row in hiu_artefacts.unfetched(tx)] == [artefact_id]
    clock.advance(5)
    archive.note_end(adapter, artefact_id, HiuArtefactState.REVOKED)
    with adapter.db.transaction() as tx:
        assert not hiu_artefacts.grant(tx, artefact_id, "HIP-2", None, clock())
        assert hiu_artefacts.unfetched(tx) == []
        (ended,) = hiu_artefacts.unconfirmed(tx)
        assert ended.id == artefact_id
        assert hiu_artefacts.asked(tx, ended, clock())
        assert hiu_artefacts.unconfirmed(tx) == []
        row = hiu_artefacts.by_id(tx, artefact_id)
    assert row is not None
    assert (row.state, row.reason, row.asks) == (
        HiuArtefactState.REVOKED,
        HiuArtefactState.REVOKED,
        2,
    )
