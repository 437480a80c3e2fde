"""The FHIR store against a real HAPI, its traps included. Each test has ids of its own."""

import base64
from typing import Any
from uuid import uuid4

import pytest
import requests

from adapter.protocol.errors import FhirRejected, FhirUnavailable
from adapter.stores import fhir_visits
from adapter.stores.fhir_store import FhirStore
from mappings import systems

pytestmark = pytest.mark.hapi

Resource = dict[str, Any]


class World:
    """A patient, a doctor and a hospital of one test; everything is written under `own` ids."""

    def __init__(self, fhir: FhirStore) -> None:
        self.fhir = fhir
        self.own = uuid4().hex[:12]
        self.hfr_id = f"IN{self.own}"
        self.mobile = f"9{int(self.own, 16) % 10**9:09d}"
        self.patient = self.id("pat")
        fhir.transaction(
            [
                {
                    "resourceType": "Organization",
                    "id": self.id("org"),
                    "identifier": [{"system": systems.HFR_ID, "value": self.hfr_id}],
                    "name": "Test Hospital",
                },
                {
                    "resourceType": "Practitioner",
                    "id": self.id("doc"),
                    "name": [{"text": "Dr. Test"}],
                },
                self.person("pat"),
            ]
        )

    def id(self, name: str) -> str:
        return f"{name}-{self.own}"

    def person(self, name: str, **fields: Any) -> Resource:
        return {
            "resourceType": "Patient",
            "id": self.id(name),
            "name": [{"text": "Asha Devi"}],
            "telecom": [{"system": "phone", "value": f"+91{self.mobile}"}],
            **fields,
        }

    def visit(self, name: str, **fields: Any) -> Resource:
        return {
            "resourceType": "Encounter",
            "id": self.id(name),
            "status": "finished",
            "class": {"system": systems.ACT_CODE, "code": "AMB"},
            "subject": {"reference": f"Patient/{self.patient}"},
            "serviceProvider": {"reference": f"Organization/{self.id('org')}"},
            "participant": [{"individual": {"reference": f"Practitioner/{self.id('doc')}"}}],
            **fields,
        }

    def of_visit(self, resource_type: str, name: str, visit: str, **fields: Any) -> Resource:
        made: Resource = {
            "resourceType": resource_type,
            "id": self.id(name),
            "subject": {"reference": f"Patient/{self.patient}"},
            "encounter": {"reference": f"Encounter/{self.id(visit)}"},
            **fields,
        }
        return made

    def observation(self, name: str, visit: str) -> Resource:
        return self.of_visit(
            "Observation", name, visit, status="final", code={"text": "Pulse"}, valueString="72"
        )

    def document(self, name: str, visit: str, attachment: Resource) -> Resource:
        return {
            "resourceType": "DocumentReference",
            "id": self.id(name),
            "status": "current",
            "subject": {"reference": f"Patient/{self.patient}"},
            "content": [{"attachment": {"contentType": "application/pdf", **attachment}}],
            "context": {"encounter": [{"reference": f"Encounter/{self.id(visit)}"}]},
        }

    def reference(self, visit: str) -> str:
        return f"Encounter-{self.id(visit)}"

    def records(self, *visits: str) -> list[Any]:
        return list(self.fhir.records_of([self.reference(visit) for visit in visits]))


@pytest.fixture
def fhir(hapi: Any) -> FhirStore:
    return FhirStore(hapi.base_url, hapi.token)


@pytest.fixture
def world(fhir: FhirStore) -> World:
    return World(fhir)


RECEIVED = {"meta": {"tag": [{"system": systems.TAG, "code": systems.TAG_RECEIVED}]}}


def names(resources: Any) -> set[str]:
    return {f"{each['resourceType']}/{each['id']}" for each in resources}


# --- patients and facilities -----------------------------------------------------------------


@pytest.mark.parametrize("form", ["{}", "+91{}", "91{}", "0{}", "+91-{}", "+91 {}"])
def test_a_patient_is_found_by_mobile_however_the_hims_wrote_it(world: World, form: str) -> None:
    written = form.format(world.mobile)
    world.fhir.put(world.person("pat", telecom=[{"system": "phone", "value": written}]))
    for asked in (world.mobile, f"+91-{world.mobile}"):
        assert names(world.fhir.find_patients(mobile=asked)) == {f"Patient/{world.patient}"}


