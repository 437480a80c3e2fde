"""May a consent serve a request: each refusal, and the FHIR form there and back."""

import json
from base64 import b64decode
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.protocol import errors, routes
from adapter.protocol.messages import DateRange, HipConsentNotify
from adapter.rules import consent_resource
from adapter.rules.consent import ConsentFacts, Permitted, may_serve
from adapter.rules.states import ConsentState

NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
DAY = timedelta(days=1)
RANGE = DateRange(NOW - 30 * DAY, NOW - DAY)
OFFERED = ("OPConsultation", "Prescription")
NOTICE = {
    "notification": {
        "status": "GRANTED",
        "consentId": "00000015-1D2C-4b3a-8f6e-5a4b3c2d1e0f",
        "consentDetail": {
            "consentId": "00000015-1d2c-4b3a-8f6e-5a4b3c2d1e0f",
            "createdAt": "2026-11-20T08:00:00.000Z",
            "patient": {"id": "asha.verma@sbx"},
            "careContexts": [
                {"patientReference": "MRN-1", "careContextReference": "Encounter-1"},
                {"patientReference": "MRN-1", "careContextReference": "Encounter-2"},
            ],
            "purpose": {"code": "CAREMGT"},
            "hip": {"id": "HIP-1"},
            "hiu": {"id": "HIU-1"},
            "hiTypes": ["Prescription", "DiagnosticReport", "Prescription"],
            "permission": {
                "accessMode": "VIEW",
                "dateRange": {"from": "2026-10-24T06:00:00Z", "to": "2026-11-22T06:00:00Z"},
                "dataEraseAt": "2026-12-31T18:30:00.000Z",
            },
        },
        "signature": "c2ln",
    }
}


def notice() -> HipConsentNotify:
    headers = {
        "REQUEST-ID": "00000001-1d2c-4b3a-8f6e-5a4b3c2d1e0f",
        "TIMESTAMP": "2026-11-20T08:00:00.000Z",
        "X-HIP-ID": "HIP-1",
    }
    body = json.dumps(NOTICE).encode()
    return routes.decode("v3", "HipConsentNotify", headers, body)[1]  # type: ignore[no-any-return]


def facts() -> ConsentFacts:
    message = notice()
    assert message.artefact is not None
    return consent_resource.read(consent_resource.granted(message.artefact, "c2ln", "HIP-1"))


def serve(consent: ConsentFacts, requested: DateRange = RANGE, now: datetime = NOW) -> Permitted:
    return may_serve(
        consent, hip_id="HIP-1", requested=requested, offered_hi_types=OFFERED, now=now
    )


def test_the_fhir_consent_says_all_that_the_artefact_said() -> None:
    assert facts() == ConsentFacts(
        artefact_id="00000015-1d2c-4b3a-8f6e-5a4b3c2d1e0f",
        state=ConsentState.GRANTED,
        hip_id="HIP-1",
        hiu_id="HIU-1",
        patient_address="asha.verma@sbx",
        hi_types=("Prescription", "DiagnosticReport", "Prescription"),
        care_contexts=notice().artefact.care_contexts,  # type: ignore[union-attr]
        date_range=RANGE,
        erase_at=datetime(2026, 12, 31, 18, 30, tzinfo=UTC),
        purpose_code="CAREMGT",
    )


def test_the_artefact_and_signature_are_kept_to_the_letter() -> None:
    message = notice()
    assert message.artefact is not None
    resource = consent_resource.granted(message.artefact, "c2ln", "HIP-1")
    attachment = resource["sourceAttachment"]
    kept = b64decode(attachment["data"]).decode()
    assert kept == json.dumps(NOTICE["notification"]["consentDetail"])
    assert attachment["extension"][0]["valueString"] == "c2ln"
    assert resource["status"] == "active"
    assert "reference" not in json.dumps(resource["patient"])


def test_what_is_permitted_is_each_care_context_and_our_hi_types_once() -> None:
    assert serve(facts()) == Permitted(("Encounter-1", "Encounter-2"), ("Prescription",))


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"state": ConsentState.REVOKED}, errors.ConsentRevoked),
        ({"state": ConsentState.EXPIRED}, errors.ConsentExpired),
        ({"state": ConsentState.NOTIFIED}, errors.ConsentNotGranted),
        ({"erase_at": NOW}, errors.ConsentExpired),
        ({"erase_at": NOW - timedelta(microseconds=1)}, errors.ConsentExpired),
        ({"erase_at": None}, errors.ConsentNotGranted),
        ({"date_range": None}, errors.ConsentNotGranted),
        ({"hip_id": "HIP-2"}, errors.ConsentNotGranted),
        ({"hip_id": "HIP-2", "state": ConsentState.REVOKED}, errors.ConsentNotGranted),
        ({"hi_types": ("DiagnosticReport",)}, errors.ConsentNotGranted),
        ({"hi_types": ()}, errors.ConsentNotGranted),
        ({"care_contexts": ()}, errors.CareContextNotFound),
    ],
)
def test_each_reason_to_refuse_has_its_own_error(
    changes: dict[str, object], refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        serve(replace(facts(), **changes))  # type: ignore[arg-type]


def test_expiry_has_no_leeway_and_no_early_end() -> None:
    assert serve(replace(facts(), erase_at=NOW + timedelta(microseconds=1)))


SECONDS = st.integers(-40 * 86400, 2 * 86400)


@given(SECONDS, SECONDS)
def test_only_a_range_inside_the_permitted_one_is_served(start: int, end: int) -> None:
    asked = DateRange(NOW + timedelta(seconds=start), NOW + timedelta(seconds=end))
    inside = RANGE.start <= asked.start <= asked.end <= RANGE.end
    try:
        serve(facts(), asked)
    except errors.DateRangeNotPermitted:
        assert not inside
    else:
        assert inside


def test_the_artefacts_own_range_fits_though_it_is_written_more_precisely() -> None:
    asked = DateRange(RANGE.start, RANGE.end + timedelta(microseconds=999))
    assert serve(facts(), asked)


@pytest.mark.parametrize("state", [ConsentState.REVOKED, ConsentState.EXPIRED])
def test_a_tombstone_holds_the_fact_and_nothing_of_the_artefact(state: ConsentState) -> None:
    tombstone = consent_resource.ended(facts().artefact_id, state, "HIP-1", NOW)
    text = json.dumps(tombstone)
    for gone in ("asha.verma", "Encounter-", "Prescription", "HIU-1", "sourceAttachment"):
        assert gone not in text
    assert tombstone["status"] == "inactive"
    assert tombstone["id"] == "hip-00000015-1d2c-4b3a-8f6e-5a4b3c2d1e0f"
    assert consent_resource.read(tombstone) == ConsentFacts(facts().artefact_id, state, "HIP-1")


def test_a_consent_made_inactive_in_the_fhir_server_serves_no_more() -> None:
    message = notice()
    assert message.artefact is not None
    resource = consent_resource.granted(message.artefact, None, "HIP-1") | {"status": "inactive"}
    with pytest.raises(errors.ConsentRevoked):
        serve(consent_resource.read(resource))


@pytest.mark.parametrize(
    "broken", [{}, {"status": "active"}, {"provision": {"period": {"end": "soon"}}}]
)
def test_a_consent_that_cannot_be_read_permits_nothing(broken: dict[str, object]) -> None:
    with pytest.raises(errors.ProtocolError):
        serve(consent_resource.read({"resourceType": "Consent"} | broken))
