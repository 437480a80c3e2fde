"""LinkInit and LinkConfirm: the OTP, its five tries, and what is linked (USER_INIT_LINK_605)."""

import re
import uuid
from typing import Any

import pytest

from tests.flows.harness import (
    ON_CONFIRM,
    ON_DISCOVER,
    ON_INIT,
    OTP,
    Json,
    Site,
    address_of,
    discovery,
    error_code,
    mobile_of,
    reference_of,
)
from tests.flows.wire import BOTH, only

pytestmark = pytest.mark.hapi
GENERATIONS = BOTH


class Linking:
    """A patient with two visits who has discovered them."""

    def __init__(self, site: Site, **patient: Any) -> None:
        self.site = site
        self.patient = site.patient(**patient)
        self.visits = [site.visit(self.patient), site.visit(self.patient)]
        site.admit(self.patient, *self.visits)
        self.transaction = self.discover()

    def discover(self) -> str:
        request = discovery(
            self.patient | {"telecom": [{"value": "9000000000"}]}, verifiedIdentifiers=[]
        )
        self.site.deliver("DiscoverCareContexts", request)
        return str(request["transactionId"])

    def entry(self, hi_type: str = "OPConsultation", *references: str) -> Json:
        references = references or (reference_of(self.visits[0]),)
        return {
            "referenceNumber": "MRN-1",
            "careContexts": [{"referenceNumber": r} for r in references],
            "hiType": hi_type,
            "count": len(references),
        }

    def init(self, *entries: Json, transaction: str | None = None, **changes: Any) -> str:
        body: Json = {
            "transactionId": transaction or self.transaction,
            "abhaAddress": address_of(self.patient),
            "patient": list(entries) or [self.entry()],
        }
        hip_id = changes.pop("hip_id", None)
        return self.site.deliver("LinkInit", body | changes, hip_id=hip_id)

    def otp(self) -> str:
        found = re.search(r"\b\d{6}\b", self.site.outside.to(OTP)[-1].body["text"])
        assert found
        return found.group()

    def reference(self) -> str:
        return str(self.site.outside.to(ON_INIT)[-1].body["link"]["referenceNumber"])

    def confirm(self, otp: Any = None, reference: str | None = None, **more: Any) -> str:
        token = self.otp() if otp is None else otp
        reference = reference or self.reference()
        body = {"confirmation": {"token": token, "linkRefNumber": reference}}
        return self.site.deliver("LinkConfirm", body, **more)

    def wrong(self) -> str:
        return f"{(int(self.otp()) + 1) % 1_000_000:06d}"

    def links(self) -> dict[tuple[str, str], str]:
        rows = self.site.rows("care_context_link")
        return {(row["reference"], row["hi_type"]): row["state"] for row in rows}


@pytest.fixture
def linking(site: Site) -> Linking:
    return Linking(site)


@only("v3")
def test_the_chosen_visit_is_linked_by_the_otp_and_nothing_else(linking: Linking) -> None:
    site = linking.site
    asked = linking.init()
    sms = site.outside.only(OTP).body
    assert (sms["to"], sms["purpose"]) == (mobile_of(linking.patient), "care-context-link")
    reply = site.outside.only(ON_INIT).body
    assert reply["response"] == {"requestId": asked}
    assert reply["link"]["authenticationType"] == "DIRECT"
    meta = reply["link"]["meta"]
    assert meta["communicationHint"] == f"XXXXXXXX{mobile_of(linking.patient)[-2:]}"
    assert meta["communicationExpiry"] == "2026-11-23T18:39:30.000Z"
    assert linking.links() == {}

    confirmed = linking.confirm()
    body = site.outside.only(ON_CONFIRM).body
    chosen = reference_of(linking.visits[0])
    assert body["response"] == {"requestId": confirmed}
    (entry,) = body["patient"]
    assert (entry["hiType"], entry["count"]) == ("OPConsultation", 1)
    assert entry["careContexts"] == [
        {"referenceNumber": chosen, "display": "OPD visit 19 Nov 2026"}
    ]
    assert linking.links() == {(chosen, "OPConsultation"): "LINKED"}
    assert site.row("link_session")["state"] == "CONFIRMED"
    encounter = site.adapter.fhir.encounter(linking.visits[0][0]["id"])
    assert encounter is not None
    assert [t["code"] for t in encounter["meta"]["tag"]] == ["linked"]
    (event,) = site.audits()
    assert event["subtype"][0]["code"] == "record:context:link"


