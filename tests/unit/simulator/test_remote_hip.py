"""Data for an HIU: what is refused, what the played HIPs send in every style, what is reported."""

import base64
import hashlib
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from conformance import schemas
from conformance.simulator.client import SimulatorError
from conformance.simulator.holdings import FOLDER_HIP
from conformance.simulator.push_plan import PEERS
from conformance.simulator.refcrypto import decode_point
from conformance.simulator.results import Transfer
from conformance.simulator.server import start_in_thread
from tests.unit.simulator.conftest import KONKAN, NILGIRI, QUICK, HiuWorld, World
from tests.unit.simulator.small_hip import ADDRESS, HIP_ID, document
from tests.unit.simulator.small_hiu import DATA, HIU_ID, SmallHiu, report

NOTES = {f"N-{number}": b"note %d" % number for number in (1, 2, 3)}


def received(world: HiuWorld, **style: Any) -> Transfer:
    """The transfer of the three notes of Nilgiri Clinic, pushed in a style, once it has ended."""
    artefact_id = world.at(NILGIRI)
    world.client.push_style(NILGIRI, **style)
    ended = world.client.wait_transfer(world.hiu.transfer(artefact_id))
    for page in world.hiu.pages:
        assert schemas.problems("HealthInformationPush", page.body) == []
    return ended


def contents(world: HiuWorld) -> dict[str, bytes | None]:
    """What has arrived, by care context."""
    return dict(entry for page in world.hiu.pages for entry in world.hiu.opened(page))


def numbers(world: HiuWorld) -> list[tuple[int, int]]:
    """(pageNumber, pageCount) in the order of arrival."""
    return [(page.body["pageNumber"], page.body["pageCount"]) for page in world.hiu.pages]


# -- asking ----------------------------------------------------------------------------------


def test_records_in_the_range_arrive_one_per_page_under_fresh_keys(hiu_world: HiuWorld) -> None:
    seen = received(hiu_world)
    assert contents(hiu_world) == NOTES, "the prescription of 2010 lies outside the range"
    assert numbers(hiu_world) == [(1, 3), (2, 3), (3, 3)]
    keys = [page.body["keyMaterial"]["dhPublicKey"]["keyValue"] for page in hiu_world.hiu.pages]
    assert len(set(keys)) == 3
    for page in hiu_world.hiu.pages:
        assert schemas.problems("HealthInformationPushStrict", page.body) == []
        assert "Authorization" not in page.headers
    assert seen.status == "TRANSFERRED"
    assert [page.status for page in seen.pushed] == [202, 202, 202]
    lines = seen.hip_notification["statusNotification"]["statusResponses"]  # type: ignore[index]
    outcome = {line["careContextReference"]: line["hiStatus"] for line in lines}
    assert outcome == {**dict.fromkeys(NOTES, "DELIVERED"), "N-9": "ERRORED"}


def test_bytes_that_are_no_json_arrive_as_they_are(hiu_world: HiuWorld) -> None:
    hiu_world.client.wait_transfer(hiu_world.hiu.transfer(hiu_world.at(KONKAN)))
    assert contents(hiu_world) == {"K-1": b"\x00\xff no JSON"}


def test_request_outside_the_artefact_is_refused(hiu_world: HiuWorld) -> None:
    artefact_id = hiu_world.at(NILGIRI)
    detail = hiu_world.hiu.fetched(artefact_id)["consentDetail"]
    wide = hiu_world.hiu.data_request(artefact_id, detail)
    wide["hiRequest"]["dateRange"] = {
        "from": "2001-01-01T00:00:00.000Z",
        "to": detail["permission"]["dateRange"]["to"],
    }
    reversed_ = hiu_world.hiu.data_request(artefact_id, detail)
    given = detail["permission"]["dateRange"]
    reversed_["hiRequest"]["dateRange"] = {"from": given["to"], "to": given["from"]}
    unknown = hiu_world.hiu.data_request(str(uuid.uuid4()), detail)
    bodies = [(wide, "ABDM-1063"), (reversed_, "ABDM-1063"), (unknown, "ABDM-1112")]
    for number, (body, code) in enumerate(bodies, start=1):
        assert hiu_world.hiu.call("request", body).status_code == 202
        answer = hiu_world.hiu.wait("hiu/health-information/on-request", number).body
        assert (answer["hiRequest"], answer["error"]["code"]) == (None, code)
    hiu_world.client.configure(hiu_refused_in_callback=False)
    for body, code in bodies:
        reply = hiu_world.hiu.call("request", body)
        assert (reply.status_code, reply.json()["error"]["code"]) == (400, code)
    assert hiu_world.hiu.pages == []


