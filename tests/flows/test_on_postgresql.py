"""The journey's SQL on a real PostgreSQL: link by OTP, consent, request, pages, report."""

import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from adapter.flows import archive
from adapter.rules.abha_profile import Profile
from adapter.rules.states import HiuArtefactState
from adapter.stores import abha_profiles, incoming
from tests.flows.harness import (
    NOTIFY,
    ON_CONFIRM,
    ON_INIT,
    OTP,
    PUSH,
    Hiu,
    Site,
    address_of,
    artefact,
    discovery,
    end,
    error_code,
    grant,
    reference_of,
)
from tests.flows.received import bundle, give, reopen
from tests.flows.sharing import share

pytestmark = [pytest.mark.hapi, pytest.mark.postgres]


@pytest.fixture
def database_url(postgres_url: str) -> str:
    return postgres_url


def test_the_whole_journey_works_on_postgresql(site: Site) -> None:
    patient = site.patient()
    visit = site.visit(patient)
    site.admit(patient, visit)
    request = discovery(patient)
    site.deliver("DiscoverCareContexts", request)
    chosen = [{"referenceNumber": reference_of(visit)}]
    entries = [
        {"referenceNumber": "MRN-1", "hiType": kind, "careContexts": chosen, "count": 1}
        for kind in ("OPConsultation", "Prescription")
    ]
    init = {"abhaAddress": address_of(patient), "patient": entries}
    site.deliver("LinkInit", init | {"transactionId": request["transactionId"]})
    reference = site.outside.only(ON_INIT).body["link"]["referenceNumber"]
    found = re.search(r"\b\d{6}\b", site.outside.only(OTP).body["text"])
    assert found
    wrong = f"{(int(found.group()) + 1) % 1_000_000:06d}"
    for otp in (wrong, found.group()):
        site.deliver("LinkConfirm", {"confirmation": {"token": otp, "linkRefNumber": reference}})
    refused, confirmed = site.outside.to(ON_CONFIRM)
    assert error_code(refused) == "ABDM-1035"
    assert len(confirmed.body["patient"]) == 2
    assert {row["state"] for row in site.rows("care_context_link")} == {"LINKED"}

    detail = artefact(site, patient, visit)
    site.deliver("HipConsentNotify", grant(detail))
    hiu = Hiu()
    site.deliver("HipHealthInformationRequest", hiu.request(site, detail))
    assert [hiu.open(page)[0] for page in site.outside.to(PUSH)] == [reference_of(visit)] * 2
    report = site.outside.only(NOTIFY).body["notification"]["statusNotification"]
    assert report["sessionStatus"] == "TRANSFERRED"
    site.deliver("HipConsentNotify", end(detail, "REVOKED"))
    assert site.row("ended_consent")["state"] == "REVOKED"
    assert site.row("transfer")["state"] == "TRANSFERRED"


def test_received_records_go_when_their_consent_ends_on_postgresql(site: Site) -> None:
    given = give(site, bundle(), erase_at=site.clock() + timedelta(days=30))
    archive.note_end(site.adapter, given.artefact_id, HiuArtefactState.REVOKED)
    site.run()
    assert given.row["state"] == "ARCHIVED"
    assert len(site.rows("archive_chunk")) == 1
    assert site.rows("received_resource") == []
    site.clock.advance(days=30)
    site.run()
    assert given.row["state"] == "ERASED"
    assert site.rows("archive_chunk") == []
    assert site.adapter.fhir.verbatim(given.documents[0].document_id) is None


def test_an_end_and_a_page_at_the_same_moment_never_wait_for_each_other(site: Site) -> None:
    given = give(site, bundle())
    adapter = site.adapter
    reopen(given)
    taken, ends = threading.Event(), threading.Event()

    def page() -> None:
        """The locks of taking in a page, one after the other."""
        with adapter.db.transaction() as tx:
            incoming.may_be_kept(tx, given.artefact_id)
            taken.set()
            ends.wait(10)
            time.sleep(0.3)
            incoming.lock(tx, given.incoming_id)

    def end() -> None:
        taken.wait(10)
        ends.set()
        archive.note_end(adapter, given.artefact_id, HiuArtefactState.REVOKED)

    with ThreadPoolExecutor(2) as threads:
        for done in [threads.submit(page), threads.submit(end)]:
            done.result(timeout=60)
    assert given.row["state"] == "REVOKED"


def test_the_same_end_twice_at_once_is_noted_once_on_postgresql(site: Site) -> None:
    given = give(site, bundle())
    with ThreadPoolExecutor(4) as threads:
        noted = threads.map(
            lambda _: archive.note_end(site.adapter, given.artefact_id, HiuArtefactState.REVOKED),
            range(4),
        )
        assert sorted(noted) == [False, False, False, True]
    assert len([row for row in site.rows("outbox") if row["kind"] == "audit"]) == 1


def test_numbers_of_a_counters_queue_run_without_gaps_on_postgresql(site: Site) -> None:
    bodies = [share("OPD3") for _ in range(6)]
    for body in bodies:
        site.store("ProfileShare", body)
    with ThreadPoolExecutor(3) as workers:
        list(workers.map(lambda _: site.run(), range(3)))
    assert sorted(row["number"] for row in site.rows("queue_token")) == [1, 2, 3, 4, 5, 6]
    assert all(row["linked_at"] for row in site.rows("abha_profile"))


def test_one_person_noted_by_several_desks_at_once_is_one_profile_on_postgresql(
    site: Site,
) -> None:
    told = Profile(abha_number="91-5512-7788-3406", health_id="asha.verma84@sbx", name="Asha")
    ready = threading.Barrier(4)

    def note(_: int) -> str:
        ready.wait()
        with site.adapter.db.transaction() as tx:
            row = abha_profiles.note(
                tx, site.adapter, told, source="qr", hip_id=site.hip_id, verified=False
            )
        return row.id

    with ThreadPoolExecutor(4) as desks:
        assert len(set(desks.map(note, range(4)))) == 1
    assert len(site.rows("abha_profile")) == 1


def test_one_patient_claimed_for_two_abha_at_once_goes_to_one_on_postgresql(site: Site) -> None:
    ids = []
    for number in ("91-5512-7788-3406", "91-5512-7788-3407"):
        with site.adapter.db.transaction() as tx:
            row = abha_profiles.note(
                tx,
                site.adapter,
                Profile(abha_number=number),
                source="login",
                hip_id=site.hip_id,
                verified=True,
            )
        ids.append(row.id)
    ready = threading.Barrier(2)

    def claim(profile_id: str) -> bool:
        with site.adapter.db.transaction() as tx:
            ready.wait()
            done = abha_profiles.claim(tx, profile_id, "p-1", site.clock())
            time.sleep(0.2)
            return done

    with ThreadPoolExecutor(2) as desks:
        assert sorted(desks.map(claim, ids)) == [False, True]
