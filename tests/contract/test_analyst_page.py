"""The analysts' queries of the README, as they stand there, on the demo hospital and a document.

What each must find is told by going through everything that is stored, never by another search.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from adapter.protocol.messages import CareContextRef, ConsentArtefact, DateRange, Permission
from adapter.rules import hiu_consent_resource
from adapter.stores import audit
from conformance import hospital
from mappings import systems
from mappings.received import Origin, provenance, split_received
from mappings.resources import is_received, key
from tests import rig
from tests.hapi_fixture import Client, Guarded

pytestmark = pytest.mark.hapi

Resource = dict[str, Any]

README = Path(__file__).resolve().parents[2] / "README.md"
NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
PATIENT, ABHA_ADDRESS = "pat-00112", "ramesh.k62@sbx"
HIP, HIU = "IN2910009001", "IN2910000001"
ARTEFACT = "5f1c0c52-6f0b-4a57-9f51-3a1d1a7f0c11"
HBA1C, METFORMIN, DIABETES, MEASLES = "4548-4", "765507008", "44054006", "871817003"


@dataclass(frozen=True)
class Query:
    """One line of the page: the question's number, the role that it names, and the search."""

    number: int
    role: str
    search: str


def queries() -> list[Query]:
    """Every query of the README's section for analysts, in order."""
    section = README.read_text().split("\n## Analysts\n")[1].split("\n## ")[0]
    found: list[Query] = []
    for item in re.split(r"\n(?=\d+\. \*\*)", section)[1:]:
        number, role = re.match(
            r"(\d+)\. .*\(`(analyst(?:\.received)?)`\)\n", item, re.DOTALL
        ).groups()  # type: ignore[union-attr]
        lines = re.findall(r"^ +GET (\S+)$", item, re.MULTILINE)
        found += [Query(int(number), role, line) for line in lines]
    return found


QUERIES = queries()
NAMES = [f"{query.number}: {query.search[:60]}" for query in QUERIES]


# The records


def document() -> bytes:
    """A document of another hospital: two HbA1c values and a prescription of the same medicine."""
    laboratory = "http://terminology.hl7.org/CodeSystem/observation-category"
    subject = {"reference": "urn:uuid:6a0e4c1e-0000-4000-8000-000000000002"}
    values = [
        {
            "resourceType": "Observation",
            "id": f"hba1c-{number}",
            "status": "final",
            "category": [{"coding": [{"system": laboratory, "code": "laboratory"}]}],
            "code": {"coding": [{"system": systems.LOINC, "code": HBA1C}]},
            "subject": subject,
            "effectiveDateTime": day,
            "valueQuantity": {"value": value, "unit": "%"},
        }
        for number, (day, value) in enumerate([("2025-11-03", 7.9), ("2026-06-15", 7.3)])
    ]
    resources: list[Resource] = [
        {
            "resourceType": "Composition",
            "id": "letter",
            "status": "final",
            "type": {"coding": [{"system": systems.SNOMED, "code": "371530004"}]},
            "subject": subject,
            "date": "2026-06-15",
            "author": [{"display": "Dr Iyer"}],
            "title": "Consultation",
        },
        {
            "resourceType": "Patient",
            "id": "1",
            "identifier": [{"system": systems.ABHA_ADDRESS, "value": ABHA_ADDRESS}],
            "name": [{"text": "Ramesh Kulkarni"}],
        },
        *values,
        {
            "resourceType": "MedicationRequest",
            "id": "metformin",
            "status": "active",
            "intent": "order",
            "medicationCodeableConcept": {
                "coding": [{"system": systems.SNOMED, "code": METFORMIN}]
            },
            "subject": subject,
        },
    ]
    bundle = {
        "resourceType": "Bundle",
        "type": "document",
        "identifier": {"system": "https://other.test", "value": "letter-1"},
        "entry": [
            {
                "fullUrl": f"urn:uuid:6a0e4c1e-0000-4000-8000-{number:012d}",
                "resource": resource,
            }
            for number, resource in enumerate(resources, 1)
        ],
    }
    return json.dumps(bundle).encode()


def received() -> list[Resource]:
    """That document as the adapter stores it, with its Provenance."""
    origin = Origin(
        artefact_id=ARTEFACT,
        hip_id=HIP,
        hip_name="Another Hospital",
        hiu_id=HIU,
        transaction_id="0d0f4a9e-3c39-4a0c-8d57-2a4b5f7f0a12",
        care_context="visit-7",
        received_at=NOW,
        local_patient_id=PATIENT,
        recorder="abdm_user_internal",
    )
    split = split_received(document(), origin)
    stored = [split.binary, *split.resources]
    return [*stored, provenance(split, origin, map(key, split.resources))]