def test_ended_consent_is_refused_with_its_own_code(hiu_world: HiuWorld) -> None:
    hiu_world.client.configure(hiu_refused_in_callback=False)
    revoked = hiu_world.at(NILGIRI)
    detail = hiu_world.client.artefact(revoked).detail
    hiu_world.client.revoke(revoked)
    expired = hiu_world.at(NILGIRI, erase_at=datetime.now(UTC) + timedelta(seconds=1.0))
    hiu_world.client.wait_for(
        lambda: hiu_world.client.artefact(expired).status == "EXPIRED", "the expiry"
    )
    for artefact_id, code in ((revoked, "ABDM-1062"), (expired, "ABDM-1061")):
        reply = hiu_world.hiu.call("request", hiu_world.hiu.data_request(artefact_id, detail))
        assert (reply.status_code, reply.json()["error"]["code"]) == (400, code)


def test_keys_of_an_earlier_request_and_bad_bodies_are_refused(hiu_world: HiuWorld) -> None:
    artefact_id = hiu_world.at(NILGIRI)
    detail = hiu_world.client.artefact(artefact_id).detail
    body = hiu_world.hiu.data_request(artefact_id, detail)
    assert hiu_world.hiu.call("request", body).status_code == 202
    again = hiu_world.hiu.call("request", body)
    assert (again.status_code, again.json()["error"]["code"]) == (400, "ABDM-1101")
    assert hiu_world.hiu.call("request", body, X_HIU_ID=None).status_code == 401
    foreign = hiu_world.hiu.call("request", body, X_HIU_ID=NILGIRI)
    assert foreign.json()["error"]["code"] == "ABDM-1040"
    bad = hiu_world.hiu.data_request(artefact_id, detail)
    bad["hiRequest"]["keyMaterial"]["nonce"] = str(uuid.uuid4())
    assert hiu_world.hiu.call("request", bad).json()["code"] == "ABDM-1031"


@pytest.mark.parametrize("what", ["stale", "point"])
def test_played_hip_refuses_unusable_keys_and_sends_nothing(hiu_world: HiuWorld, what: str) -> None:
    artefact_id = hiu_world.at(NILGIRI)
    detail = hiu_world.client.artefact(artefact_id).detail
    life = -60 if what == "stale" else 60
    body = hiu_world.hiu.data_request(artefact_id, detail, life=life)
    if what == "point":
        body["hiRequest"]["keyMaterial"]["dhPublicKey"]["keyValue"] = "BA" + "A" * 86
    assert hiu_world.hiu.call("request", body).status_code == 202
    transaction = hiu_world.hiu.wait("hiu/health-information/on-request").body["hiRequest"]
    refused = hiu_world.client.wait_transfer(transaction["transactionId"])
    assert (refused.status, refused.pushed, hiu_world.hiu.pages) == ("REFUSED", [], [])


# -- styles ----------------------------------------------------------------------------------


def test_seven_entries_per_page_counted_from_0_under_one_key(hiu_world: HiuWorld) -> None:
    for number in range(4, 10):
        hiu_world.client.add_record(NILGIRI, ADDRESS, f"M-{number}", "OPConsultation", b"more")
    received(hiu_world, like="seven-per-page")
    assert numbers(hiu_world) == [(0, 2), (1, 2)]
    assert [len(page.body["entries"]) for page in hiu_world.hiu.pages] == [7, 2]
    material = [page.body["keyMaterial"]["dhPublicKey"]["keyValue"] for page in hiu_world.hiu.pages]
    assert material[0] == material[1]
    sums = {e["checksum"] for page in hiu_world.hiu.pages for e in page.body["entries"]}
    assert sums == {"string"}
    assert None not in contents(hiu_world).values()


def test_everything_on_one_page_with_a_bearer_and_no_checksum(hiu_world: HiuWorld) -> None:
    received(hiu_world, like="all-on-one-page")
    assert numbers(hiu_world) == [(1, 1)]
    (page,) = hiu_world.hiu.pages
    assert page.headers["Authorization"].startswith("Bearer ey")
    assert {entry["checksum"] for entry in page.body["entries"]} == {""}
    assert contents(hiu_world) == NOTES