@only("v0.5")
def test_where_hi_types_are_unknown_the_chosen_visit_is_linked_with_all_it_has(
    linking: Linking,
) -> None:
    site = linking.site
    linking.init()
    confirmed = linking.confirm()
    chosen = reference_of(linking.visits[0])
    body = site.outside.only(ON_CONFIRM).body
    assert body["response"] == {"requestId": confirmed}
    (entry,) = body["patient"]
    assert entry["careContexts"] == [
        {"referenceNumber": chosen, "display": "OPD visit 19 Nov 2026"}
    ]
    linked = {(chosen, hi_type): "LINKED" for hi_type in ("OPConsultation", "Prescription")}
    assert linking.links() == linked
    linking.discover()
    (entry,) = site.outside.to(ON_DISCOVER)[-1].body["patient"]
    assert [context["referenceNumber"] for context in entry["careContexts"]] == [
        reference_of(linking.visits[1])
    ]


@only("v3")
def test_what_is_linked_is_not_offered_again(linking: Linking) -> None:
    linking.init(
        linking.entry("OPConsultation", *map(reference_of, linking.visits)),
        linking.entry("Prescription", reference_of(linking.visits[0])),
    )
    linking.confirm()
    linking.discover()
    body = linking.site.outside.to(ON_DISCOVER)[-1].body
    (entry,) = body["patient"]
    assert entry["hiType"] == "Prescription"
    assert [c["referenceNumber"] for c in entry["careContexts"]] == [
        reference_of(linking.visits[1])
    ]


def test_an_otp_sent_as_a_number_keeps_its_leading_zeros(
    linking: Linking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapter.flows.user_linking.secrets.randbelow", lambda _: 429)
    linking.init()
    assert linking.otp() == "000429"
    linking.confirm(otp=429)
    assert "error" not in linking.site.outside.only(ON_CONFIRM).body


def test_the_otp_stands_nowhere_once_it_was_sent(linking: Linking) -> None:
    linking.init()
    otp = linking.otp()
    assert [r["body"] for r in linking.site.rows("outbox") if r["kind"] == "otp"] == [None]
    for table in ("link_session", "inbox", "outbox"):
        assert all(otp not in str(row) for row in linking.site.rows(table))


def test_five_wrong_otps_lock_the_linking_for_good(linking: Linking) -> None:
    site = linking.site
    linking.init()
    for _ in range(5):
        linking.confirm(otp=linking.wrong())
    linking.confirm()
    replies = site.outside.to(ON_CONFIRM)
    assert [error_code(reply) for reply in replies] == ["ABDM-1035"] * 6
    assert [reply.body["error"]["message"] for reply in replies] == [
        *["Incorrect OTP"] * 4,
        *["Too many incorrect OTPs"] * 2,
    ]
    session = site.row("link_session")
    assert (session["state"], session["tries"], session["otp_hash"]) == ("LOCKED", 5, None)
    assert linking.links() == {}
    linking.init()
    assert error_code(site.outside.to(ON_INIT)[-1]) == "ABDM-1056"


def test_a_new_otp_does_not_give_new_tries(linking: Linking) -> None:
    linking.init()
    for _ in range(4):
        linking.confirm(otp=linking.wrong())
    linking.init()
    linking.confirm(otp=linking.wrong())
    assert linking.site.row("link_session")["state"] == "LOCKED"


def test_four_wrong_otps_leave_the_fifth_try(linking: Linking) -> None:
    linking.init()
    for _ in range(4):
        linking.confirm(otp=linking.wrong())
    linking.confirm()
    assert set(linking.links().values()) == {"LINKED"}


def test_an_otp_is_good_for_ten_minutes_and_not_a_second_longer(linking: Linking) -> None:
    site = linking.site
    linking.init()
    site.clock.advance(minutes=10)
    linking.confirm()
    reply = site.outside.only(ON_CONFIRM)
    assert (error_code(reply), reply.body["error"]["message"]) == ("ABDM-1035", "OTP expired")
    assert linking.links() == {}
    assert site.row("link_session")["state"] == "EXPIRED"


def test_an_old_otp_dies_with_the_new_one(linking: Linking) -> None:
    linking.init()
    old = linking.otp(), linking.reference()
    linking.init()
    linking.confirm(otp=old[0], reference=old[1])
    assert error_code(linking.site.outside.only(ON_CONFIRM)) == "ABDM-1056"


def test_the_same_confirmation_again_changes_nothing(linking: Linking) -> None:
    linking.init()
    asked = linking.confirm()
    confirmation = {"token": linking.otp(), "linkRefNumber": linking.reference()}
    linking.site.deliver("LinkConfirm", {"confirmation": confirmation}, request_id=asked)
    assert len(linking.site.outside.to(ON_CONFIRM)) == 1
    linking.confirm()
    assert error_code(linking.site.outside.to(ON_CONFIRM)[1]) == "ABDM-1056"
    assert len(linking.site.audits()) == 1


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"transaction": str(uuid.uuid4())}, ("LinkSessionNotFound", "ABDM-1056")),
        ({"abhaAddress": "someone.else@sbx"}, ("LinkSessionNotFound", "ABDM-1056")),
    ],
)
def test_a_link_init_without_its_discovery_is_refused(
    linking: Linking, change: dict[str, Any], error: tuple[str, str]
) -> None:
    asked = linking.init(**change)
    assert error_code(linking.site.outside.only(ON_INIT)) == error[1]
    assert linking.site.refusal(asked) == ("REFUSED", error[0])
    assert linking.site.outside.to(OTP) == []


