"""Transfers under bad luck: receivers that fail or lie, consents that end, crashes, deadlines."""

import uuid
from typing import Any

import pytest

from adapter.flows import hip_transfer
from adapter.protocol.errors import FhirUnavailable
from adapter.stores import transfers
from tests.flows.harness import (
    NOTIFY,
    PUSH,
    Call,
    Hiu,
    Json,
    Reply,
    Site,
    artefact,
    end,
    grant,
    reference_of,
)

pytestmark = pytest.mark.hapi


class Killed(BaseException):
    """The process dies here: nothing after this runs."""


class Transfer:
    """A granted consent for three visits of one page each, asked for by a HIU."""

    def __init__(self, site: Site, visits: int = 3) -> None:
        self.site = site
        self.hiu = Hiu()
        patient = site.patient()
        self.visits = [site.visit(patient, prescription=False) for _ in range(visits)]
        site.admit(patient, *self.visits)
        self.detail = artefact(site, patient, *self.visits)
        site.deliver("HipConsentNotify", grant(self.detail))

    def ask(self) -> None:
        request = self.hiu.request(self.site, self.detail)
        self.site.deliver("HipHealthInformationRequest", request)

    def received(self) -> list[int]:
        return [page.body["pageNumber"] for page in self.site.outside.to(PUSH)]

    def report(self) -> tuple[str, list[str]]:
        body = self.site.outside.only(NOTIFY).body["notification"]["statusNotification"]
        statuses = {s["careContextReference"]: s["hiStatus"] for s in body["statusResponses"]}
        return body["sessionStatus"], [statuses[reference_of(visit)] for visit in self.visits]

    def state(self) -> str:
        return str(self.site.row("transfer")["state"])


@pytest.fixture
def transfer(site: Site) -> Transfer:
    return Transfer(site)


def test_a_failing_receiver_gets_identical_bytes_again_in_order(transfer: Transfer) -> None:
    outside = transfer.site.outside
    outside.will_answer(PUSH, (202, None), (503, None), (500, None))
    transfer.ask()
    transfer.site.wait(30)
    assert transfer.received() == [1, 2, 2, 2, 3]
    assert len({page.raw for page in outside.to(PUSH)[1:4]}) == 1
    assert transfer.report() == ("TRANSFERRED", ["DELIVERED"] * 3)
    assert [row["attempts"] for row in transfer.site.rows("page")] == [1, 3, 1]


def test_retries_wait_two_seconds_doubling(transfer: Transfer) -> None:
    site = transfer.site
    site.outside.will_answer(PUSH, *[(503, None)] * 20)
    transfer.ask()
    for seconds in (2, 4, 8, 16):
        before = len(transfer.received())
        site.wait(seconds - 0.5)
        assert len(transfer.received()) == before
        site.wait(0.5)
        assert len(transfer.received()) == before + 1
    site.wait(120)
    assert transfer.received() == [1] * 5
    assert transfer.report() == ("FAILED", ["ERRORED"] * 3)
    assert transfer.state() == "FAILED"


def test_a_receiver_that_dies_in_the_middle_is_reported_truly(transfer: Transfer) -> None:
    transfer.site.outside.will_answer(PUSH, (202, None), *[(503, None)] * 20)
    transfer.ask()
    transfer.site.wait(60)
    assert transfer.report() == ("TRANSFERRED", ["DELIVERED", "ERRORED", "ERRORED"])
    assert [row["state"] for row in transfer.site.rows("page")] == ["SENT", "FAILED", "FAILED"]


LIES: list[Reply] = [
    (400, {"error": {"code": "ABDM-1031", "message": "Invalid request"}}),
    (202, {"error": {"code": "4500", "message": "Unknown error"}}),
    (302, None),
    (404, "no such page"),
]


@pytest.mark.parametrize("lie", LIES)
def test_a_page_the_receiver_refuses_fails_alone(transfer: Transfer, lie: Reply) -> None:
    transfer.site.outside.will_answer(PUSH, (202, None), lie)
    transfer.ask()
    assert transfer.received() == [1, 2, 3]
    assert transfer.report() == ("TRANSFERRED", ["DELIVERED", "ERRORED", "DELIVERED"])


@pytest.mark.parametrize("status", [401, 403])
def test_a_receiver_that_wants_our_token_does_not_get_it(transfer: Transfer, status: int) -> None:
    site = transfer.site
    site.outside.will_answer(PUSH, (status, None))
    transfer.ask()
    assert transfer.received() == [1]
    assert all("token-of-the-gateway" not in str(p.headers) for p in site.outside.to(PUSH))
    assert transfer.report() == ("FAILED", ["ERRORED"] * 3)
    assert "PUSH_TOKEN_HOSTS" in site.rows("page")[0]["sentence"]


