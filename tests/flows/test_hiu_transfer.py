"""Records from other hospitals: asked for, complete or not, and fetched again."""

import hashlib
import json
import uuid

import pytest
from click.testing import CliRunner

from adapter.commands import operate
from adapter.flows import archive
from adapter.rules.states import HiuArtefactState
from conformance import schemas
from tests.flows import hiu
from tests.flows.harness import Site
from tests.flows.hims import LIMITED, Hospital
from tests.flows.pushing import NAME, REQUEST, Pushing, verbatim
from tests.flows.received import bundle
from tests.flows.wire import BOTH

pytestmark = pytest.mark.hapi
GENERATIONS = BOTH


# --- asking ------------------------------------------------------------------------------------


def test_the_request_is_built_from_the_artefact_and_follows_the_contract(other: Pushing) -> None:
    call = other.asked
    assert schemas.problems("HiuHealthInformationRequest", call.body) == []
    asked = call.body["hiRequest"]
    dates = other.artefact.permission.date_range
    assert asked["consent"]["id"] == other.artefact_id
    assert asked["dateRange"]["from"].startswith(dates.start.isoformat()[:19])
    assert len(asked["keyMaterial"]["dhPublicKey"]["keyValue"]) == 88  # raw: read by every sender
    assert call.headers["x-hiu-id"] == other.site.hip_id


def test_neither_push_token_nor_private_key_is_kept_in_the_clear(other: Pushing) -> None:
    token = other.path.rpartition("/")[2]
    row = other.row
    assert row["keys"]
    assert token not in str(other.site.rows("incoming"))
    assert token not in str(other.site.rows("outbox"))
    assert other.site.adapter.sealer.open(row["keys"]) != row["keys"]


def test_from_the_consent_request_to_the_records_in_one_go(site: Site) -> None:
    patient = site.patient()
    site.load(patient)
    detail = hiu.artefact(site, patient)
    hiu.granted(site, patient, detail)
    other = Pushing(site, ("V-9",), hip_id=hiu.OTHER_HIP, artefact_id=detail["consentId"])
    other.acknowledge()
    other.push_each(bundle())
    assert other.report[:2] == ("RECEIVED", {"V-9": "OK"})
    (received,) = other.found("Patient")
    assert received["link"] == [
        {"other": {"reference": f"Patient/{patient['id']}"}, "type": "seealso"}
    ]


def test_each_request_has_keys_and_token_of_its_own(other: Pushing) -> None:
    other.ask()
    first, second = other.site.outside.to(REQUEST)
    one, two = first.body["hiRequest"], second.body["hiRequest"]
    assert one["dataPushUrl"] != two["dataPushUrl"]
    assert one["keyMaterial"]["nonce"] != two["keyMaterial"]["nonce"]


def test_abdm_may_refuse_the_request_and_the_reason_is_kept(other: Pushing) -> None:
    error = {"code": "ABDM-1063", "message": "Date Range given is invalid"}
    other.site.answer(other.asked, NAME, {"error": error})
    assert other.row["state"] == "FAILED"
    assert other.row["keys"] is None
    assert "1063" in other.row["sentence"]
    page = other.page(other.entry("visit-1", bundle()))
    assert other.send(page).status_code == 410


def test_an_answer_to_nothing_of_ours_is_ignored(other: Pushing) -> None:
    told = {"transactionId": str(uuid.uuid4()), "sessionStatus": "REQUESTED"}
    request_id = other.site.deliver(
        NAME, {"hiRequest": told, "response": {"requestId": str(uuid.uuid4())}}
    )
    assert other.site.refusal(request_id) == ("DONE", "IllegalTransition")
    assert other.row["transaction_id"] is None


# --- complete, or not --------------------------------------------------------------------------


def test_a_care_context_that_brings_nothing_is_errored_after_ten_quiet_seconds(
    other: Pushing,
) -> None:
    other.acknowledge()
    other.push(other.page(other.entry("visit-1", bundle())))
    other.site.wait(9)
    assert other.reports == []
    other.site.wait(2)
    assert other.report[1] == {"visit-1": "OK", "visit-2": "ERRORED"}
    assert other.report[2]["visit-2"] == "Nothing came for this care context."
    assert other.row["state"] == "STORED"


def test_a_missing_page_makes_it_partial_at_the_deadline_and_what_came_is_kept(
    other: Pushing,
) -> None:
    other.acknowledge()
    content = bundle()
    other.push(other.page(other.entry("visit-1", content), number=1, count=2))
    other.site.clock.advance(minutes=29)
    other.site.run()
    assert other.reports == []
    other.site.clock.advance(minutes=1)
    other.site.run()
    assert other.report[:2] == ("RECEIVED", {"visit-1": "OK", "visit-2": "ERRORED"})
    assert other.row["state"] == "PARTIAL"
    assert verbatim(other) == {content}


def test_no_page_at_all_is_failed_with_a_sentence(other: Pushing) -> None:
    other.acknowledge()
    other.site.clock.advance(minutes=30)
    other.site.run()
    assert other.report[:2] == ("FAILED", {"visit-1": "ERRORED", "visit-2": "ERRORED"})
    assert other.row["state"] == "FAILED"
    assert "No page came in time" in other.row["sentence"]


# --- again -------------------------------------------------------------------------------------


