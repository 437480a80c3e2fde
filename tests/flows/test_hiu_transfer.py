"""Records from other hospitals: asked for, taken in in every form peers push them, and reported."""

import base64
import hashlib
import json
import uuid
from typing import Any

import pytest
from click.testing import CliRunner

from adapter.commands import operate
from adapter.flows import archive
from adapter.rules.states import HiuArtefactState
from conformance import schemas
from tests.flows import hiu
from tests.flows.harness import NOTIFY, Json, Site
from tests.flows.hims import LIMITED, Hospital
from tests.flows.pushing import NAME, REQUEST, Pushing
from tests.flows.received import bundle
from tests.flows.wire import BOTH

pytestmark = pytest.mark.hapi
GENERATIONS = BOTH


@pytest.fixture
def other(site: Site) -> Pushing:
    made = Pushing(site)
    made.grant()
    return made


def verbatim(other: Pushing) -> set[bytes]:
    """The bytes kept of each document."""
    return {base64.b64decode(b["data"]) for b in other.found("Binary")}


def both_ok(other: Pushing) -> None:
    session, statuses, _ = other.report
    assert (session, statuses) == ("RECEIVED", {"visit-1": "OK", "visit-2": "OK"})
    assert other.row["state"] == "STORED"


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


# --- pages in every form -----------------------------------------------------------------------


def test_each_page_is_stored_as_sourced_resources_and_reported(other: Pushing) -> None:
    first, second = bundle(), bundle(3)
    other.acknowledge()
    other.push_each(first, second)
    both_ok(other)
    assert verbatim(other) == {first, second}
    observations = other.found("Observation")
    assert len(observations) == 5
    assert {o["meta"]["source"].partition("#")[0] for o in observations} == {
        f"urn:abdm:hip:{other.hip_id}"
    }
    digests = {row["sha256"] for row in other.documents}
    assert digests == {hashlib.sha256(each).hexdigest() for each in (first, second)}
    body = other.site.outside.only(NOTIFY).body
    assert schemas.problems("DataFlowNotifyByHiu", body) == []
    assert body["notification"]["transactionId"] == other.transaction_id


def test_a_page_may_come_before_abdm_has_named_the_transaction(other: Pushing) -> None:
    other.push(other.page(other.entry("visit-1", bundle()), number=1, count=2))
    assert other.row["state"] == "RECEIVING"
    other.acknowledge()
    assert other.row["transaction_id"] == other.transaction_id
    other.push(other.page(other.entry("visit-2", bundle()), number=2, count=2))
    both_ok(other)


def one_page(other: Pushing, first: bytes, second: bytes) -> list[Json]:
    return [other.page(other.entry("visit-1", first), other.entry("visit-2", second))]


def pages_from_zero(other: Pushing, first: bytes, second: bytes) -> list[Json]:
    return [
        other.page(other.entry(context, content), number=n, count=2)
        for n, (context, content) in enumerate((("visit-1", first), ("visit-2", second)))
    ]


def pages_backwards(other: Pushing, first: bytes, second: bytes) -> list[Json]:
    return pages_from_zero(other, first, second)[::-1]


def each_as_page_one_of_one(other: Pushing, first: bytes, second: bytes) -> list[Json]:
    return [
        other.page(other.entry("visit-1", first)),
        other.page(other.entry("visit-2", second)),
    ]


def numbers_as_texts(other: Pushing, first: bytes, second: bytes) -> list[Json]:
    pages = pages_from_zero(other, first, second)
    return [{**p, "pageNumber": str(p["pageNumber"]), "pageCount": "2"} for p in pages]


FORMS = [one_page, pages_from_zero, pages_backwards, each_as_page_one_of_one, numbers_as_texts]


@pytest.mark.parametrize("form", FORMS)
def test_every_way_of_paging_is_understood(other: Pushing, form: Any) -> None:
    first, second = bundle(), bundle()
    other.acknowledge()
    pages = form(other, first, second)
    for page in pages[:-1]:
        other.push(page)
        assert other.reports == []
    other.push(pages[-1])
    both_ok(other)
    assert verbatim(other) == {first, second}


@pytest.mark.parametrize("form", ["raw", "x509-explicit", "x509-named"])
def test_every_encoding_of_the_senders_key_is_read(site: Site, form: str) -> None:
    other = Pushing(site, contexts=("visit-1",))
    other.grant()
    content = bundle(1)
    other.push(other.page(other.entry("visit-1", content), form=form))
    assert other.report[0] == "RECEIVED"
    assert verbatim(other) == {content}


