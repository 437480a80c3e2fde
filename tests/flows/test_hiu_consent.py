"""Consent requests: what leaves, what ABDM answers, and whom it can be asked about."""

import uuid
from typing import Any

import pytest

from adapter import work
from adapter.flows import hiu_raise
from adapter.protocol.errors import FhirUnavailable, MalformedRequest, NotFound
from adapter.rules import hiu_consent_resource
from adapter.stores.consent_requests import ConsentRequest
from conformance.schemas import problems
from tests.flows.consenting import consent, shown
from tests.flows.harness import Json, Site, address_of, number_of
from tests.flows.hiu import (
    FETCH,
    INIT,
    OTHER_HIP,
    USER,
    accept,
    answer,
    ask,
    asked,
    request_row,
    tell,
    wanted,
)
from tests.flows.wire import BOTH, Call, only, stated_hiu

pytestmark = pytest.mark.hapi
GENERATIONS = BOTH


# --- asking --------------------------------------------------------------------------------------


def test_request_leaves_with_everything_asked_for_and_is_readable_in_fhir(
    hiu: Site, patient: Json
) -> None:
    at_init: list[Json] = []
    hiu.outside.hook = lambda call: (
        at_init.extend(hiu.rows("consent_request")) if call.path.endswith(INIT) else None
    )
    row = ask(
        hiu,
        patient,
        purpose="HPAYMT",
        hip=OTHER_HIP,
        care_contexts=[{"patientReference": "P-9", "careContextReference": "V-9"}],
        access_mode="STORE",
        frequency_unit="DAY",
        frequency_value=2,
        frequency_repeats=3,
        requester="Dr Farah Khan",
        requester_identifier={
            "type": "REGNO",
            "value": "MMC-30117",
            "system": "https://www.council.example.in",
        },
    )
    call = hiu.outside.only(INIT)
    assert problems("ConsentRequestInit", call.body) == []
    assert call.headers.get("x-hiu-id") == stated_hiu(hiu.generation, hiu.hip_id)
    body = call.body["consent"]
    assert body["purpose"]["text"] == "Healthcare Payment"
    assert body["patient"] == {"id": address_of(patient)}
    assert (body["hip"], body["hiu"]) == ({"id": OTHER_HIP}, {"id": hiu.hip_id})
    assert body["requester"]["identifier"]["value"] == "MMC-30117"
    assert body["permission"] == {
        "accessMode": "STORE",
        "dateRange": {"from": "2025-12-31T18:30:00.000Z", "to": "2026-11-23T00:00:00.000Z"},
        "dataEraseAt": "2026-12-31T18:30:00.000Z",
        "frequency": {"unit": "DAY", "value": 2, "repeats": 3},
    }
    assert [each["state"] for each in at_init] == ["CREATED"]
    assert request_row(hiu, row.id)["patient_id"] == patient["id"]
    assert shown(hiu, f"req-{row.id}") == ("proposed", "CREATED", None)
    init = hiu_consent_resource.asked(consent(hiu, f"req-{row.id}"))
    assert init is not None
    assert (init.requester.name, init.permission.access_mode) == ("Dr Farah Khan", "STORE")
    (event,) = hiu.audits()
    assert event["subtype"][0]["code"] == "consent:request:send"
    assert USER in str(event["agent"])


def test_abha_number_is_resolved_by_the_hospitals_own_patient(hiu: Site, patient: Json) -> None:
    ask(hiu, number_of(patient))
    assert hiu.outside.only(INIT).body["consent"]["patient"] == {"id": address_of(patient)}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"patient_abha": "asha@nowhere"}, "patient_abha"),
        ({"patient_abha": "91-0000-0000-0000"}, "ABHA address"),
        ({"purpose": "CURIOSITY"}, "purpose"),
        ({"hi_types": ["Xray"]}, "hi_types"),
        ({"to_time": "2027-01-01T00:00:00Z"}, "to_time"),
        ({"expiry": "2026-11-01T00:00:00Z"}, "expiry"),
    ],
)
def test_what_abdm_would_refuse_never_leaves_and_stores_nothing(
    hiu: Site, patient: Json, changes: Json, named: str
) -> None:
    with pytest.raises(MalformedRequest, match=named):
        ask(hiu, patient, **changes)
    hiu.run()
    assert hiu.outside.to(INIT) == []
    assert hiu.rows("consent_request") == []


def test_request_for_another_facility_is_not_found(hiu: Site, patient: Json) -> None:
    with pytest.raises(NotFound):
        ask(hiu, patient, hiu="IN0000000099")
    with pytest.raises(MalformedRequest, match="hiu is missing"):
        hiu_raise.raise_request(
            hiu.adapter, wanted(patient), user=USER, hiu_ids=[hiu.hip_id, "IN0000000099"]
        )


def test_nothing_is_asked_while_fhir_is_down(
    hiu: Site, patient: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: Any) -> None:
        raise FhirUnavailable("The FHIR server cannot be reached.")

    monkeypatch.setattr(hiu.adapter.fhir, "put", down)
    with pytest.raises(FhirUnavailable):
        ask(hiu, patient)
    assert hiu.rows("consent_request") == []
    assert hiu.outside.to(INIT) == []


# --- what ABDM answers ---------------------------------------------------------------------------