@pytest.mark.parametrize(
    ("form", "length"), [("raw", 88), ("x509-named", 124), ("x509-explicit", 412)]
)
def test_key_can_be_sent_in_every_form(hiu_world: HiuWorld, form: str, length: int) -> None:
    received(hiu_world, key_form=form)
    value = hiu_world.hiu.pages[0].body["keyMaterial"]["dhPublicKey"]["keyValue"]
    assert len(value) == length
    assert decode_point(value)


@pytest.mark.parametrize("kind", ["hex", "base64", "wrong"])
def test_checksum_can_be_hex_base64_or_wrong(hiu_world: HiuWorld, kind: str) -> None:
    received(hiu_world, checksum=kind)
    digest = hashlib.md5(b"note 1").digest()
    sent = hiu_world.hiu.pages[0].body["entries"][0]["checksum"]
    right = {"hex": digest.hex(), "base64": base64.b64encode(digest).decode()}
    assert (sent == right.get(kind)) is (kind != "wrong")
    assert contents(hiu_world) == NOTES


@pytest.mark.parametrize(("which", "broken"), [("first", 1), ("all", 3)])
def test_tag_can_be_wrong_on_the_first_page_or_on_all(
    hiu_world: HiuWorld, which: str, broken: int
) -> None:
    received(hiu_world, wrong_tag=which)
    assert list(contents(hiu_world).values()).count(None) == broken


def test_pages_can_come_backwards_twice_or_not_at_all(hiu_world: HiuWorld) -> None:
    received(hiu_world, order="backward", twice=True)
    assert numbers(hiu_world) == [(3, 3), (2, 3), (1, 3), (1, 3)]
    hiu_world.hiu.pages.clear()
    received(hiu_world, missing=True)
    assert numbers(hiu_world) == [(1, 3), (2, 3)]


def test_pages_can_come_before_the_answer_that_names_the_transaction(hiu_world: HiuWorld) -> None:
    received(hiu_world, early=True)
    answer = hiu_world.hiu.wait("hiu/health-information/on-request")
    assert [page.at < answer.at for page in hiu_world.hiu.pages] == [True] * 3


def test_documents_can_be_spread_over_transactions_each_with_its_own_count(
    hiu_world: HiuWorld,
) -> None:
    seen = received(hiu_world, transactions=2)
    by_transaction: dict[str, list[tuple[int, int]]] = {}
    for page, count in zip(hiu_world.hiu.pages, numbers(hiu_world), strict=True):
        by_transaction.setdefault(page.body["transactionId"], []).append(count)
    assert list(by_transaction.values()) == [[(1, 2), (2, 2)], [(1, 1)]]
    assert seen.transaction_id == next(iter(by_transaction))
    assert contents(hiu_world) == NOTES
    for transaction_id in by_transaction:
        body = report(transaction_id, seen.asked["consent"]["id"], NILGIRI, {"N-1": "OK"})
        assert hiu_world.hiu.call("notify", body).status_code == 202


def test_slow_push_stops_when_the_consent_ends_unless_it_does_not_care(
    hiu_world: HiuWorld,
) -> None:
    # Time enough to revoke before the second page; who doesn't care need not wait for that.
    for style, count in (({"seconds": 1.0}, 1), ({"seconds": 0.3, "after_end": True}, 3)):
        hiu_world.hiu.pages.clear()
        artefact_id = hiu_world.at(NILGIRI)
        hiu_world.client.push_style(artefact_id, **style)
        transaction_id = hiu_world.hiu.transfer(artefact_id)
        hiu_world.client.wait_for(lambda: len(hiu_world.hiu.pages) >= 1, "the first page")
        hiu_world.client.revoke(artefact_id)
        hiu_world.client.wait_transfer(transaction_id)
        assert len(hiu_world.hiu.pages) == count


def test_hip_can_refuse_or_never_react(hiu_world: HiuWorld) -> None:
    refused = received(hiu_world, refuses="ABDM-1062")
    assert (refused.status, refused.error and refused.error.code) == ("REFUSED", "ABDM-1062")
    hiu_world.client.push_style(NILGIRI, silent=True)
    transaction_id = hiu_world.hiu.transfer(hiu_world.at(NILGIRI))
    assert hiu_world.client.transfer(transaction_id).status == "REQUESTED"
    assert hiu_world.hiu.pages == []