def test_content_with_escaped_slashes_is_the_same_content(other: Pushing) -> None:
    first, second = bundle(), bundle(60)
    pages = each_as_page_one_of_one(other, first, second)
    for page in pages:
        raw = json.dumps(page).replace("/", "\\/").replace("=", "\\u003d").encode()
        other.push(raw)
    both_ok(other)
    assert verbatim(other) == {first, second}


def test_a_repeated_page_changes_nothing(other: Pushing) -> None:
    other.acknowledge()
    page = other.page(other.entry("visit-1", bundle()), number=1, count=2)
    other.push(page)
    before = other.found("Observation"), other.documents
    other.push(page)
    other.push(page)
    assert (other.found("Observation"), other.documents) == before
    assert len(other.site.rows("incoming_page")) == 1
    other.push(other.page(other.entry("visit-2", bundle()), number=2, count=2))
    both_ok(other)


def test_several_documents_of_one_care_context_are_all_kept(other: Pushing) -> None:
    contents = [bundle(1), bundle(1), bundle(1)]
    entries = [other.entry("visit-1", each) for each in contents]
    other.push(other.page(*entries, other.entry("visit-2", bundle(1))))
    both_ok(other)
    assert verbatim(other) >= set(contents)


def test_seven_entries_a_page_and_many_care_contexts_are_all_reported(site: Site) -> None:
    contexts = tuple(f"visit-{n}" for n in range(1, 10))
    other = Pushing(site, contexts)
    other.grant()
    other.acknowledge()
    entries = [(context, bundle(1)) for context in contexts]
    other.push(other.page(*(other.entry(*each) for each in entries[:7]), number=0, count=2))
    other.push(other.page(*(other.entry(*each) for each in entries[7:]), number=1, count=2))
    assert other.report[1] == dict.fromkeys(contexts, "OK")


def test_content_is_dropped_once_stored_and_keys_once_late_pages_are_too_late(
    other: Pushing,
) -> None:
    other.acknowledge()
    other.push_each(bundle(), bundle())
    assert other.site.rows("incoming_chunk") == []
    assert {row["frame"] for row in other.site.rows("incoming_page")} == {None}
    assert other.row["keys"] is not None
    other.site.clock.advance(minutes=29)
    late = other.page(other.entry("visit-1", bundle()))
    other.push(late)
    other.site.clock.advance(minutes=1)
    other.site.run()
    assert other.row["keys"] is None
    assert other.row["done_at"] is not None
    assert other.send(late).status_code == 410
    assert len(other.reports) == 1


def test_a_large_page_is_spooled_and_stored_byte_for_byte(site: Site) -> None:
    other = Pushing(site, contexts=("visit-1",))
    other.grant()
    scan = base64.b64encode(uuid.uuid4().bytes * (1536 * 1024)).decode()
    content = json.dumps(
        {
            "resourceType": "Bundle",
            "id": str(uuid.uuid4()),
            "type": "document",
            "entry": [
                {
                    "fullUrl": "urn:uuid:" + str(uuid.uuid4()),
                    "resource": {
                        "resourceType": "DocumentReference",
                        "status": "current",
                        "content": [
                            {"attachment": {"contentType": "application/pdf", "data": scan}}
                        ],
                    },
                }
            ],
        }
    ).encode()
    page = json.dumps(other.page(other.entry("visit-1", content))).encode()
    assert len(page) > 40_000_000
    other.push(page)
    assert other.report[0] == "RECEIVED", other.report
    (row,) = other.documents
    assert row["sha256"] == hashlib.sha256(content).hexdigest()
    assert site.adapter.fhir.verbatim(row["id"]) == content


# --- what is wrong is named, and stops nothing else --------------------------------------------


def broken_tag(entry: Json) -> Json:
    content = entry["content"]
    return {**entry, "content": content[:-8] + ("AAAAAAA=" if content[-8:] != "AAAAAAA=" else "B")}


