"""Who raises a consent request and looks at it: the hospital's system, and a person typing."""

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from adapter.cli import main
from adapter.crypto.fidelius import ReceiverKey
from adapter.runtime import system_clock
from adapter.stores import incoming
from tests.flows.harness import Json, Site, address_of
from tests.flows.hims import LIMITED, WHOLE, Hospital, hospital_of
from tests.flows.hiu import (
    INIT,
    OTHER_HIP,
    REQUEST,
    accept,
    artefact,
    artefact_row,
    fetched,
    notice,
    reachable,
    request_row,
    wanted,
)
from tests.flows.wire import in_both

pytestmark = pytest.mark.hapi

PATHS = ["/abdm/consent", "/hims/v1/consent-requests"]
HANDLE = "000003e7-5b1e-4c60-9d2a-6f0c1e9a7b34"


@pytest.fixture
def hospital(site: Site) -> Hospital:
    return hospital_of(reachable(site))


@pytest.fixture
def patient(site: Site) -> Json:
    made = site.patient()
    site.load(made)
    return made


def call(hospital: Hospital, path: str, key: str = WHOLE, body: Json | None = None) -> Any:
    headers = {"Authorization": f"Bearer {key}", "X-User": "Sister Mary"}
    method = "POST" if body is not None else "GET"
    return hospital.client.open(path, method=method, json=body, headers=headers)


def ask(hospital: Hospital, patient: Json, **changes: Any) -> Json:
    """Raise a request by the specification's call, as its clients do."""
    body = wanted(patient, hiu=hospital.site.hip_id, **changes)
    answer = call(hospital, "/abdm/consent", body=body)
    assert answer.status_code == 201, answer.json
    hospital.site.run()
    made: Json = answer.json
    return made


def shown(hospital: Hospital, request_id: str) -> Json:
    answer = call(hospital, f"/hims/v1/consent-requests/{request_id}")
    assert answer.status_code == 200, answer.json
    found: Json = answer.json
    return found


@in_both
@pytest.mark.parametrize("path", PATHS)
def test_request_is_raised_by_either_path_and_shows_every_field(
    hospital: Hospital, patient: Json, path: str
) -> None:
    body = wanted(
        patient,
        hiu=hospital.site.hip_id,
        hip=OTHER_HIP,
        care_contexts=[{"patientReference": "P-9", "careContextReference": "V-9"}],
        access_mode="STORE",
        frequency_unit="DAY",
        frequency_value=2,
        frequency_repeats=3,
        requester="Dr Farah Khan",
        requester_identifier={"type": "REGNO", "value": "MMC-30117", "system": "council"},
    )
    answer = call(hospital, path, body=body)
    assert answer.status_code == 201
    made = answer.json
    assert (made["status"], made["consent_id"], made["consent_artefacts"]) == ("CREATED", None, [])
    assert made["requested_by"] == "Sister Mary"
    assert (made["patient"], made["patient_name"]) == (patient["id"], "Asha Verma")
    assert made["from_time"] == "2025-12-31T18:30:00.000Z"
    same = {"patient_abha", "purpose", "hi_types", "hip", "hiu", "care_contexts", "access_mode"}
    same |= {"requester", "requester_identifier", "frequency_unit", "frequency_value"}
    for name in same | {"frequency_repeats"}:
        assert made[name] == body[name], name
    hospital.site.run()
    assert hospital.site.outside.only(INIT).body["consent"]["hip"] == {"id": OTHER_HIP}


@pytest.mark.parametrize("path", PATHS)
def test_faults_are_told_together_and_nothing_leaves(
    hospital: Hospital, patient: Json, path: str
) -> None:
    answer = call(hospital, path, body=wanted(patient, purpose="X", hi_types=[]))
    assert answer.status_code == 400
    message = answer.json["error"]["message"]
    assert "purpose must be one of CAREMGT" in message
    assert "hi_types" in message
    assert call(hospital, path, body=wanted(patient)).status_code == 400  # two facilities served
    hospital.site.run()
    assert hospital.site.outside.to(INIT) == []