def test_refused_page_is_tried_again_and_then_reported(hiu_world: HiuWorld) -> None:
    artefact_id = hiu_world.at(NILGIRI)
    hiu_world.client.push_style(artefact_id, tries=2, seconds=0.2)
    transaction_id = hiu_world.hiu.transfer(artefact_id)
    hiu_world.hiu.status = 503
    seen = hiu_world.client.wait_transfer(transaction_id)
    assert seen.status == "FAILED"
    assert [page.status for page in seen.pushed] == [503] * 3
    assert len(hiu_world.hiu.pages) == 6


def test_styles_that_do_not_exist_are_sentences(hiu_world: HiuWorld) -> None:
    for arguments, sentence in (
        ({"colour": "red"}, "no colour"),
        ({"checksum": "sha"}, "one of hex"),
        ({"twice": "yes"}, "of type bool"),
        ({"like": "nobody"}, "like nha"),
    ):
        with pytest.raises(SimulatorError, match=sentence):
            hiu_world.client.push_style(NILGIRI, **arguments)  # type: ignore[arg-type]
    with pytest.raises(SimulatorError, match="no HIP or artefact"):
        hiu_world.client.push_style("IN0000000009")
    assert set(PEERS) == {"nha", "all-on-one-page", "seven-per-page"}


# -- reports and status ----------------------------------------------------------------------


def test_report_of_an_hiu_is_taken_once_and_must_be_consistent(hiu_world: HiuWorld) -> None:
    seen = received(hiu_world)
    artefact_id = seen.asked["consent"]["id"]
    good = report(seen.transaction_id, artefact_id, NILGIRI, {"N-1": "OK", "N-2": "ERRORED"})
    contradictory = report(seen.transaction_id, artefact_id, NILGIRI, {"N-1": "ERRORED"})
    contradictory["notification"]["statusNotification"]["sessionStatus"] = "RECEIVED"
    delivered = report(seen.transaction_id, artefact_id, NILGIRI, {"N-1": "DELIVERED"})
    for body in (
        contradictory,
        delivered,
        report(seen.transaction_id, artefact_id, KONKAN, {"N-1": "OK"}),
        report(seen.transaction_id, str(uuid.uuid4()), NILGIRI, {"N-1": "OK"}),
    ):
        refused = hiu_world.hiu.call("notify", body)
        assert (refused.status_code, refused.json()["code"]) == (400, "ABDM-1031")
    unknown = report(str(uuid.uuid4()), artefact_id, NILGIRI, {"N-1": "OK"})
    assert hiu_world.hiu.call("notify", unknown).json()["error"]["code"] == "ABDM-1101"
    accepted = hiu_world.hiu.call("notify", good)
    assert (accepted.status_code, accepted.json()) == (202, {"status": "Notification is Accepted"})
    assert hiu_world.hiu.call("notify", good).json()["error"]["code"] == "ABDM-1101"
    kept = hiu_world.client.wait_reported(artefact_id).hiu_notifications[seen.transaction_id]
    assert kept["statusNotification"]["sessionStatus"] == "RECEIVED"
    (exchange,) = [
        e for e in hiu_world.client.exchanges("DataFlowNotifyByHiu", "in") if e.status == 202
    ]
    assert exchange.body == good


def test_status_of_a_transaction_is_the_newest_word_on_it(hiu_world: HiuWorld) -> None:
    seen = received(hiu_world)
    path = f"{DATA}/request/status/{seen.transaction_id}"
    assert hiu_world.hiu.raw("GET", path).json()["status"] == "TRANSFERRED"
    body = report(seen.transaction_id, seen.asked["consent"]["id"], NILGIRI, {"N-1": "OK"})
    hiu_world.hiu.call("notify", body)
    answer = hiu_world.hiu.raw("GET", path)
    assert answer.json() == {"transactionId": seen.transaction_id, "status": "RECEIVED"}
    assert schemas.problems("HealthInformationRequestStatusResponse", answer.json()) == []
    unknown = hiu_world.hiu.raw("GET", f"{DATA}/request/status/{uuid.uuid4()}")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (400, "ABDM-1006")


# -- a HIP behind a bridge -------------------------------------------------------------------


