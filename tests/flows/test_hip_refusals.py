"""Health-information requests that must be refused: what the HIU sees, and what is stored."""

import base64
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.flows.harness import (
    NOTIFY,
    ON_REQUEST,
    PUSH,
    Hiu,
    Json,
    Site,
    artefact,
    end,
    error_code,
    grant,
    reference_of,
)
from tests.flows.wire import BOTH

pytestmark = pytest.mark.hapi
GENERATIONS = BOTH

Consented = tuple[Json, list[Json], Json]


@pytest.fixture
def consented(site: Site) -> Consented:
    """(patient, visit, granted artefact)"""
    patient = site.patient()
    visit = site.visit(patient)
    site.admit(patient, visit)
    detail = artefact(site, patient, visit)
    site.deliver("HipConsentNotify", grant(detail))
    return patient, visit, detail


def refused(site: Site, request: Json, code: str, error: str, **more: Any) -> None:
    """The request is answered with this error; nothing else leaves and no transfer is stored."""
    asked = site.deliver("HipHealthInformationRequest", request, **more)
    reply = site.outside.only(ON_REQUEST)
    assert error_code(reply) == code
    assert reply.body["response"] == {"requestId": asked}
    assert site.refusal(asked) == ("REFUSED", error)
    assert site.rows("transfer") == []
    assert site.outside.to(PUSH) == []
    assert site.outside.to(NOTIFY) == []
    assert error in [event.get("outcomeDesc") for event in site.audits()]


def test_an_unknown_consent_is_refused_after_half_a_minute(site: Site) -> None:
    detail = artefact(site, site.patient())
    asked = site.deliver("HipHealthInformationRequest", Hiu().request(site, detail))
    site.wait(25)
    assert site.outside.to(ON_REQUEST) == []
    site.wait(20)
    assert error_code(site.outside.only(ON_REQUEST)) == "ABDM-1062"
    assert site.refusal(asked) == ("REFUSED", "ConsentNotFound")


def test_a_request_that_overtakes_its_consent_is_served(site: Site) -> None:
    patient = site.patient()
    visit = site.visit(patient)
    site.admit(patient, visit)
    detail = artefact(site, patient, visit)
    site.deliver("HipHealthInformationRequest", Hiu().request(site, detail))
    assert site.outside.to(ON_REQUEST) == []
    site.deliver("HipConsentNotify", grant(detail))
    site.wait(15)
    assert "hiRequest" in site.outside.only(ON_REQUEST).body
    assert len(site.outside.to(PUSH)) == 2


@pytest.mark.parametrize(
    ("status", "error"), [("REVOKED", "ConsentRevoked"), ("EXPIRED", "ConsentExpired")]
)
def test_an_ended_consent_is_refused(
    site: Site, consented: Consented, status: str, error: str
) -> None:
    _, _, detail = consented
    site.deliver("HipConsentNotify", end(detail, status))
    refused(site, Hiu().request(site, detail), "ABDM-1061", error)


def test_a_consent_past_its_end_is_refused_without_any_notice(
    site: Site, consented: Consented
) -> None:
    _, _, detail = consented
    site.clock.advance(days=39)
    refused(site, Hiu().request(site, detail), "ABDM-1061", "ConsentExpired")


def test_another_facilitys_artefact_is_refused(site: Site, consented: Consented) -> None:
    patient, visit, _ = consented
    detail = artefact(site, patient, visit, hip={"id": "IN0000000000_7"})
    site.deliver("HipConsentNotify", grant(detail))
    refused(site, Hiu().request(site, detail), "ABDM-1062", "ConsentNotGranted")


@pytest.mark.parametrize(
    "dates",
    [
        {"from": "2025-12-31T23:59:59.999Z", "to": "2026-11-23T00:00:00.000Z"},
        {"from": "2026-01-01T00:00:00.000Z", "to": "2026-11-23T00:00:00.001Z"},
        {"from": "2026-11-02T00:00:00.000Z", "to": "2026-11-01T00:00:00.000Z"},
    ],
)
def test_dates_wider_than_consented_are_refused_not_cut(
    site: Site, consented: Consented, dates: dict[str, str]
) -> None:
    request = Hiu().request(site, consented[2], dateRange=dates)
    refused(site, request, "ABDM-1063", "DateRangeNotPermitted")


def test_hi_types_that_are_not_made_here_are_refused(site: Site, consented: Consented) -> None:
    patient, visit, _ = consented
    detail = artefact(site, patient, visit, hiTypes=["ClaimRecord"])
    site.deliver("HipConsentNotify", grant(detail))
    refused(site, Hiu().request(site, detail), "ABDM-1062", "ConsentNotGranted")