def test_a_visit_of_two_documents_is_delivered_only_if_both_are(site: Site) -> None:
    transfer = Transfer(site, visits=0)
    patient = site.patient()
    transfer.visits = [site.visit(patient)]
    site.admit(patient, *transfer.visits)
    transfer.detail = artefact(site, patient, *transfer.visits)
    site.deliver("HipConsentNotify", grant(transfer.detail))
    site.outside.will_answer(PUSH, (202, None), (400, None))
    transfer.ask()
    assert transfer.report() == ("FAILED", ["ERRORED"])
    status = site.outside.only(NOTIFY).body["notification"]["statusNotification"]
    assert status["statusResponses"][0]["description"].startswith("1 of 2 documents delivered.")


@pytest.mark.parametrize("status", ["REVOKED", "EXPIRED"])
def test_a_consent_that_ends_stops_the_next_page(transfer: Transfer, status: str) -> None:
    site = transfer.site

    def end_after_first(call: Call) -> None:
        if PUSH in call.path:
            site.outside.hook = lambda call: None
            site.store("HipConsentNotify", end(transfer.detail, status))
            from adapter import receiving

            assert receiving.step(site.adapter)

    site.outside.hook = end_after_first
    transfer.ask()
    site.wait(60)
    assert transfer.received() == [1]
    assert transfer.state() == "CANCELLED"
    assert site.outside.to(NOTIFY) == []
    assert site.rows("page_chunk") == []
    assert [row["state"] for row in site.rows("page")] == ["SENT", "FAILED", "FAILED"]
    disclosed = [e for e in site.audits() if e["subtype"][0]["code"] == "record:context:disclose"]
    assert reference_of(transfer.visits[0]) in str(disclosed)
    assert reference_of(transfer.visits[1]) not in str(disclosed)


def test_a_consent_ended_in_the_fhir_server_alone_stops_the_next_page(
    transfer: Transfer,
) -> None:
    site = transfer.site

    def make_inactive(call: Call) -> None:
        if PUSH in call.path:
            consent = site.adapter.fhir.consent(f"hip-{transfer.detail['consentId']}")
            assert consent is not None
            site.adapter.fhir.put(consent | {"status": "inactive"})

    site.outside.hook = make_inactive
    transfer.ask()
    assert transfer.received() == [1]
    assert transfer.state() == "CANCELLED"


def test_a_consent_that_expires_between_two_pages_stops_the_next(transfer: Transfer) -> None:
    site = transfer.site
    permission = transfer.detail["permission"] | {"dataEraseAt": "2026-11-23T18:30:00.000Z"}
    transfer.detail |= {"consentId": str(uuid.uuid4()), "permission": permission}
    site.deliver("HipConsentNotify", grant(transfer.detail))
    site.outside.hook = lambda call: site.clock.advance(30) and None if PUSH in call.path else None
    transfer.ask()
    assert transfer.received() == [1]
    assert (transfer.state(), site.row("transfer")["error"]) == ("CANCELLED", "ConsentExpired")