def test_on_init_names_the_request_in_sql_and_fhir(hiu: Site, patient: Json) -> None:
    row, handle = asked(hiu, patient)
    stored = request_row(hiu, row.id)
    assert (stored["state"], stored["abdm_id"]) == ("REQUESTED", handle)
    assert shown(hiu, f"req-{row.id}") == ("proposed", "REQUESTED", None)
    assert {"system": hiu_consent_resource.ABDM_REQUEST_ID, "value": handle} in consent(
        hiu, f"req-{row.id}"
    )["identifier"]


def test_refused_request_fails_with_abdms_own_reason(hiu: Site, patient: Json) -> None:
    row = ask(hiu, patient)
    error = {"code": "ABDM-1407", "message": "The ABHA Number is currently deactivated."}
    answer(hiu, hiu.outside.only(INIT), "OnConsentRequestInit", {"error": error})
    stored = request_row(hiu, row.id)
    # In v0.5 the number 1407 stands for something else, so only the words tell.
    known = {"v3": "AbhaDeactivated", "v0.5": "Rejected"}[hiu.generation]
    assert (stored["state"], stored["error"]) == ("FAILED", known)
    assert "deactivated" in stored["sentence"]
    assert stored["done_at"] is not None
    assert shown(hiu, f"req-{row.id}") == ("rejected", "FAILED", stored["sentence"])


def test_request_refused_at_once_fails_with_the_reason_and_fhir_follows(
    hiu: Site, patient: Json
) -> None:
    refusal = [{"error": {"code": "ABDM-9999", "message": "Invalid consent purpose refURI"}}]
    hiu.outside.will_answer(INIT, (400, refusal))  # type: ignore[arg-type]  # a list, as ABDM does
    row = ask(hiu, patient)
    stored = request_row(hiu, row.id)
    assert stored["state"] == "FAILED"
    assert "Invalid consent purpose refURI" in stored["sentence"]
    work.sweep(hiu.adapter)
    assert shown(hiu, f"req-{row.id}") == ("rejected", "FAILED", stored["sentence"])


def test_unanswered_request_is_not_put_to_the_patient_twice_and_a_late_answer_is_taken(
    hiu: Site, patient: Json
) -> None:
    row = ask(hiu, patient)
    for _ in range(3):
        hiu.clock.advance(61)
        work.sweep(hiu.adapter)
        hiu.run()
    call = hiu.outside.only(INIT)
    assert request_row(hiu, row.id)["state"] == "FAILED"
    assert "bridge URL" in request_row(hiu, row.id)["sentence"]
    handle = str(uuid.uuid4())
    accept(hiu, call, handle)
    stored = request_row(hiu, row.id)
    assert (stored["state"], stored["abdm_id"], stored["sentence"]) == ("REQUESTED", handle, None)
    assert shown(hiu, f"req-{row.id}") == ("proposed", "REQUESTED", None)


def test_answer_to_nothing_of_ours_is_ignored_and_audited(hiu: Site, patient: Json) -> None:
    row, handle = asked(hiu, patient)
    call = hiu.outside.only(INIT)
    other = answer(
        hiu, call, "OnConsentRequestStatus", {"consentRequest": {"id": handle, "status": "DENIED"}}
    )
    assert hiu.refusal(other) == ("DONE", "IllegalTransition")
    assert request_row(hiu, row.id)["state"] == "REQUESTED"
    assert hiu.outside.to(FETCH) == []


# --- where ABDM can be asked whether an address exists ------------------------------------------


def looked_up(site: Site, patient: Json, answer: Json | None) -> ConsentRequest:
    """A consent request whose existence check is answered so, or not at all."""

    def keep(call: Call) -> None:
        if call.path.endswith("/patients/find"):
            site.answered.add(call.body["requestId"])

    site.outside.hook = keep
    row = ask(site, patient)
    if answer is not None:
        (find,) = [c for c in site.outside.wires if c.path.endswith("/patients/find")]
        response = {"response": {"requestId": find.body["requestId"]}}
        tell(site, "OnFindPatient", answer | response)
    return row


@only("v0.5")
def test_an_address_that_abdm_does_not_know_is_asked_for_nothing(hiu: Site) -> None:
    row = looked_up(hiu, hiu.patient(), {"error": {"code": 1404, "message": "No such patient"}})
    assert hiu.outside.to(INIT) == []
    stored = request_row(hiu, row.id)
    assert stored["state"] == "FAILED"
    assert "no such ABHA address" in stored["sentence"]
    hiu.wait(120)
    assert hiu.outside.to(INIT) == []


@only("v0.5")
def test_a_question_that_stays_unanswered_holds_no_request_up(hiu: Site) -> None:
    looked_up(hiu, hiu.patient(), None)
    assert hiu.outside.to(INIT) == []
    for _ in range(2):
        hiu.wait(61)
        work.sweep(hiu.adapter)
    hiu.run()
    assert len(hiu.outside.to(INIT)) == 1


@only("v3")
def test_where_abdm_cannot_be_asked_the_request_leaves_at_once(hiu: Site) -> None:
    ask(hiu, hiu.patient())
    assert [c for c in hiu.outside.wires if "find" in c.path] == []
    assert len(hiu.outside.to(INIT)) == 1
