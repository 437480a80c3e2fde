"""The hospital's own system asks and orders: keys, facilities, and what each call answers."""

import uuid
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient
from pydantic import SecretStr

from adapter.app import create_app
from adapter.config import ApiKey, ServedFacility
from adapter.stores import facilities
from adapter.stores.fhir_store import FhirStore
from tests.flows.harness import (
    GENERATE_TOKEN,
    PUSH,
    Hiu,
    Json,
    Site,
    artefact,
    grant,
    reference_of,
)

pytestmark = pytest.mark.hapi

WHOLE = "key-for-all-facilities"
LIMITED = "key-for-one-facility"


@pytest.fixture
def other_facility() -> ServedFacility:
    """A second facility served by the same adapter."""
    hfr_id = f"IN{uuid.uuid4().int % 10**10:010d}"
    return ServedFacility(hfr_id, hfr_id)


@pytest.fixture
def hims(site: Site, other_facility: ServedFacility) -> FlaskClient:
    """The API over the site, with a key for all facilities and one for the other facility only."""
    served = (*site.adapter.config.abdm_facilities, other_facility)
    config = site.adapter.config.model_copy(
        update={
            "abdm_facilities": served,
            "hims_api_keys": (
                ApiKey(SecretStr(WHOLE), None),
                ApiKey(SecretStr(LIMITED), frozenset({other_facility.hfr_id})),
            ),
        }
    )
    with site.adapter.db.transaction() as tx:
        facilities.sync(tx, config)
    return create_app(replace(site.adapter, config=config)).test_client()


def call(hims: FlaskClient, path: str, key: str = WHOLE, body: Json | None = None) -> Any:
    """GET, or POST where there is a body, as the person "Sister Mary"."""
    headers = {"Authorization": f"Bearer {key}", "X-User": "Sister Mary"}
    method = "POST" if body is not None else "GET"
    return hims.open(f"/hims/v1/{path}", method=method, json=body, headers=headers)


@pytest.fixture
def visit(site: Site) -> list[Json]:
    """One visit of one patient at the site's facility."""
    patient = site.patient()
    made = site.visit(patient)
    site.admit(patient, made)
    return [patient, *made]


def test_care_contexts_show_hi_types_and_link_state(hims: FlaskClient, visit: list[Json]) -> None:
    patient = visit[0]
    answer = call(hims, f"patients/{patient['id']}/care-contexts")
    assert answer.status_code == 200
    (context,) = answer.json["care_contexts"]
    assert context["reference"] == reference_of(visit[1:])
    assert context["hi_types"] == [
        {"hi_type": "OPConsultation", "link": None},
        {"hi_type": "Prescription", "link": None},
    ]


def test_link_asks_abdm_and_says_what_happens_next(
    hims: FlaskClient, visit: list[Json], site: Site
) -> None:
    answer = call(hims, "links", body={"encounter": visit[1]["id"]})
    assert answer.status_code == 202
    assert {each["link"] for each in answer.json["hi_types"]} == {"WAITING_FOR_TOKEN"}
    site.run()
    assert site.outside.only(GENERATE_TOKEN)
    shown = call(hims, f"links?patient={visit[0]['id']}").json["links"]
    assert {each["hi_type"] for each in shown} == {"OPConsultation", "Prescription"}


def test_document_is_the_one_that_would_leave(hims: FlaskClient, visit: list[Json]) -> None:
    answer = call(hims, f"documents/{reference_of(visit[1:])}?hi_type=Prescription")
    assert answer.status_code == 200
    assert answer.content_type == "application/fhir+json"
    assert answer.json["type"] == "document"
    assert answer.json["entry"][0]["resource"]["resourceType"] == "Composition"


def test_hi_type_that_the_visit_does_not_offer_is_a_400_naming_those_it_does(
    hims: FlaskClient, visit: list[Json]
) -> None:
    answer = call(hims, f"documents/{reference_of(visit[1:])}?hi_type=Invoice")
    assert answer.status_code == 400
    assert "OPConsultation, Prescription" in answer.json["error"]["message"]