UNUSABLE = {
    "wrong tag": (broken_tag, "authentication tag"),
    "no base64": (lambda e: {**e, "content": "§" * 30}, "base64"),
    "too short": (lambda e: {**e, "content": "AAAA"}, "shorter than"),
    "link": (lambda e: {**e, "content": None, "link": "https://x.example/1"}, "link"),
    "nothing": (lambda e: {**e, "content": ""}, "no content"),
    "foreign care context": (
        lambda e: {**e, "careContextReference": "visit-of-another"},
        "Nothing came",
    ),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_an_entry_that_cannot_be_opened_is_errored_and_stops_no_other(
    other: Pushing, case: str
) -> None:
    spoil, word = UNUSABLE[case]
    other.acknowledge()
    good = bundle()
    other.push(other.page(spoil(other.entry("visit-1", bundle())), other.entry("visit-2", good)))
    other.site.wait(15)
    session, statuses, descriptions = other.report
    assert session == "RECEIVED"
    assert {k: v for k, v in statuses.items() if k in ("visit-1", "visit-2")} == {
        "visit-1": "ERRORED",
        "visit-2": "OK",
    }
    assert word in descriptions["visit-1"]
    assert verbatim(other) == {good}


def test_a_page_for_another_key_is_failed_and_reported(other: Pushing) -> None:
    other.acknowledge()
    first = other.page(other.entry("visit-1", bundle()), other.entry("visit-2", bundle()))
    other.push(other.page(*first["entries"]))
    session, statuses, _ = other.report
    assert (session, set(statuses.values())) == ("FAILED", {"ERRORED"})
    assert other.row["state"] == "FAILED"
    assert other.found("Binary") == []


def test_an_empty_document_is_errored(other: Pushing) -> None:
    other.acknowledge()
    other.push_each(b"", bundle())
    assert other.report[1] == {"visit-1": "ERRORED", "visit-2": "OK"}
    assert "empty" in other.report[2]["visit-1"]


@pytest.mark.parametrize("material", [{"curve": "P-256"}, {"cryptoAlg": "RSA"}])
def test_key_material_of_another_kind_is_named(other: Pushing, material: Json) -> None:
    page = other.page(other.entry("visit-1", bundle()), other.entry("visit-2", bundle()))
    page["keyMaterial"] |= material
    other.push(page)
    assert other.report[0] == "FAILED"
    assert "algorithm or curve" in other.report[2]["visit-1"]


@pytest.mark.parametrize(
    ("checksum", "remark"),
    [("", False), ("string", False), ("0" * 32, True), ("AAAAAAAAAAAAAAAAAAAAAA==", True)],
)
def test_a_checksum_is_compared_only_where_it_is_one(
    site: Site, checksum: str, remark: bool
) -> None:
    other = Pushing(site, contexts=("visit-1",))
    other.grant()
    other.push(other.page(other.entry("visit-1", bundle(), checksum=checksum)))
    assert other.report[1] == {"visit-1": "OK"}
    assert ("checksum" in other.report[2]["visit-1"]) == remark
    flags = json.loads(other.documents[0]["flags"])
    assert [f["code"] for f in flags if f["code"] == "checksum-mismatch"] == (
        ["checksum-mismatch"] * remark
    )


def test_a_checksum_in_base64_is_a_checksum(site: Site) -> None:
    other = Pushing(site, contexts=("visit-1",))
    other.grant()
    content = bundle()
    digest = hashlib.md5(content, usedforsecurity=False).digest()
    checksum = base64.b64encode(digest).decode()
    other.push(other.page(other.entry("visit-1", content, checksum=checksum)))
    assert "checksum" not in other.report[2]["visit-1"]


DIRTY = {
    "no JSON": b"%PDF-1.7 not even text \xff\xfe",
    "no FHIR": b'{"hello": "world"}',
    "a list": b"[1, 2]",
    "a collection": json.dumps({**json.loads(bundle()), "type": "collection"}).encode(),
    "a bad date": bundle().replace(b'"2026-10-01"', b'"the first of October"'),
    "an unknown type": bundle().replace(b'"Encounter"', b'"Visitation"'),
}


@pytest.mark.parametrize("case", DIRTY)
def test_what_is_no_valid_fhir_is_kept_described_and_reported_ok(other: Pushing, case: str) -> None:
    other.acknowledge()
    good = bundle()
    other.push_each(DIRTY[case], good)
    both_ok(other)
    assert len(other.report[2]["visit-1"]) > len(other.report[2]["visit-2"])
    kept = [site_bytes(other, row["id"]) for row in other.documents]
    assert set(kept) == {DIRTY[case], good}


def site_bytes(other: Pushing, document_id: str) -> bytes:
    content = other.site.adapter.fhir.verbatim(document_id)
    assert content is not None
    return bytes(content)


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