def test_hip_behind_a_bridge_gets_the_request_with_the_hius_url_and_key(world: World) -> None:
    world.link()
    hiu = SmallHiu(world.client.base_url).start()
    try:
        world.client.add_bridge(hiu.client_id, hiu.client_secret, hiu.url)
        world.client.add_service(HIU_ID, "Second Hospital", ["HIU"], hiu.client_id)
        both = HiuWorld(world.client, hiu)
        artefact_id = both.at(HIP_ID)
        world.client.wait_acknowledged(artefact_id, "GRANTED")
        transaction_id = hiu.transfer(artefact_id)
        assert world.client.wait_transfer(transaction_id).status == "TRANSFERRED"
        asked = world.hip.wait("hip/health-information/request").body
        assert asked["transactionId"] == transaction_id
        assert asked["hiRequest"]["dataPushUrl"].startswith(f"{hiu.url}/push/")
        references = [reference for reference, _ in contents(both).items()]
        assert contents(both) == {reference: document(reference) for reference in references}
        assert len(references) == 2
        line = {"careContextReference": "encounter-1", "hiStatus": "OK", "description": "Text"}
        body = report(transaction_id, artefact_id, HIP_ID, {"encounter-1": "OK"})
        assert body["notification"]["statusNotification"]["statusResponses"] == [line]
        assert hiu.call("notify", body).status_code == 202
        assert world.client.transfer(transaction_id).hip_notification is not None
    finally:
        hiu.stop()


def test_played_hiu_fetches_from_a_played_hip_and_no_more_than_consented(
    hiu_world: HiuWorld,
) -> None:
    moment = datetime.now(UTC)
    request_id = hiu_world.client.raise_consent_request(
        "REMOTE-HIU",
        ADDRESS,
        ["OPConsultation"],
        moment - timedelta(days=90),
        moment,
        moment + timedelta(days=1),
        hip_id=NILGIRI,
    )
    (artefact_id,) = hiu_world.client.grant(request_id)
    seen = hiu_world.client.transfer(hiu_world.client.request_data(artefact_id))
    assert {found.care_context: found.content for found in seen.documents} == NOTES
    wide = hiu_world.client.request_data(artefact_id, date_from=moment - timedelta(days=9000))
    refused = hiu_world.client.transfer(wide)
    assert (refused.status, refused.error and refused.error.code) == ("REFUSED", "ABDM-1063")
    assert refused.pages == []


# -- what is held ----------------------------------------------------------------------------


def test_folder_is_served_byte_for_byte_to_every_patient(tmp_path: Path) -> None:
    files = {"scan#1.pdf": b"%PDF-1.7 \xff\x00", "note.json": b"{ not json", "b/empty": b""}
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    with start_in_thread(QUICK, hip_documents=tmp_path) as running:
        client = running.client
        hiu = SmallHiu(running.base_url).start()
        client.add_bridge(hiu.client_id, hiu.client_secret, hiu.url)
        client.add_service(HIU_ID, "Sahyadri General Hospital", ["HIU"], hiu.client_id)
        client.add_patient(ADDRESS, None, "Meera Joshi", "F", 1984, "9820000045")
        listed = client.hip_documents(FOLDER_HIP)
        assert {one.name: one.sha256 for one in listed} == {
            name: hashlib.sha256(content).hexdigest() for name, content in files.items()
        }
        shown = requests.get(f"{running.base_url}/control/hip-documents", timeout=60).json()
        assert [one["care_context"] for one in shown] == ["b/empty", "note.json", "scan-1.pdf"]
        world = HiuWorld(client, hiu)
        request_id = hiu.asked(ADDRESS, hiTypes=["HealthDocumentRecord"])
        (artefact_id,) = client.grant(request_id)
        client.wait_transfer(hiu.transfer(artefact_id))
        names = {one.care_context: one.name for one in listed}
        assert {names[c]: content for c, content in contents(world).items()} == files
        hiu.stop()


def test_folder_that_is_missing_or_empty_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is empty"):
        start_in_thread(QUICK, hip_documents=tmp_path)
    with pytest.raises(ValueError, match="no folder"):
        start_in_thread(QUICK, hip_documents=tmp_path / "none")


def test_records_are_put_only_into_hips_that_the_simulator_plays(world: World) -> None:
    for hip_id in (HIP_ID, "REMOTE-HIU", "IN0000000009"):
        with pytest.raises(SimulatorError, match="simulator's own"):
            world.client.add_record(hip_id, ADDRESS, "X-1", "OPConsultation", b"x")
    with pytest.raises(SimulatorError, match="HI type"):
        world.client.add_record(HIP_ID, ADDRESS, "X-1", "Recipe", b"x")
    reply = requests.post(
        f"{world.client.base_url}/control/add-record", json={"content": "eA=="}, timeout=60
    )
    assert reply.status_code == 400
    assert "add-record" in reply.json()["error"]