def test_while_the_consent_cannot_be_read_nothing_leaves(
    transfer: Transfer, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = transfer.site
    readable = site.adapter.fhir.consent
    down = False

    def consent(consent_id: str, *, known: Json | None = None) -> Json | None:
        if down:
            raise FhirUnavailable("The FHIR server cannot be reached.")
        return readable(consent_id, known=known)

    def outage(call: Call) -> None:
        nonlocal down
        down = down or PUSH in call.path

    monkeypatch.setattr(site.adapter.fhir, "consent", consent)
    site.outside.hook = outage
    transfer.ask()
    site.wait(300)
    assert transfer.received() == [1]
    site.outside.hook = lambda call: None
    down = False
    site.wait(10)
    assert transfer.received() == [1, 2, 3]
    assert transfer.report() == ("TRANSFERRED", ["DELIVERED"] * 3)


def test_a_consent_unreadable_until_the_deadline_fails_the_rest(
    transfer: Transfer, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = transfer.site

    def away(*_: Any) -> None:
        raise FhirUnavailable("The FHIR server cannot be reached.")

    site.outside.hook = lambda call: (
        monkeypatch.setattr(site.adapter.fhir, "consent", away) if PUSH in call.path else None
    )
    transfer.ask()
    site.wait(21 * 60)
    assert transfer.received() == [1]
    assert transfer.report() == ("TRANSFERRED", ["DELIVERED", "ERRORED", "ERRORED"])
    status = site.outside.only(NOTIFY).body["notification"]["statusNotification"]
    assert status["statusResponses"][1]["description"] == "The time for this transfer is over."


def test_a_fhir_outage_while_preparing_delays_and_loses_nothing(
    transfer: Transfer, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = transfer.site
    readable = site.adapter.fhir.organizations

    def away(*_: Any) -> None:
        raise FhirUnavailable("The FHIR server cannot be reached.")

    monkeypatch.setattr(site.adapter.fhir, "organizations", away)
    transfer.ask()
    site.wait(60)
    assert transfer.received() == []
    monkeypatch.setattr(site.adapter.fhir, "organizations", readable)
    site.wait(10)
    assert transfer.report() == ("TRANSFERRED", ["DELIVERED"] * 3)


@pytest.mark.parametrize("step", ["add_pages", "settle_page", "end"])
def test_a_kill_at_any_commit_repeats_the_step_and_changes_nothing(
    transfer: Transfer, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """A kill rolls the commit back; the lease lapses, and the transfer goes on from what stands."""
    site = transfer.site
    whole = getattr(transfers, step)
    killed: list[str] = []

    def die_once(*arguments: Any, **more: Any) -> Any:
        result = whole(*arguments, **more)
        if not killed:
            killed.append(step)
            raise Killed
        return result

    monkeypatch.setattr(transfers, step, die_once)
    with pytest.raises(Killed):
        transfer.ask()
    site.clock.advance(61)
    site.run()
    pages = site.outside.to(PUSH)
    assert sorted(set(transfer.received())) == [1, 2, 3]
    assert len(pages) == (4 if step == "settle_page" else 3)
    assert len({page.raw for page in pages}) == 3
    assert transfer.report() == ("TRANSFERRED", ["DELIVERED"] * 3)
    assert transfer.state() == "TRANSFERRED"


def test_advancing_an_ended_transfer_does_nothing(transfer: Transfer) -> None:
    transfer.ask()
    for _ in range(3):
        hip_transfer.advance_transfer(transfer.site.adapter, transfer.site.row("transfer")["id"])
    transfer.site.run()
    assert transfer.received() == [1, 2, 3]
    assert transfer.report()[0] == "TRANSFERRED"


def test_one_odd_visit_does_not_stop_the_others(
    transfer: Transfer, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mappings

    build = mappings.build_documents
    odd = transfer.visits[1][0]["id"]

    def sometimes(hi_type: str, records: Any) -> list[Json]:
        if records.root["id"] == odd:
            raise KeyError("canary")
        return build(hi_type, records)

    monkeypatch.setattr(mappings, "build_documents", sometimes)
    transfer.ask()
    assert transfer.received() == [1, 2]
    assert transfer.report() == ("TRANSFERRED", ["DELIVERED", "ERRORED", "DELIVERED"])


def test_more_care_contexts_than_a_batch_all_arrive_once(site: Site) -> None:
    transfer = Transfer(site, visits=57)
    transfer.ask()
    assert transfer.received() == list(range(1, 58))
    assert {transfer.hiu.open(page)[0] for page in site.outside.to(PUSH)} == {
        reference_of(visit) for visit in transfer.visits
    }
    assert transfer.report() == ("TRANSFERRED", ["DELIVERED"] * 57)


def test_a_large_attachment_is_chunked_and_arrives_whole(site: Site) -> None:
    import base64
    import os

    from mappings import systems

    transfer = Transfer(site, visits=1)
    scan = base64.b64encode(os.urandom(4_000_000)).decode()
    root = transfer.visits[0][0]
    site.load(
        {
            "resourceType": "DocumentReference",
            "id": f"d-{root['id']}",
            "status": "current",
            "docStatus": "final",
            "type": {"coding": [systems.coding(systems.SNOMED, "4241000179101", "Report")]},
            "subject": root["subject"],
            "content": [{"attachment": {"contentType": "application/pdf", "data": scan}}],
            "context": {"encounter": [{"reference": f"Encounter/{root['id']}"}]},
        }
    )
    chunks: list[int] = []
    site.outside.hook = lambda call: (
        chunks.append(len(site.rows("page_chunk"))) if PUSH in call.path else None
    )
    transfer.ask()
    (page,) = site.outside.to(PUSH)
    assert chunks[0] > 5
    assert scan in str(transfer.hiu.open(page)[1])
    assert transfer.report() == ("TRANSFERRED", ["DELIVERED"])