def test_artefact_shows_every_field_and_the_private_key_never(
    hospital: Hospital, patient: Json
) -> None:
    site = hospital.site
    request_id = ask(hospital, patient)["id"]
    accept(site, site.outside.only(INIT), HANDLE)
    detail = artefact(site, patient, hiTypes=["Prescription"])
    notice(site, HANDLE, "GRANTED", detail)
    fetched(site, detail)
    found = shown(hospital, request_id)
    assert (found["status"], found["consent_id"]) == ("GRANTED", HANDLE)
    (listed,) = found["consent_artefacts"]
    answer = call(hospital, f"/hims/v1/consent-artefacts/{detail['consentId']}")
    assert answer.status_code == 200
    assert answer.json == listed
    assert listed["artefact"] == detail
    expected = {
        "id": detail["consentId"],
        "consent_request": request_id,
        "patient_abha": address_of(patient),
        "care_contexts": detail["careContexts"],
        "status": "GRANTED",
        "purpose": "CAREMGT",
        "hi_types": ["Prescription"],
        "hip": OTHER_HIP,
        "hiu": site.hip_id,
        "requester": detail["requester"]["name"],
        "access_mode": "VIEW",
        "from_time": "2025-12-31T18:30:00.000Z",
        "to_time": "2026-11-23T00:00:00.000Z",
        "expiry": "2026-12-31T18:30:00.000Z",
        "frequency_unit": "HOUR",
        "frequency_value": 1,
        "frequency_repeats": 0,
        "cm": "sbx",
        "key_material_algorithm": "ECDH",
        "key_material_curve": "Curve25519",
        "signature": "c2lnbmF0dXJl",
    }
    assert {name: listed[name] for name in expected} == expected
    sent = site.outside.only(REQUEST).body["hiRequest"]["keyMaterial"]
    assert listed["key_material_public_key"] == sent["dhPublicKey"]["keyValue"]
    assert listed["key_material_nonce"] == sent["nonce"]
    assert {"consent_id", "transaction_id", "created_date", "modified_date"} <= set(listed)
    with site.adapter.db.reading() as tx:
        transfer = incoming.newest_under(tx, site.adapter, detail["consentId"])
    assert transfer is not None
    assert transfer.keys is not None
    private = ReceiverKey.load(transfer.keys)._private_key.private_bytes_raw()
    assert not any("private" in name for name in listed)
    assert private.hex() not in answer.text
    assert detail["careContexts"][0]["careContextReference"] not in str(artefact_row(site, detail))


def test_ended_artefact_still_shows_what_was_permitted_with_reason_and_date(
    hospital: Hospital, patient: Json
) -> None:
    site = hospital.site
    request_id = ask(hospital, patient)["id"]
    accept(site, site.outside.only(INIT), HANDLE)
    detail = artefact(site, patient)
    notice(site, HANDLE, "GRANTED", detail)
    fetched(site, detail)
    site.clock.advance(60)
    notice(site, HANDLE, "REVOKED", detail)
    found = shown(hospital, HANDLE)
    assert (found["id"], found["status"]) == (request_id, "REVOKED")
    assert (found["reason"], found["ended_date"]) == (
        "The patient revoked the consent.",
        "2026-11-23T18:30:30.000Z",
    )
    (listed,) = found["consent_artefacts"]
    assert listed["status"] in ("REVOKED", "ARCHIVED", "ERASED")
    assert listed["reason"] == "REVOKED"
    assert listed["ended_date"] == "2026-11-23T18:30:30.000Z"
    assert listed["artefact"] == detail
    assert listed["key_material_public_key"]


def test_list_is_filtered_by_patient_and_state(hospital: Hospital, patient: Json) -> None:
    other = hospital.site.patient()
    hospital.site.load(other)
    first, second = ask(hospital, patient)["id"], ask(hospital, other)["id"]

    def listed(query: str) -> set[str]:
        answer = call(hospital, f"/hims/v1/consent-requests{query}")
        assert answer.status_code == 200, answer.json
        return {each["id"] for each in answer.json["consent_requests"]}

    assert listed("") == {first, second}
    assert listed(f"?patient={patient['id']}") == {first}
    assert listed("?state=GRANTED") == set()
    assert listed("?state=CREATED&limit=1") < {first, second}
    for wrong in ("?state=granted", "?limit=0", "?limit=x"):
        assert call(hospital, f"/hims/v1/consent-requests{wrong}").status_code == 400