def test_only_consented_hi_types_leave(site: Site, consented: Consented) -> None:
    patient, visit, _ = consented
    detail = artefact(site, patient, visit, hiTypes=["Prescription", "DiagnosticReport"])
    site.deliver("HipConsentNotify", grant(detail))
    hiu = Hiu()
    site.deliver("HipHealthInformationRequest", hiu.request(site, detail))
    _, document = hiu.open(site.outside.only(PUSH))
    assert "Prescription" in document["entry"][0]["resource"]["title"]


def unknown_visit(site: Site, patient: Json) -> list[list[Json]]:
    return [[{"id": "no-such-visit"}]]


def others_visit(site: Site, patient: Json) -> list[list[Json]]:
    other = site.patient()
    visit = site.visit(other)
    site.admit(other, visit)
    return [visit]


def elsewhere(site: Site, patient: Json) -> list[list[Json]]:
    visit = site.visit(patient, hfr_id=f"{site.hfr_id}9")
    site.load(site.organization(f"{site.hfr_id}9"), *visit)
    return [visit]


@pytest.mark.parametrize("wrong", [unknown_visit, others_visit, elsewhere])
def test_a_care_context_not_of_this_patient_and_facility_refuses_the_request(
    site: Site,
    consented: Consented,
    wrong: Callable[[Site, Json], list[list[Json]]],
) -> None:
    patient, visit, _ = consented
    detail = artefact(site, patient, visit, *wrong(site, patient))
    site.deliver("HipConsentNotify", grant(detail))
    refused(site, Hiu().request(site, detail), "ABDM-1057", "CareContextNotFound")


def flip(text: str) -> str:
    raw = bytearray(base64.b64decode(text))
    raw[-1] ^= 1
    return base64.b64encode(raw).decode()


def off_curve(key: Json) -> None:
    key["dhPublicKey"]["keyValue"] = flip(key["dhPublicKey"]["keyValue"])


def short_key(key: Json) -> None:
    raw = base64.b64decode(key["dhPublicKey"]["keyValue"])
    key["dhPublicKey"]["keyValue"] = base64.b64encode(raw[:-1]).decode()


def not_base64(key: Json) -> None:
    key["dhPublicKey"]["keyValue"] = "*" * 88


def short_nonce(key: Json) -> None:
    key["nonce"] = base64.b64encode(b"n" * 31).decode()


def other_curve(key: Json) -> None:
    key["curve"] = "P-256"


def other_algorithm(key: Json) -> None:
    key["cryptoAlg"] = "RSA"


@pytest.mark.parametrize(
    "spoil", [off_curve, short_key, not_base64, short_nonce, other_curve, other_algorithm]
)
def test_unusable_key_material_is_refused(
    site: Site, consented: Consented, spoil: Callable[[Json], None]
) -> None:
    request = Hiu().request(site, consented[2])
    spoil(request["hiRequest"]["keyMaterial"])
    refused(site, request, "ABDM-1031", "KeyMaterialInvalid")


@pytest.mark.parametrize(
    "url",
    [
        "http://hiu.example.in/push",
        "https://127.0.0.1/push",
        "https://10.0.0.5/push",
        "https://169.254.169.254/latest",
        "https://[::1]/push",
        "https://user:word@93.184.215.14/push",
    ],
)
def test_a_push_url_that_is_not_public_https_is_refused(
    site: Site, consented: Consented, url: str
) -> None:
    from dataclasses import replace

    from adapter.upstream.push import PushClient

    guarded = site.adapter.config.model_copy(update={"allow_local_push": False})
    site.adapter = replace(site.adapter, push=PushClient(guarded))
    request = Hiu().request(site, consented[2], dataPushUrl=url)
    refused(site, request, "ABDM-1031", "PushUrlRefused")


def test_a_facility_not_served_is_refused(site: Site, consented: Consented) -> None:
    request = Hiu().request(site, consented[2])
    refused(site, request, "ABDM-1055", "UnknownFacility", hip_id="IN0000000000_9")


def test_the_same_request_again_is_neither_answered_nor_served_twice(
    site: Site, consented: Consented
) -> None:
    request = Hiu().request(site, consented[2])
    asked = site.deliver("HipHealthInformationRequest", request)
    site.deliver("HipHealthInformationRequest", request, request_id=asked)
    assert len(site.outside.to(ON_REQUEST)) == 1
    assert len(site.outside.to(PUSH)) == 2
    assert len(site.outside.to(NOTIFY)) == 1


def test_the_same_transaction_under_another_id_is_acknowledged_and_served_once(
    site: Site, consented: Consented
) -> None:
    request = Hiu().request(site, consented[2])
    ids = [site.deliver("HipHealthInformationRequest", request) for _ in range(2)]
    replies = site.outside.to(ON_REQUEST)
    assert [reply.body["response"]["requestId"] for reply in replies] == ids
    assert len(site.outside.to(PUSH)) == 2
    assert len(site.outside.to(NOTIFY)) == 1