@pytest.mark.parametrize("dashed", [True, False])
def test_a_patient_is_found_by_abha_number_with_and_without_dashes(
    world: World, dashed: bool
) -> None:
    bare = f"91{int(world.own, 16) % 10**12:012d}"
    shown = f"{bare[:2]}-{bare[2:6]}-{bare[6:10]}-{bare[10:]}"
    identifier = {"system": systems.ABHA_NUMBER, "value": shown if dashed else bare}
    world.fhir.put(world.person("pat", identifier=[identifier]))
    for asked in (bare, shown):
        assert names(world.fhir.find_patients(abha_number=asked)) == {f"Patient/{world.patient}"}


def test_a_patient_is_found_by_abha_address_and_only_by_the_whole_of_it(world: World) -> None:
    address = f"asha.{world.own}@sbx"
    identifier = {"system": systems.ABHA_ADDRESS, "value": address}
    world.fhir.put(world.person("pat", identifier=[identifier]))
    assert names(world.fhir.find_patients(abha_address=address)) == {f"Patient/{world.patient}"}
    assert world.fhir.find_patients(abha_address=address.partition(".")[2]) == []


@pytest.mark.parametrize("crafted", ["x,{}", "x\\,{}", "|{}"])
def test_separators_in_an_address_search_for_themselves(world: World, crafted: str) -> None:
    address = f"asha.{world.own}@sbx"
    identifier = {"system": systems.ABHA_ADDRESS, "value": address}
    world.fhir.put(world.person("pat", identifier=[identifier]))
    assert world.fhir.find_patients(abha_address=crafted.format(address)) == []


def test_a_received_patient_is_never_found_or_read(world: World) -> None:
    world.fhir.put(world.person("other", **RECEIVED))
    assert names(world.fhir.find_patients(mobile=world.mobile)) == {f"Patient/{world.patient}"}
    assert world.fhir.patient(world.id("other")) is None


def test_what_is_written_is_found_at_once(world: World) -> None:
    """HAPI may answer a search from a minute-old one; Cache-Control: no-cache prevents it."""
    assert len(world.fhir.find_patients(mobile=world.mobile)) == 1
    world.fhir.put(world.person("twin"))
    assert len(world.fhir.find_patients(mobile=world.mobile)) == 2


def test_an_unknown_or_impossible_id_is_none(fhir: FhirStore) -> None:
    assert fhir.patient("nobody-at-all") is None
    assert fhir.encounter("../Patient/x?_format=json") is None
    assert fhir.consent("hip-none") is None


def test_organizations_are_found_by_hfr_id(world: World) -> None:
    found = world.fhir.organizations([world.hfr_id, "IN-nowhere"])
    assert {hfr_id: each["id"] for hfr_id, each in found.items()} == {world.hfr_id: world.id("org")}


# --- visits ----------------------------------------------------------------------------------


def test_a_visit_comes_with_everything_that_points_at_it_and_whom_it_names(world: World) -> None:
    pills = {"resourceType": "Medication", "id": world.id("med"), "code": {"text": "Pills"}}
    other_doctor = {"resourceType": "Practitioner", "id": world.id("doc2")}
    role = {
        "resourceType": "PractitionerRole",
        "id": world.id("role"),
        "practitioner": {"reference": f"Practitioner/{world.id('doc2')}"},
    }
    prescription = world.of_visit(
        "MedicationRequest",
        "rx",
        "v1",
        status="active",
        intent="order",
        medicationReference={"reference": f"Medication/{world.id('med')}"},
        requester={"reference": f"PractitionerRole/{world.id('role')}"},
    )
    allergy = {
        "resourceType": "AllergyIntolerance",
        "id": world.id("allergy"),
        "patient": {"reference": f"Patient/{world.patient}"},
        "encounter": {"reference": f"Encounter/{world.id('v1')}"},
        "code": {"text": "Penicillin"},
    }
    condition = world.of_visit("Condition", "cond", "v1", code={"text": "Fever"})
    world.fhir.transaction([world.visit("v1"), world.visit("v2"), pills, other_doctor, role])
    world.fhir.transaction([prescription, allergy, condition, world.observation("obs", "v1")])
    (records,) = world.records("v1")
    assert records.root["id"] == world.id("v1")
    assert records.patient["id"] == world.patient
    assert records.organization["id"] == world.id("org")
    assert names(records.practitioners) == {
        f"Practitioner/{world.id('doc')}",
        f"Practitioner/{world.id('doc2')}",
        f"PractitionerRole/{world.id('role')}",
    }
    assert names(records.others) == {
        f"Condition/{world.id('cond')}",
        f"Observation/{world.id('obs')}",
        f"MedicationRequest/{world.id('rx')}",
        f"Medication/{world.id('med')}",
        f"AllergyIntolerance/{world.id('allergy')}",
    }