def consents() -> list[Resource]:
    """The artefact that the document came under, and one that we refused."""
    artefact = ConsentArtefact(
        consent_id=ARTEFACT,
        patient_id=ABHA_ADDRESS,
        care_contexts=(CareContextRef("1", "visit-7"),),
        purpose_code="CAREMGT",
        purpose_text=None,
        hip_id=HIP,
        hiu_id=HIU,
        hiu_name=None,
        requester_name="Dr Rao",
        consent_manager_id="sbx",
        hi_types=("OPConsultation",),
        permission=Permission("VIEW", DateRange(datetime(2025, 1, 1, tzinfo=UTC), NOW), NOW),
        created_at=NOW,
        verbatim="{}",
    )
    given = hiu_consent_resource.given(
        artefact, None, hiu_id=HIU, hip_id=HIP, request=None, abdm_request=None, at=NOW
    )
    refused = hiu_consent_resource.refused(
        "77777777-6f0b-4a57-9f51-3a1d1a7f0c11", hiu_id=HIU, request=None, reason="other", at=NOW
    )
    return [given, refused]


@dataclass
class Stored:
    """Everything on the server by type, as the adapter's token sees it."""

    by_type: dict[str, list[Resource]]

    def of(self, resource_type: str, *, code: str | None = None) -> list[Resource]:
        """All of a type, or those coded so."""
        return [each for each in self.by_type[resource_type] if code is None or code in codes(each)]

    def subjects(self, resource_type: str, code: str, *, own: bool = True) -> set[str]:
        """The Patients of own (or received) records of a type that are coded so."""
        return {
            (each.get("subject") or each["patient"])["reference"]
            for each in self.of(resource_type, code=code)
            if is_received(each) is not own
        }


def codes(resource: Resource) -> set[str]:
    for element in ("code", "medicationCodeableConcept", "vaccineCode"):
        if element in resource:
            return {coding["code"] for coding in resource[element].get("coding", [])}
    return set()


@pytest.fixture(scope="module")
def stored(guarded: Guarded, tmp_path_factory: pytest.TempPathFactory) -> Stored:
    """The demo hospital, written by its HIMS, and what the adapter adds; all of it read back."""
    client, hims = guarded.callers["adapter"], guarded.callers["hims"]
    token = str(hims.session.headers["Authorization"]).removeprefix("Bearer ")
    hospital.load(guarded.base_url, token)
    adapter = rig.adapter_over(rig.sqlite_url(tmp_path_factory.mktemp("adapter")))
    viewed = audit.records_viewed(
        adapter,
        hiu_id=HIU,
        user="Dr Rao",
        what="document",
        patient_ids=[PATIENT],
        artefact_ids=[ARTEFACT],
    )
    for resource in [*received(), *consents(), {**viewed, "id": "audit-view"}]:
        assert client.put(resource).status_code in (200, 201), resource["resourceType"]
    types = ("Patient", "Condition", "Observation", "MedicationRequest", "Consent", "AuditEvent")
    more = ("Composition", "Provenance", "Immunization")
    return Stored({name: everything(client, name) for name in (*types, *more)})


def everything(client: Client, resource_type: str) -> list[Resource]:
    page = client.get(f"{resource_type}?_count=500", headers={"Cache-Control": "no-cache"})
    found = entries(page)
    while links := [each["url"] for each in page["link"] if each["relation"] == "next"]:
        page = client.get(links[0])
        found += entries(page)
    return found


def entries(bundle: Resource) -> list[Resource]:
    return [entry["resource"] for entry in bundle.get("entry", [])]


# What each query must find; the received ones among it only for `analyst.received`


def diabetics(stored: Stored) -> list[Resource]:
    wanted = stored.subjects("Condition", DIABETES)
    return [each for each in stored.of("Patient") if key(each) in wanted]


def hba1c(stored: Stored) -> list[Resource]:
    same = {
        key(each)
        for each in stored.of("Patient")
        if ABHA_ADDRESS in {i.get("value") for i in each.get("identifier", [])}
    }
    values = stored.of("Observation", code=HBA1C)
    return [each for each in values if each["subject"]["reference"] in same]


def from_hospital(stored: Stored) -> list[Resource]:
    return [
        each
        for each in stored.of("Observation")
        if each["meta"].get("source") == f"{systems.SOURCE_HIP}{HIP}"
    ]


def own_metformin_and_received(stored: Stored) -> list[Resource]:
    elsewhere = stored.subjects("MedicationRequest", METFORMIN, own=False)
    linked = {
        link["other"]["reference"]
        for each in stored.of("Patient")
        if key(each) in elsewhere
        for link in each["link"]
    }
    wanted = linked & stored.subjects("MedicationRequest", METFORMIN)
    return [each for each in stored.of("Patient") if key(each) in wanted]


