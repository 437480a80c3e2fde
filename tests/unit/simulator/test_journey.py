"""The whole journey over real HTTP: discovery, link, consent, data, against a small HIP."""

from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest

from conformance import schemas
from conformance.simulator.refcrypto import KeyForm
from conformance.simulator.times import parse
from tests.unit.simulator.conftest import World
from tests.unit.simulator.small_hip import ADDRESS, HIP_ID, MOBILE, VISITS, document


def test_patient_links_visits_with_the_otp_from_the_sms(world: World) -> None:
    found = world.client.discover(ADDRESS, HIP_ID, [("MR", "MRN-2208")])
    assert found.error is None
    assert found.matched_by == ["MOBILE"]
    assert {c.reference for e in found.patients for c in e.care_contexts} == set(VISITS)
    challenge = world.client.link_init(found.transaction_id, ["encounter-1"])
    assert (challenge.medium, challenge.hint) == ("MOBILE", "xxxxxx0045")
    outcome = world.client.link_confirm(challenge.reference, world.client.latest_otp(MOBILE))
    assert outcome.error is None
    assert [link.care_context for link in world.client.links(ADDRESS)] == ["encounter-1"]
    sent = world.hip.wait("care-context/discover").body["patient"]
    assert sent["unverifiedIdentifiers"] == [{"type": "MR", "value": "MRN-2208"}]


def test_wrong_otp_links_nothing_and_a_second_try_may_succeed(world: World) -> None:
    found = world.client.discover(ADDRESS, HIP_ID)
    challenge = world.client.link_init(found.transaction_id)
    otp = world.client.latest_otp(MOBILE)
    refused = world.client.link_confirm(challenge.reference, "000000")
    assert refused.error is not None
    assert refused.error.code == "ABDM-1035"
    assert world.client.links(ADDRESS) == []
    assert world.client.link_confirm(challenge.reference, otp).error is None
    assert len(world.client.links(ADDRESS)) == 2


def test_unknown_patient_is_told_so(world: World) -> None:
    found = world.client.discover("nobody.known@sbx", HIP_ID)
    assert found.error is not None
    assert (found.error.code, found.patients) == ("ABDM-1010", [])


@pytest.mark.parametrize("key_form", get_args(KeyForm))
def test_granted_records_arrive_decrypted_in_every_key_form(
    world: World, key_form: KeyForm
) -> None:
    world.link()
    transaction_id = world.client.request_data(world.consented(), key_form=key_form)
    transfer = world.client.transfer(transaction_id)
    assert transfer.status == "TRANSFERRED"
    assert {d.care_context: d.content for d in transfer.documents} == {
        reference: document(reference) for reference in VISITS
    }
    assert all(d.checksum_ok for d in transfer.documents)
    assert [(page.number, page.count) for page in transfer.pages] == [(1, 2), (2, 2)]
    assert transfer.errors == []
    assert transfer.hip_notification is not None


def test_every_callback_fits_its_schema_and_carries_the_headers(world: World) -> None:
    world.link()
    artefact_id = world.consented()
    world.client.request_data(artefact_id)
    world.client.revoke(artefact_id)
    world.client.wait_acknowledged(artefact_id, "REVOKED")
    sent = [e for e in world.client.exchanges(direction="out") if e.message in schemas.names()]
    assert {e.message for e in sent} >= {"DiscoverCareContexts", "LinkInit", "LinkConfirm"}
    for exchange in sent:
        assert schemas.problems(exchange.message, exchange.body) == []
        assert exchange.headers["X-HIP-ID"] == HIP_ID
        for header, shape in (("REQUEST-ID", "Uuid"), ("TIMESTAMP", "TimestampStrict")):
            assert schemas.definition(shape).is_valid(exchange.headers[header])


def test_grant_can_be_narrowed_in_types_dates_visits_and_end(world: World) -> None:
    world.link()
    start, end = datetime.now(UTC) - timedelta(days=30), datetime.now(UTC) - timedelta(days=3)
    erase = datetime.now(UTC) + timedelta(hours=2)
    (artefact_id,) = world.client.grant(
        world.ask(), ["OPConsultation"], start, end, erase, ["encounter-1"]
    )
    detail = world.client.artefact(artefact_id).detail
    assert detail["hiTypes"] == ["OPConsultation"]
    assert [c["careContextReference"] for c in detail["careContexts"]] == ["encounter-1"]
    permission = detail["permission"]
    assert abs(parse(permission["dateRange"]["from"]) - start) < timedelta(milliseconds=2)
    assert abs(parse(permission["dateRange"]["to"]) - end) < timedelta(milliseconds=2)
    assert abs(parse(permission["dataEraseAt"]) - erase) < timedelta(milliseconds=2)