def test_consent_and_transfer_are_shown_to_their_facility_only(
    hims: FlaskClient, visit: list[Json], site: Site
) -> None:
    detail = artefact(site, visit[0], visit[1:])
    site.deliver("HipConsentNotify", grant(detail))
    site.deliver("HipHealthInformationRequest", Hiu().request(site, detail))
    assert site.outside.to(PUSH)
    wanted = detail["consentId"]
    consent = call(hims, f"consents/{wanted}")
    assert consent.status_code == 200
    assert consent.json["state"] == "GRANTED"
    (transfer,) = call(hims, "transfers").json["transfers"]
    shown = call(hims, f"transfers/{transfer['id']}").json
    assert shown["state"] == "TRANSFERRED"
    assert {c["state"] for c in shown["care_contexts"]} == {"DELIVERED"}
    assert call(hims, f"consents/{wanted}", LIMITED).status_code == 404
    assert call(hims, f"transfers/{transfer['id']}", LIMITED).status_code == 404
    assert call(hims, "transfers", LIMITED).json == {"transfers": []}


@pytest.mark.parametrize(
    "path",
    [
        "patients/{patient}/care-contexts",
        "documents/Encounter-{encounter}?hi_type=Prescription",
        "links?patient={patient}",
    ],
)
def test_another_facilitys_things_are_404(hims: FlaskClient, visit: list[Json], path: str) -> None:
    filled = path.format(patient=visit[0]["id"], encounter=visit[1]["id"])
    answer = call(hims, filled, LIMITED)
    assert answer.status_code == 404
    assert answer.json["error"]["code"] == "ABDM-1001"


def test_another_facilitys_visit_is_not_linked(
    hims: FlaskClient, visit: list[Json], site: Site
) -> None:
    answer = call(hims, "links", LIMITED, {"encounter": visit[1]["id"]})
    assert answer.status_code == 404
    site.run()
    assert site.rows("care_context_link") == []
    assert site.outside.to(GENERATE_TOKEN) == []


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("links", {}, 400, "encounter"),
        ("links", {"encounter": "nobody"}, 404, "no visit"),
        ("links", {"encounter": "../Patient/x"}, 404, "no visit"),
        ("links", None, 400, "patient"),
        ("documents/Encounter-nobody?hi_type=Prescription", None, 404, "no such care context"),
        ("documents/nonsense?hi_type=Prescription", None, 404, "no such care context"),
        ("documents/Encounter-nobody", None, 400, "hi_type"),
        ("transfers?limit=0", None, 400, "limit"),
        ("transfers?limit=many", None, 400, "limit"),
        ("transfers/none", None, 404, "transfer"),
        ("consents/none", None, 404, "consent"),
        ("patients/none/care-contexts", None, 404, "patient"),
        ("patients/a%2Fb/care-contexts", None, 404, ""),
    ],
)
def test_bad_input_gets_a_sentence(
    hims: FlaskClient, path: str, body: Json | None, status: int, words: str
) -> None:
    answer = call(hims, path, body=body)
    assert answer.status_code == status
    assert words in answer.json["error"]["message"]
    assert answer.json["error"]["code"].startswith("ABDM-")


def test_call_without_key_or_without_a_name_is_refused(hims: FlaskClient) -> None:
    assert hims.get("/hims/v1/transfers", headers={"X-User": "x"}).status_code == 401
    wrong = {"Authorization": "Bearer nonsense", "X-User": "x"}
    assert hims.get("/hims/v1/transfers", headers=wrong).status_code == 401
    nameless = {"Authorization": f"Bearer {WHOLE}"}
    assert hims.get("/hims/v1/transfers", headers=nameless).status_code == 400


def test_fhir_outage_is_a_503_that_says_try_again(site: Site) -> None:
    config = site.adapter.config.model_copy(
        update={"hims_api_keys": (ApiKey(SecretStr(WHOLE), None),)}
    )
    away = replace(site.adapter, config=config, fhir=FhirStore("http://127.0.0.1:9/fhir", "x"))
    answer = call(create_app(away).test_client(), f"consents/{uuid.uuid4()}")
    assert answer.status_code == 503
    assert "try again" in answer.json["error"]["message"]
