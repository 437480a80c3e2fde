"""Transfers in under bad luck: consents that end, outages, crashes, two workers, late pages."""

import json
import threading
from dataclasses import replace
from typing import Any

import pytest

from adapter.crypto.fidelius import ReceiverKey
from adapter.flows import archive
from adapter.protocol.errors import FhirUnavailable, FhirUncertain
from adapter.rules.states import HiuArtefactState
from adapter.stores import incoming_pages, received
from tests import rig
from tests.flows.harness import Json, Site
from tests.flows.pushing import Pushing
from tests.flows.received import bundle

pytestmark = pytest.mark.hapi


class Killed(BaseException):
    """The process dies here: nothing after this runs."""


@pytest.fixture
def other(site: Site) -> Pushing:
    made = Pushing(site)
    made.grant()
    made.acknowledge()
    return made


def revoke(other: Pushing) -> None:
    archive.note_end(other.site.adapter, other.artefact_id, HiuArtefactState.REVOKED)


def names(other: Pushing) -> set[str]:
    """What a document of `other` is written to, Provenances excepted: they outlive it."""
    rows = other.site.rows("received_resource")
    return {r["resource"] for r in rows if not r["resource"].startswith("Provenance/")}


def assert_nothing_left(other: Pushing, written: set[str]) -> None:
    """Neither search nor read nor history shows any of it."""
    assert written
    client = other.site.adapter.fhir._client
    for kind in ("Binary", "Observation", "Encounter", "Patient", "Composition"):
        assert other.found(kind) == []
    for name in written:
        for place in (name, f"{name}/_history"):
            status, _ = client._exchange(
                "get", f"{client.url}/{place}", client._build_request_headers(), None, (404, 410)
            )
            assert status == 404, place


# --- the consent ends --------------------------------------------------------------------------


def test_a_revoke_between_pages_stops_the_rest_and_takes_away_what_came(other: Pushing) -> None:
    other.push(other.page(other.entry("visit-1", bundle()), number=1, count=2))
    written = names(other)
    second = other.page(other.entry("visit-2", bundle()), number=2, count=2)
    revoke(other)
    answer = other.send(second)
    assert answer.status_code == 410
    assert "ended" in answer.get_json()["error"]["message"]
    other.site.wait(10)
    assert_nothing_left(other, written)
    assert other.row["state"] == "CANCELLED"
    assert other.row["keys"] is None
    assert other.site.rows("incoming_chunk") == []
    assert other.reports == []


def test_a_page_that_waits_when_the_consent_ends_is_never_opened(other: Pushing) -> None:
    other.send(other.page(other.entry("visit-1", bundle())))
    assert other.site.rows("incoming_chunk") != []
    revoke(other)
    assert other.site.rows("incoming_chunk") == []
    assert {row["frame"] for row in other.site.rows("incoming_page")} == {None}
    other.site.wait(10)
    assert other.found("Binary") == []
    assert other.documents == []