def test_another_facilitys_requests_and_artefacts_are_not_found(
    hospital: Hospital, patient: Json
) -> None:
    site = hospital.site
    request_id = ask(hospital, patient)["id"]
    accept(site, site.outside.only(INIT), HANDLE)
    detail = artefact(site, patient)
    notice(site, HANDLE, "GRANTED", detail)
    for path in (
        f"consent-requests/{request_id}",
        f"consent-requests/{HANDLE}",
        "consent-requests/nobody",
        f"consent-artefacts/{detail['consentId']}",
    ):
        assert call(hospital, f"/hims/v1/{path}", LIMITED).status_code == 404
    assert call(hospital, "/hims/v1/consent-requests", LIMITED).json == {"consent_requests": []}
    body = wanted(patient, hiu=site.hip_id)
    assert call(hospital, "/abdm/consent", LIMITED, body).status_code == 404
    assert call(hospital, "/abdm/consent", "no-key-at-all", body).status_code == 401


# --- by command ----------------------------------------------------------------------------------


def command(site: Site, *arguments: str) -> Result:
    """`abdm-adapter consent …` with the site's settings."""
    config = site.adapter.config
    environment = {
        "ABDM_CLIENT_ID": config.abdm_client_id,
        "ABDM_CLIENT_SECRET": "secret-of-a-test",
        "ABDM_FACILITIES": f"{site.hfr_id}={site.hip_id}",
        "DATABASE_URL": config.database_url.get_secret_value(),
        "SEAL_KEYS": ",".join(key.get_secret_value() for key in config.seal_keys),
        "FHIR_BASE_URL": config.fhir_base_url,
        "FHIR_TOKEN": config.fhir_token.get_secret_value(),
    }
    return CliRunner().invoke(main, ["consent", *arguments], env=environment)


def test_command_asks_and_the_running_service_sends(site: Site, patient: Json) -> None:
    done = command(
        site,
        "request",
        address_of(patient),
        "--purpose=CAREMGT",
        "--hi-type=OPConsultation",
        "--hi-type=Prescription",
        "--from=2025-01-01",
        "--to=2025-06-01T12:00:00Z",
        f"--hip={OTHER_HIP}",
        "--care-context",
        "P-9",
        "V-9",
        "--registration",
        "REGNO",
        "MMC-30117",
        "council",
        "--user=Dr Rao",
        "--json",
    )
    assert done.exit_code == 0, done.output
    made = json.loads(done.output)
    assert (made["from_time"], made["to_time"]) == (
        "2024-12-31T18:30:00.000Z",
        "2025-06-01T12:00:00.000Z",
    )
    assert request_row(site, made["id"])["requester"] == "Dr Rao"
    site.clock.now = system_clock()  # what the command went by
    site.run()
    body = site.outside.only(INIT).body["consent"]
    assert body["hiTypes"] == ["OPConsultation", "Prescription"]
    assert body["requester"]["identifier"]["value"] == "MMC-30117"

    shown = command(site, "show", made["id"])
    assert shown.exit_code == 0
    assert "CREATED" in shown.output
    assert "MMC-30117" in shown.output
    listed = command(site, "list", "--state", "CREATED", "--json")
    assert [json.loads(line)["id"] for line in listed.output.splitlines()] == [made["id"]]


def test_command_with_a_fault_says_it_and_exits_with_1(site: Site) -> None:
    done = command(site, "request", "asha@nowhere", "--purpose=CAREMGT", "--hi-type=Prescription")
    assert done.exit_code == 1
    assert "is no ABHA address" in done.output
    assert "Traceback" not in done.output
    assert command(site, "request", "asha@sbx", "--purpose=FUN").exit_code == 2
    assert command(site, "show", "nobody").exit_code == 1
    assert site.rows("consent_request") == []