def test_an_acknowledgement_the_gateway_refuses_means_that_nothing_is_pushed(
    site: Site, consented: Consented
) -> None:
    """A request it has closed meanwhile is answered 401, again with a new session token."""
    site.outside.will_answer(ON_REQUEST, (401, None), (401, None))
    site.deliver("HipHealthInformationRequest", Hiu().request(site, consented[2]))
    site.wait(60)
    transfer = site.row("transfer")
    assert (transfer["state"], transfer["request"]) == ("CANCELLED", None)
    assert "did not take our acknowledgement" in transfer["sentence"]
    assert site.outside.to(PUSH) == []
    assert site.outside.to(NOTIFY) == []


def test_an_acknowledgement_never_taken_ends_the_transfer_at_its_deadline(
    site: Site, consented: Consented
) -> None:
    site.outside.will_answer(ON_REQUEST, *[(503, None)] * 50)
    site.deliver("HipHealthInformationRequest", Hiu().request(site, consented[2]))
    site.wait(timedelta(minutes=21).total_seconds())
    assert site.row("transfer")["state"] in ("CANCELLED", "FAILED")
    assert site.outside.to(PUSH) == []


def test_visits_outside_the_dates_asked_for_are_reported_and_do_not_leave(
    site: Site, consented: Consented
) -> None:
    patient, visit, _ = consented
    early = site.visit(patient, start="2026-02-03T10:00:00+05:30")
    site.admit(patient, early)
    detail = artefact(site, patient, visit, early)
    site.deliver("HipConsentNotify", grant(detail))
    hiu = Hiu()
    dates = {"from": "2026-06-01T00:00:00.000Z", "to": "2026-11-23T00:00:00.000Z"}
    site.deliver("HipHealthInformationRequest", hiu.request(site, detail, dateRange=dates))
    assert {hiu.open(page)[0] for page in site.outside.to(PUSH)} == {reference_of(visit)}
    report = site.outside.only(NOTIFY).body["notification"]["statusNotification"]
    assert report["sessionStatus"] == "TRANSFERRED"
    assert report["statusResponses"][1] == {
        "careContextReference": reference_of(early),
        "hiStatus": "ERRORED",
        "description": "This record is outside the dates asked for.",
    }


def test_a_visit_without_records_of_the_permitted_types_is_reported(
    site: Site, consented: Consented
) -> None:
    patient, _, _ = consented
    visit = site.visit(patient, prescription=False)
    site.admit(patient, visit)
    detail = artefact(site, patient, visit, hiTypes=["Prescription"])
    site.deliver("HipConsentNotify", grant(detail))
    site.deliver("HipHealthInformationRequest", Hiu().request(site, detail))
    report = site.outside.only(NOTIFY).body["notification"]["statusNotification"]
    assert report["sessionStatus"] == "FAILED"
    (status,) = report["statusResponses"]
    assert status["hiStatus"] == "ERRORED"
    assert status["description"] == "No records of the permitted types in this record."
    assert site.outside.to(PUSH) == []
    assert site.row("transfer")["state"] == "FAILED"


def test_received_records_never_leave(site: Site, consented: Consented) -> None:
    patient, visit, detail = consented
    received = site.visit(patient, note="Seen at another hospital")[1]
    received["encounter"] = {"reference": f"Encounter/{visit[0]['id']}"}
    received["meta"] = {"tag": [{"system": "urn:abdm-adapter:record", "code": "received"}]}
    site.load(received)
    hiu = Hiu()
    site.deliver("HipHealthInformationRequest", hiu.request(site, detail))
    assert len(site.outside.to(PUSH)) == 2
    for page in site.outside.to(PUSH):
        assert "another hospital" not in str(hiu.open(page)[1])


def test_a_visit_moved_to_another_patient_since_the_link_does_not_leave(
    site: Site, consented: Consented
) -> None:
    """The links know the visit as this patient's; the record says otherwise by now."""
    patient, visit, detail = consented
    other = site.patient()
    site.load(other, visit[0] | {"subject": {"reference": f"Patient/{other['id']}"}})
    from adapter.rules.states import CareContextLinkState
    from adapter.stores import links

    with site.adapter.db.transaction() as tx:
        links.put_contexts(
            tx,
            [
                links.ContextLink(
                    id=str(uuid.uuid4()),
                    hip_id=site.hip_id,
                    patient_id=patient["id"],
                    patient_reference="MRN-1",
                    reference=reference_of(visit),
                    hi_type="OPConsultation",
                    display="OPD visit",
                    abha_address=detail["patient"]["id"],
                    state=CareContextLinkState.LINKED,
                    requester="desk-1",
                    created_at=site.clock(),
                )
            ],
        )
    site.deliver("HipHealthInformationRequest", Hiu().request(site, detail))
    assert site.outside.to(PUSH) == []
    report = site.outside.only(NOTIFY).body["notification"]["statusNotification"]
    assert report["sessionStatus"] == "FAILED"