def test_wider_range_reaches_the_hip_and_its_refusal_is_kept(world: World) -> None:
    world.link()
    wide = datetime.now(UTC) - timedelta(days=4000)
    transaction_id = world.client.request_data(world.consented(), date_from=wide)
    transfer = world.client.transfer(transaction_id)
    assert transfer.status == "REFUSED"
    assert transfer.error is not None
    assert transfer.error.code == "ABDM-1063"
    assert transfer.pages == []


def test_revoked_consent_is_announced_by_id_only(world: World) -> None:
    world.link()
    artefact_id = world.consented()
    world.client.revoke(artefact_id)
    assert world.client.wait_acknowledged(artefact_id, "REVOKED").acknowledgement == "OK"
    notice = world.hip.wait("consent/request/hip/notify", 2).body
    assert notice == {"notification": {"status": "REVOKED", "consentId": artefact_id}}
    transfer = world.client.transfer(world.client.request_data(artefact_id))
    assert transfer.error is not None
    assert transfer.error.code == "ABDM-1062"


def test_consent_expires_at_its_end_and_the_hip_hears_of_it(world: World) -> None:
    world.link()
    (artefact_id,) = world.client.grant(world.ask(seconds=1.0))
    assert world.client.wait_acknowledged(artefact_id, "EXPIRED").acknowledgement == "OK"
    assert world.client.artefact(artefact_id).status == "EXPIRED"


def test_expiry_notice_can_be_left_out(world: World) -> None:
    world.client.configure(expiry_notice=False)
    world.link()
    (artefact_id,) = world.client.grant(world.ask(seconds=1.0))
    world.client.wait_for(
        lambda: world.client.artefact(artefact_id).status == "EXPIRED", "the expiry"
    )
    notices = world.client.artefact(artefact_id).acknowledgements
    assert [notice.status for notice in notices] == ["GRANTED"]


def test_denied_or_lapsed_request_gives_no_artefact(world: World) -> None:
    world.link()
    denied = world.ask()
    world.client.configure(consent_request_seconds=0.2)
    lapsed = world.ask()
    world.client.deny(denied)

    def states() -> dict[str, str]:
        return {one.id: one.status for one in world.client.consent_requests(ADDRESS)}

    world.client.wait_for(lambda: states()[lapsed] == "EXPIRED", "the request to lapse")
    assert states() == {denied: "DENIED", lapsed: "EXPIRED"}


def test_missing_acknowledgement_is_recorded_on_the_artefact(world: World) -> None:
    world.link()
    world.client.configure(acknowledgement_seconds=0.2)
    world.hip.silent = True
    (artefact_id,) = world.client.grant(world.ask())
    world.client.wait_for(
        lambda: world.client.artefact(artefact_id).acknowledgements[0].acknowledgement == "MISSING",
        "the missing acknowledgement",
    )


def test_app_fetches_by_itself_after_a_context_notice(world: World) -> None:
    world.link()
    world.client.configure(self_request_after=0.05)
    notice = {
        "notification": {
            "patient": {"id": ADDRESS},
            "careContext": {
                "patientReference": "MRN-2208",
                "careContextReference": "encounter-1",
            },
            "hiTypes": ["OPConsultation"],
            "date": "2026-08-14T10:05:00.000Z",
            "hip": {"id": HIP_ID},
        }
    }
    assert world.hip.call("context-notify", notice).status_code == 202
    answer = world.hip.wait("links/context/on-notify").body
    assert answer["acknowledgement"] == {"status": "SUCCESS"}
    assert world.client.context_notifications()[0]["hip_id"] == HIP_ID
    consent = world.hip.wait("consent/request/hip/notify").body["notification"]["consentDetail"]
    assert consent["purpose"]["code"] == "PATRQT"
    assert world.hip.wait("hip/health-information/request").body["hiRequest"]["consent"] == {
        "id": consent["consentId"]
    }