def test_a_revoke_while_a_document_is_decrypted_keeps_it_out_of_fhir(
    other: Pushing, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = ReceiverKey.decrypt

    def overtaken(*arguments: Any, **named: Any) -> bytes:
        plaintext = real(*arguments, **named)
        revoke(other)
        return plaintext

    monkeypatch.setattr(ReceiverKey, "decrypt", overtaken)
    other.send(other.page(other.entry("visit-1", bundle())))
    rig.run_until_idle(other.site.adapter, ("incoming",))
    assert other.documents == []
    assert names(other) == set()


def test_a_revoke_during_the_write_leaves_nothing_behind(
    other: Pushing, monkeypatch: pytest.MonkeyPatch
) -> None:
    fhir = other.site.adapter.fhir
    real, written = fhir.transaction, set()

    def overtaken(resources: Any) -> None:
        monkeypatch.undo()
        written.update(names(other))
        revoke(other)
        real(resources)

    monkeypatch.setattr(fhir, "transaction", overtaken)
    other.send(other.page(other.entry("visit-1", bundle(5)), other.entry("visit-2", bundle())))
    rig.run_until_idle(other.site.adapter, ("incoming",))
    assert_nothing_left(other, written)  # the writer itself took it back, before any archiving
    other.site.wait(10)
    assert_nothing_left(other, written)
    assert other.reports == []


def test_a_worker_killed_while_writing_what_is_revoked_meanwhile_leaves_nothing_behind(
    other: Pushing, monkeypatch: pytest.MonkeyPatch
) -> None:
    fhir = other.site.adapter.fhir
    real, written = fhir.transaction, set()

    def killed(resources: Any) -> None:
        monkeypatch.undo()
        written.update(names(other))
        real(resources)
        raise Killed

    monkeypatch.setattr(fhir, "transaction", killed)
    other.send(other.page(other.entry("visit-1", bundle())))
    with pytest.raises(Killed):
        other.site.run()
    revoke(other)
    other.site.wait(90)
    assert_nothing_left(other, written)


def test_a_write_that_may_still_be_going_on_is_waited_for_before_archiving_is_done(
    other: Pushing, monkeypatch: pytest.MonkeyPatch
) -> None:
    fhir = other.site.adapter.fhir
    real, late = fhir.transaction, []

    def unanswered(resources: Any) -> None:
        monkeypatch.undo()
        late.extend(resources)
        raise FhirUncertain("The FHIR server did not answer in time.")

    monkeypatch.setattr(fhir, "transaction", unanswered)
    other.send(other.page(other.entry("visit-1", bundle())))
    other.site.run()
    written = names(other)
    revoke(other)
    other.site.run()
    real(late)  # the server does it after all
    other.site.wait(90)
    assert_nothing_left(other, written)


def test_a_consent_ended_in_the_fhir_server_itself_stops_the_next_page(other: Pushing) -> None:
    other.push(other.page(other.entry("visit-1", bundle()), number=1, count=2))
    fhir = other.site.adapter.fhir
    consent = fhir.consent(f"hiu-{other.artefact_id}")
    assert consent is not None
    fhir.put({**consent, "status": "inactive"})
    assert other.send(other.page(other.entry("visit-2", bundle()), number=2, count=2)).status_code
    other.site.wait(10)
    assert other.found("Binary") == []
    (artefact,) = other.site.rows("hiu_artefact")
    assert artefact["reason"] == "REVOKED"


def test_after_data_erase_at_nothing_is_taken_though_nobody_said_so(other: Pushing) -> None:
    page = other.page(other.entry("visit-1", bundle()))
    other.site.clock.advance(days=30)
    other.site.run()
    assert other.send(page).status_code == 410


# --- outages -----------------------------------------------------------------------------------


def test_pages_are_taken_while_fhir_is_down_and_stored_once_it_is_back(
    other: Pushing, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise FhirUnavailable("The FHIR server cannot be reached.")

    monkeypatch.setattr(other.site.adapter.fhir, "consent", away)
    other.push_each(bundle(), bundle())
    other.site.wait(30)
    assert other.documents == []
    assert other.reports == []
    monkeypatch.undo()
    other.site.wait(5)
    assert other.report[:2] == ("RECEIVED", {"visit-1": "OK", "visit-2": "OK"})


def test_an_outage_beyond_the_deadline_loses_no_page_that_came_in_time(
    other: Pushing, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise FhirUnavailable("The FHIR server cannot be reached.")

    monkeypatch.setattr(other.site.adapter.fhir, "consent", away)
    other.push_each(bundle(), bundle())
    other.site.clock.advance(hours=3)
    other.site.run()
    assert other.reports == []
    monkeypatch.undo()
    other.site.wait(5)
    assert other.report[:2] == ("RECEIVED", {"visit-1": "OK", "visit-2": "OK"})
    other.site.wait(5)
    assert other.row["keys"] is None


def test_an_outage_in_the_middle_of_a_page_repeats_only_what_was_not_stored(
    other: Pushing, monkeypatch: pytest.MonkeyPatch
) -> None:
    fhir = other.site.adapter.fhir
    real, calls = fhir.transaction, []

    def failing(resources: Any) -> None:
        calls.append(None)
        if len(calls) == 2:
            raise FhirUnavailable("The FHIR server answered HTTP 503.")
        real(resources)

    monkeypatch.setattr(fhir, "transaction", failing)
    other.push(other.page(other.entry("visit-1", bundle()), other.entry("visit-2", bundle())))
    assert [row["state"] for row in other.site.rows("incoming_entry")] == ["STORED", "RECEIVED"]
    other.site.wait(5)
    assert len(calls) == 3
    assert other.report[:2] == ("RECEIVED", {"visit-1": "OK", "visit-2": "OK"})


def test_a_document_at_which_the_server_always_fails_is_stored_piece_by_piece(
    other: Pushing, monkeypatch: pytest.MonkeyPatch
) -> None:
    fhir = other.site.adapter.fhir
    real, poison = fhir.transaction, bundle()

    def failing(resources: Any) -> None:
        made = list(resources)
        if any(each.get("id") == doomed for each in made):
            raise FhirUnavailable("The FHIR server answered HTTP 500.")
        real(made)

    monkeypatch.setattr(fhir, "transaction", failing)
    other.send(other.page(other.entry("visit-1", poison), other.entry("visit-2", bundle())))
    doomed = ""
    note = received.note

    def noted(tx: Any, adapter: Any, document: Any, wanted: Any) -> Any:
        nonlocal doomed
        doomed = doomed or document.id
        return note(tx, adapter, document, wanted)

    monkeypatch.setattr(received, "note", noted)
    other.site.run()
    other.site.wait(30)
    assert other.report[:2] == ("RECEIVED", {"visit-1": "OK", "visit-2": "OK"})
    assert len(other.found("Observation")) == 4


def test_one_resource_that_the_server_refuses_stops_no_other_and_is_named(
    other: Pushing, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = other.site.adapter.fhir._client
    real = client.execute

    def spoilt(path: str, method: str = "get", data: Any = None, **more: Any) -> Any:
        return real(path, method=method, data=_bad_encounters(data), **more)

    monkeypatch.setattr(client, "execute", spoilt)
    other.push_each(bundle(3), bundle())
    monkeypatch.undo()
    assert other.report[:2] == ("RECEIVED", {"visit-1": "OK", "visit-2": "OK"})
    assert "One Encounter could not be stored." in other.report[2]["visit-1"]
    assert len(other.found("Observation")) == 5
    assert other.found("Encounter") == []
    assert all("reference" not in o.get("encounter", {}) for o in other.found("Observation"))
    gone = [name for name in names(other) if name.startswith("Encounter/")]
    assert len(gone) == 2
    assert other.site.adapter.fhir.outlines(gone) == {}, "no empty one stands in its place"
    targets = [t["reference"] for p in other.found("Provenance") for t in p["target"]]
    assert not {name for name in targets if name.startswith("Encounter/")}


def _bad_encounters(data: Any) -> Any:
    """Every Encounter gets a time that no FHIR server takes."""
    if not isinstance(data, dict):
        return data
    if data.get("resourceType") == "Encounter":
        return {**data, "period": {"start": "yesterday"}}
    if data.get("resourceType") == "Bundle":
        entries = [
            {**e, "resource": _bad_encounters(e["resource"])} if "resource" in e else e
            for e in data["entry"]
        ]
        return {**data, "entry": entries}
    return data


# --- crashes and workers -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "function"),
    [(received, "stored"), (incoming_pages, "settle_entry"), (incoming_pages, "settle")],
)
def test_a_killed_worker_repeats_a_step_and_nothing_is_stored_twice(
    other: Pushing, monkeypatch: pytest.MonkeyPatch, module: Any, function: str
) -> None:
    def killed(*_: Any, **__: Any) -> None:
        monkeypatch.undo()
        raise Killed

    monkeypatch.setattr(module, function, killed)
    first, second = bundle(), bundle()
    other.send(other.page(other.entry("visit-1", first), other.entry("visit-2", second)))
    with pytest.raises(Killed):
        other.site.run()
    assert other.reports == []
    other.site.clock.advance(61)
    other.site.run()
    assert other.report[:2] == ("RECEIVED", {"visit-1": "OK", "visit-2": "OK"})
    assert len(other.found("Observation")) == 4
    versions = {o["meta"]["versionId"] for o in other.found("Observation")}
    assert versions == {"1"}, "the repeated write changed nothing"


def test_two_workers_share_the_work_and_report_once(site: Site) -> None:
    contexts = tuple(f"visit-{n}" for n in range(1, 7))
    others = [Pushing(site, contexts) for _ in range(3)]
    for each in others:
        each.grant()
        each.acknowledge()
        for number, context in enumerate(contexts, 1):
            each.send(each.page(each.entry(context, bundle(1)), number=number, count=6))
    workers = [
        threading.Thread(target=rig.run_until_idle, args=(site.adapter, ("incoming",)))
        for _ in range(2)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    site.run()
    assert len(site.rows("received_document")) == 18
    sent = [row["message"] for row in site.rows("outbox")]
    assert sent.count("DataFlowNotifyByHiu") == 3
    assert {row["state"] for row in site.rows("incoming")} == {"STORED"}


# --- late pages --------------------------------------------------------------------------------


def short_of_time(site: Site) -> None:
    config = site.adapter.config.model_copy(update={"receive_deadline": 60})
    site.adapter = replace(site.adapter, config=config)


def test_a_late_page_completes_a_partial_transfer_and_is_reported_to_nobody(site: Site) -> None:
    short_of_time(site)
    other = Pushing(site)
    other.grant()
    other.acknowledge()
    other.push(other.page(other.entry("visit-1", bundle()), number=1, count=2))
    site.wait(61)
    assert other.row["state"] == "PARTIAL"
    site.clock.advance(minutes=20)
    other.push(other.page(other.entry("visit-2", bundle()), number=2, count=2))
    assert other.row["state"] == "STORED"
    assert len(other.documents) == 2
    assert len(other.reports) == 1
    stored = [a for a in site.audits() if a["subtype"][0]["code"] == "record:received:store"]
    assert len(stored) == 2


def test_a_late_page_after_silence_is_kept_all_the_same(site: Site) -> None:
    short_of_time(site)
    other = Pushing(site, contexts=("visit-1",))
    other.grant()
    other.acknowledge()
    site.wait(61)
    assert other.row["state"] == "FAILED"
    other.push(other.page(other.entry("visit-1", bundle())))
    assert other.row["state"] == "STORED"
    assert [session for session, *_ in other.reports] == ["FAILED"]


def test_the_time_for_pages_counts_from_when_the_gateway_took_the_request(site: Site) -> None:
    other = Pushing(site, contexts=("visit-1",))
    site.outside.will_answer("/health-information/request", *[(503, None)] * 12)
    other.grant()
    site.wait(1900)
    other.acknowledge()
    assert other.row["state"] == "ACKNOWLEDGED"
    site.clock.advance(minutes=20)
    other.push(other.page(other.entry("visit-1", bundle())))
    assert other.report[0] == "RECEIVED"


def test_a_request_that_the_gateway_refuses_for_good_fails_the_transfer(site: Site) -> None:
    other = Pushing(site)
    refusal: Json = {"error": {"code": "ABDM-1062", "message": "Consent Not granted"}}
    site.outside.will_answer("/health-information/request", (400, refusal))
    other.grant()
    assert other.row["state"] == "FAILED"
    assert other.row["keys"] is None
    assert "dead letter" in other.row["sentence"]
    assert json.loads(site.outside.to("/health-information/request")[0].raw)["hiRequest"]


def test_without_a_public_address_nothing_is_asked_and_the_reason_is_told(site: Site) -> None:
    config = site.adapter.config.model_copy(update={"public_url": "https://hospital.example/~x"})
    site.adapter = replace(site.adapter, config=config)
    other = Pushing(site)
    other.grant()
    assert other.row["state"] == "FAILED"
    assert "PUBLIC_URL" in other.row["sentence"]
    assert site.outside.to("/health-information/request") == []