def side_by_side(stored: Stored) -> list[Resource]:
    local = f"Patient/{PATIENT}"
    persons = [
        each
        for each in stored.of("Patient")
        if key(each) == local
        or local in {link["other"]["reference"] for link in each.get("link", [])}
    ]
    names = set(map(key, persons))
    prescribed = stored.of("MedicationRequest")
    return persons + [each for each in prescribed if each["subject"]["reference"] in names]


def in_force(stored: Stored) -> list[Resource]:
    return [each for each in stored.of("Consent") if each["status"] == "active"]


def views(stored: Stored) -> list[Resource]:
    return [
        each
        for each in stored.of("AuditEvent")
        if {"system": audit.TAG, "code": "record:received:view"} in each.get("subtype", [])
    ]


def under_artefact(stored: Stored) -> list[Resource]:
    return [
        each
        for each in stored.of("Composition")
        if ARTEFACT in {label["code"] for label in each["meta"].get("security", [])}
    ]


def with_origin(stored: Stored) -> list[Resource]:
    values = [each for each in from_hospital(stored) if HBA1C in codes(each)]
    names = set(map(key, values))
    origins = [
        each
        for each in stored.of("Provenance")
        if names & {target.get("reference") for target in each["target"]}
    ]
    return values + origins


def received_observations(stored: Stored) -> list[Resource]:
    return [each for each in stored.of("Observation") if is_received(each)]


def own_observations(stored: Stored) -> list[Resource]:
    return [each for each in stored.of("Observation") if not is_received(each)]


def children(stored: Stored) -> list[Resource]:
    return [
        each
        for each in stored.of("Patient")
        if each.get("birthDate", "") >= "2021" and not is_received(each)
    ]


def vaccinated(stored: Stored) -> list[Resource]:
    wanted = stored.subjects("Immunization", MEASLES)
    return [each for each in children(stored) if key(each) in wanted]


EXPECTED: list[Callable[[Stored], list[Resource]]] = [
    diabetics,
    hba1c,
    from_hospital,
    own_metformin_and_received,
    side_by_side,
    in_force,
    views,
    under_artefact,
    with_origin,
    received_observations,
    own_observations,
    vaccinated,
    children,
]
# Over the received Patient's link a query could ask about received records.
REFUSED_TO_ANALYST = {own_metformin_and_received}
RUNS = [
    pytest.param(query, expected, id=name)
    for query, expected, name in zip(QUERIES, EXPECTED, NAMES, strict=True)
]


def ask(client: Client, search: str) -> requests.Response:
    return client.call("GET", f"{search}&_count=500", headers={"Cache-Control": "no-cache"})


def found(search: str, answer: requests.Response) -> set[str] | int:
    """The keys of what was found, or the number where that was asked for."""
    assert answer.status_code == 200, answer.text
    body = answer.json()
    return body["total"] if "_summary=count" in search else set(map(key, entries(body)))


def wanted(search: str, resources: list[Resource]) -> set[str] | int:
    return len(resources) if "_summary=count" in search else set(map(key, resources))


def test_the_page_has_ten_questions() -> None:
    assert sorted({query.number for query in QUERIES}) == list(range(1, 11))


@pytest.mark.parametrize(("query", "expected"), RUNS)
def test_a_query_answers_its_question_for_the_role_that_the_page_names(
    guarded: Guarded, stored: Stored, query: Query, expected: Callable[[Stored], list[Resource]]
) -> None:
    resources = expected(stored)
    assert resources, "the data must have something to find"
    answer = ask(guarded.callers[query.role], query.search)
    assert found(query.search, answer) == wanted(query.search, resources)


@pytest.mark.parametrize(("query", "expected"), RUNS)
def test_an_analyst_without_the_scope_gets_own_records_only(
    guarded: Guarded, stored: Stored, query: Query, expected: Callable[[Stored], list[Resource]]
) -> None:
    answer = ask(guarded.callers["analyst"], query.search)
    if expected in REFUSED_TO_ANALYST:
        assert answer.status_code == 403
        assert "'analyst.received'" in answer.json()["issue"][0]["diagnostics"]
        return
    own = [each for each in expected(stored) if not is_received(each)]
    assert found(query.search, answer) == wanted(query.search, own)


def test_hba1c_here_and_elsewhere_comes_in_order_of_time(guarded: Guarded, stored: Stored) -> None:
    (query,) = [each for each in QUERIES if each.number == 2]
    values = entries(ask(guarded.callers["analyst.received"], query.search).json())
    days = [each["effectiveDateTime"][:10] for each in values]
    assert days == sorted(days)
    assert {is_received(each) for each in values} == {True, False}