def test_visits_come_in_the_order_asked_and_unknown_ones_are_absent(world: World) -> None:
    world.fhir.transaction([world.visit("v1"), world.visit("v2"), world.visit("v3")])
    asked = [world.reference("v3"), "Encounter-none", world.reference("v1"), "Encounter-../x"]
    asked += ["Invoice-1", world.reference("v2"), world.reference("v3")]
    roots = [records.root["id"] for records in world.fhir.records_of(asked)]
    assert roots == [world.id("v3"), world.id("v1"), world.id("v2")]


def test_more_visits_than_one_batch_are_read_batch_by_batch(world: World) -> None:
    numbers = range(fhir_visits.BATCH * 2 + 3)
    world.fhir.transaction(
        each
        for number in numbers
        for each in (world.visit(f"v{number}"), world.observation(f"o{number}", f"v{number}"))
    )
    found = world.records(*(f"v{number}" for number in numbers))
    assert [records.root["id"] for records in found] == [world.id(f"v{n}") for n in numbers]
    assert all(len(records.others) == 1 for records in found)
    assert len(world.fhir.care_contexts_of(world.patient)) == len(numbers)


def test_a_visit_that_holds_more_than_hapi_includes_loses_nothing(world: World) -> None:
    """HAPI leaves out, without a word, what a page would include beyond its limit."""
    world.fhir.transaction([world.visit("v1"), world.visit("v2")])
    for start in range(0, 1100, 550):
        world.fhir.transaction(
            world.observation(f"o{number}", "v1") for number in range(start, start + 550)
        )
    world.fhir.put(world.observation("last", "v2"))
    first, second = world.records("v1", "v2")
    assert len(first.others) == 1100
    assert names(second.others) == {f"Observation/{world.id('last')}"}


def test_received_records_are_never_part_of_a_visit(world: World) -> None:
    received = world.observation("theirs", "v1") | RECEIVED
    world.fhir.transaction([world.visit("v1"), world.observation("ours", "v1"), received])
    world.fhir.put(world.visit("v2") | RECEIVED)
    assert [names(each.others) for each in world.records("v1", "v2")] == [
        {f"Observation/{world.id('ours')}"}
    ]
    assert len(world.fhir.care_contexts_of(world.patient)) == 1


def test_a_placeholder_is_no_visit_until_the_hims_writes_it(world: World) -> None:
    """A prescription may come before its visit; HAPI then makes up a stub of the visit."""
    world.fhir.put(world.observation("early", "v1"))
    assert world.records("v1") == []
    assert world.fhir.encounter(world.id("v1")) is None
    world.fhir.put(world.visit("v1"))
    assert [names(each.others) for each in world.records("v1")] == [
        {f"Observation/{world.id('early')}"}
    ]


def test_a_visit_naming_no_provider_gets_the_facility_that_serves_it(world: World) -> None:
    visit = world.visit("v1")
    del visit["serviceProvider"]
    world.fhir.put(visit)
    facility = world.fhir.organizations([world.hfr_id])[world.hfr_id]
    reference = world.reference("v1")
    (named,) = world.fhir.records_of([reference], facility=facility)
    (unnamed,) = world.fhir.records_of([reference])
    assert (named.organization, unnamed.organization) == (facility, None)


def test_attachments_come_with_their_visit_inline_or_as_binary(world: World) -> None:
    data = base64.b64encode(b"%PDF-1.7 a scan").decode()
    binary = {
        "resourceType": "Binary",
        "id": world.id("bin"),
        "contentType": "application/pdf",
        "data": data,
    }
    world.fhir.transaction([world.visit("v1"), world.visit("v2"), binary])
    by_url = {"url": f"Binary/{world.id('bin')}"}
    world.fhir.transaction(
        [world.document("d1", "v1", by_url), world.document("d2", "v2", {"data": data})]
    )
    first, second = world.records("v1", "v2")
    assert first.binaries[f"Binary/{world.id('bin')}"]["data"] == data
    assert second.others[0]["content"][0]["attachment"]["data"] == data
    assert second.binaries == {}


def test_a_patients_care_contexts_name_documents_without_loading_them(world: World) -> None:
    data = base64.b64encode(b"x" * 1000).decode()
    world.fhir.put(world.visit("v1"))
    world.fhir.put(world.document("d1", "v1", {"data": data, "title": "Scan"}))
    (records,) = world.fhir.care_contexts_of(world.patient)
    attachment = records.others[0]["content"][0]["attachment"]
    assert attachment == {"contentType": "application/pdf", "title": "Scan"}