def test_a_care_context_that_was_not_offered_is_refused(linking: Linking) -> None:
    stranger = linking.entry("OPConsultation", "Encounter-of-someone-else")
    asked = linking.init(linking.entry(), stranger)
    assert error_code(linking.site.outside.only(ON_INIT)) == "ABDM-1057"
    assert linking.site.refusal(asked) == ("REFUSED", "CareContextNotFound")
    assert linking.site.outside.to(OTP) == []


def test_an_idle_discovery_lapses(linking: Linking) -> None:
    linking.site.clock.advance(minutes=30)
    linking.init()
    assert error_code(linking.site.outside.only(ON_INIT)) == "ABDM-1056"


def test_a_patient_without_mobile_gets_no_otp_and_an_error(site: Site) -> None:
    linking = Linking(site, telecom=[])
    asked = linking.init()
    assert error_code(site.outside.only(ON_INIT)) == "ABDM-1010"
    assert site.refusal(asked) == ("REFUSED", "OtpNotSent")


def test_a_message_service_that_refuses_is_told_to_the_patient(linking: Linking) -> None:
    linking.site.outside.will_answer(OTP, (400, None))
    asked = linking.init()
    reply = linking.site.outside.only(ON_INIT)
    assert error_code(reply) == "ABDM-1010"
    assert reply.body["response"] == {"requestId": asked}


def test_an_unreachable_message_service_is_tried_again_before_the_answer(
    linking: Linking,
) -> None:
    linking.site.outside.will_answer(OTP, (503, None))
    linking.init()
    assert linking.site.outside.to(ON_INIT) == []
    linking.site.wait(10)
    assert "link" in linking.site.outside.only(ON_INIT).body
    linking.confirm()
    assert set(linking.links().values()) == {"LINKED"}


def test_a_confirmation_the_gateway_refuses_links_nothing(linking: Linking) -> None:
    site = linking.site
    refusal = {"error": {"code": "ABDM-1111", "message": "Invalid On confirm response"}}
    site.outside.will_answer(ON_CONFIRM, (400, refusal))
    linking.init()
    linking.confirm()
    assert set(linking.links().values()) == {"FAILED"}
    assert site.audits() == []
    linking.discover()
    assert "patient" in site.outside.to(ON_DISCOVER)[-1].body


@only("v3")
def test_a_flow_stopped_by_the_gateway_is_closed_without_an_answer(linking: Linking) -> None:
    body = {
        "transactionId": linking.transaction,
        "error": {"code": "ABDM-1056", "message": "already linked"},
    }
    linking.site.deliver("LinkInit", body)
    assert linking.site.row("link_session")["state"] == "EXPIRED"
    assert linking.site.outside.to(ON_INIT) == []


def test_an_otp_for_another_facility_is_refused(linking: Linking) -> None:
    linking.init()
    linking.confirm(hip_id="IN0000000000_9")
    assert error_code(linking.site.outside.only(ON_CONFIRM)) == "ABDM-1055"
    assert linking.links() == {}