def test_a_document_sent_again_replaces_itself(other: Pushing) -> None:
    other.acknowledge()
    first = bundle(3)
    other.push_each(first, bundle())
    shorter = json.loads(first)
    shorter["entry"] = [e for e in shorter["entry"] if e["resource"].get("id") != "3"]
    shorter["entry"][-1]["resource"]["valueQuantity"]["value"] = 41
    content = json.dumps(shorter).encode()
    other.push(other.page(other.entry("visit-1", content)))
    assert len(other.documents) == 2
    values = {o["valueQuantity"]["value"] for o in other.found("Observation")}
    assert len(other.found("Observation")) == 2 + 2
    assert 41 in values
    assert content in verbatim(other)
    assert first not in verbatim(other)


def test_a_later_fetch_replaces_what_an_earlier_one_brought_for_the_same_visit(
    other: Pushing,
) -> None:
    other.acknowledge()
    kept, old, new = bundle(), bundle(), bundle()
    other.push_each(old, kept)
    gone = {row["id"] for row in other.documents if row["care_context"] == "visit-1"}
    names = [
        r["resource"] for r in other.site.rows("received_resource") if r["document_id"] in gone
    ]
    other.site.clock.advance(hours=2)
    other.transaction_id = str(uuid.uuid4())
    other.ask()
    other.acknowledge()
    other.push(other.page(other.entry("visit-1", new)))
    assert {old, kept, new} == verbatim(other), "nothing goes before the new one is complete"
    other.site.wait(12)
    assert verbatim(other) == {kept, new}
    client = other.site.adapter.fhir._client
    for name in names:
        status, _ = client._exchange(
            "get", f"{client.url}/{name}/_history", client._build_request_headers(), None, (404,)
        )
        assert status == 404, name
    assert [r[0] for r in other.reports] == ["RECEIVED", "RECEIVED"]


def test_pages_of_several_transactions_under_one_artefact_go_to_their_own(
    other: Pushing,
) -> None:
    first_path = other.path
    other.acknowledge()
    early = other.page(other.entry("visit-1", bundle()), number=1, count=2)
    other.site.clock.advance(60)
    other.ask()
    assert other.path != first_path
    other.push_each(bundle(), bundle())
    assert other.send(early, first_path).status_code == 202
    other.site.run()
    states = sorted(r["state"] for r in other.site.rows("incoming"))
    assert states == ["RECEIVING", "STORED"]


def test_fetching_again_by_api_makes_a_new_transfer(hospital: Hospital) -> None:
    other = Pushing(hospital.site)
    other.grant()
    other.acknowledge()
    other.push_each(bundle(), bundle())
    other.site.clock.advance(60)
    answer = hospital.post(f"consent-artefacts/{other.artefact_id}/fetch", {})
    assert answer.status_code == 202, answer.data
    other.site.run()
    assert len(other.site.outside.to(REQUEST)) == 2
    listed = hospital.get(f"received-transfers?artefact={other.artefact_id}").get_json()
    assert [t["state"] for t in listed["transfers"]] == ["REQUESTED", "STORED"]
    shown = hospital.get(f"received-transfers/{listed['transfers'][1]['id']}").get_json()
    assert [c["received"] for c in shown["care_contexts"]] == [True, True]
    assert len(shown["pages"]) == len(shown["documents"]) == 2


def test_another_facilitys_key_sees_and_fetches_nothing(hospital: Hospital) -> None:
    other = Pushing(hospital.site)
    other.grant()
    other.push_each(bundle(), bundle())
    listed = hospital.get("received-transfers").get_json()["transfers"]
    assert [t["artefact_id"] for t in listed] == [other.artefact_id]
    assert hospital.get("received-transfers", LIMITED).get_json()["transfers"] == []
    assert hospital.get(f"received-transfers/{listed[0]['id']}", LIMITED).status_code == 404
    path = f"consent-artefacts/{other.artefact_id}/fetch"
    assert hospital.post(path, {}, LIMITED).status_code == 404


def test_records_of_an_ended_consent_are_not_fetched_again(hospital: Hospital) -> None:
    other = Pushing(hospital.site)
    other.grant()
    archive.note_end(other.site.adapter, other.artefact_id, HiuArtefactState.REVOKED)
    answer = hospital.post(f"consent-artefacts/{other.artefact_id}/fetch", {})
    assert answer.status_code == 409
    assert "revoked" in answer.get_json()["error"]["message"]
    assert len(hospital.get("received-transfers").get_json()["transfers"]) == 1


def test_the_command_line_shows_transfers_of_both_directions(
    other: Pushing, monkeypatch: pytest.MonkeyPatch
) -> None:
    other.acknowledge()
    other.push_each(bundle(), b"no FHIR")
    monkeypatch.setattr(operate, "open_adapter", lambda: other.site.adapter)
    listed = CliRunner().invoke(operate.transfer, ["list", "--json"])
    (row,) = [json.loads(line) for line in listed.output.splitlines()]
    assert (row["direction"], row["state"], row["other_side"]) == ("in", "STORED", other.hip_id)
    shown = CliRunner().invoke(operate.transfer, ["show", other.transaction_id, "--json"])
    found = json.loads(shown.output)
    assert [c["received"] for c in found["care_contexts"]] == [True, True]
    digests = {document["sha256"] for document in found["documents"]}
    assert hashlib.sha256(b"no FHIR").hexdigest() in digests
    assert CliRunner().invoke(operate.transfer, ["show", row["id"]]).exit_code == 0


def test_what_was_stored_is_audited_once(other: Pushing) -> None:
    other.acknowledge()
    other.push_each(bundle(), bundle())
    stored = [
        event
        for event in other.site.audits()
        if event["subtype"][0]["code"] == "record:received:store"
    ]
    (event,) = stored
    values = [e["what"]["identifier"]["value"] for e in event["entity"]]
    assert {other.artefact_id, other.transaction_id, "visit-1", "visit-2"} <= set(values)