def test_an_attachment_that_is_gone_leaves_the_rest_of_the_visit(world: World) -> None:
    world.fhir.put(world.visit("v1"))
    absent = {"url": f"Binary/{world.id('never')}"}
    world.fhir.put(world.document("d1", "v1", absent))
    (records,) = world.records("v1")
    assert (len(records.others), records.binaries) == (1, {})


# --- writing ---------------------------------------------------------------------------------


def test_a_repeated_put_changes_nothing(world: World, hapi: Any) -> None:
    for _ in range(2):
        world.fhir.put(world.visit("v1"))
    found = world.fhir.encounter(world.id("v1"))
    assert found is not None
    assert found["meta"]["versionId"] == "1"


def test_a_transaction_writes_all_or_nothing(world: World) -> None:
    bad = world.observation("bad", "v1") | {"status": "no-such-status"}
    with pytest.raises(FhirRejected):
        world.fhir.transaction([world.visit("v1"), bad])
    assert world.fhir.encounter(world.id("v1")) is None


def test_a_refusal_names_no_value_that_was_sent(world: World) -> None:
    bad = world.person("bad", birthDate="Canary 9876543210")
    with pytest.raises(FhirRejected) as refused:
        world.fhir.put(bad)
    assert "Canary" not in str(refused.value)
    assert "9876543210" not in str(refused.value)


def test_the_linked_mark_is_added_without_touching_content_and_survives_an_update(
    world: World,
) -> None:
    world.fhir.put(world.visit("v1"))
    for _ in range(2):
        world.fhir.add_tag(f"Encounter/{world.id('v1')}", systems.TAG, systems.TAG_LINKED)
    world.fhir.put(world.visit("v1", status="in-progress"))
    found = world.fhir.encounter(world.id("v1"))
    assert found is not None
    tags = [(tag["system"], tag["code"]) for tag in found["meta"]["tag"]]
    assert tags == [(systems.TAG, systems.TAG_LINKED)]
    assert found["status"] == "in-progress"


def test_marking_what_does_not_exist_is_refused(fhir: FhirStore) -> None:
    with pytest.raises(FhirRejected):
        fhir.add_tag("Encounter/none-at-all", systems.TAG, systems.TAG_LINKED)


def test_a_consent_is_read_fresh_after_each_change(world: World) -> None:
    def consent(status: str) -> Resource:
        category = {"coding": [{"system": systems.LOINC, "code": "59284-0"}]}
        scope_system = "http://terminology.hl7.org/CodeSystem/consentscope"
        return {
            "resourceType": "Consent",
            "id": world.id("hip"),
            "status": status,
            "scope": {"coding": [{"system": scope_system, "code": "patient-privacy"}]},
            "category": [category],
            "policyRule": {"coding": [{"system": systems.ACT_CODE, "code": "OPTIN"}]},
        }

    known: Resource | None = None
    for status in ("active", "inactive"):
        world.fhir.put(consent(status))
        found = world.fhir.consent(world.id("hip"))
        assert found is not None
        assert found["status"] == status
        # Asked again with what is known: the change is seen, and what has not changed is the same.
        again = world.fhir.consent(world.id("hip"), known=known)
        assert again == found
        known = world.fhir.consent(world.id("hip"), known=found)
        assert known is found


# --- the server itself -----------------------------------------------------------------------


def test_ping_succeeds_and_tells_a_wrong_token_from_a_server_that_is_away(
    fhir: FhirStore, hapi: Any
) -> None:
    fhir.ping()
    with pytest.raises(FhirUnavailable, match="FHIR_TOKEN"):
        FhirStore(hapi.base_url, "another-token").ping()
    with pytest.raises(FhirUnavailable, match="FHIR_BASE_URL"):
        FhirStore("http://127.0.0.1:9/fhir", "token").ping()


def test_validation_gives_the_servers_verdict_also_on_errors(fhir: FhirStore) -> None:
    outcome = fhir.validate({"resourceType": "Observation", "status": "final"})
    assert any(issue["severity"] == "error" for issue in outcome["issue"])


def test_patients_are_searched_without_naming_them_in_a_url(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls: list[str] = []
    send = requests.Session.send

    def watched(self: requests.Session, request: Any, **options: Any) -> Any:
        urls.append(request.url)
        return send(self, request, **options)

    monkeypatch.setattr(requests.Session, "send", watched)
    assert world.fhir.find_patients(mobile=world.mobile)
    assert urls
    assert not any(world.mobile in url for url in urls)
