"""References inside a received document lead to its resources under their ids here, or are text."""

from __future__ import annotations

from typing import Any

import pytest

from mappings.resources import Resource, key
from mappings.systems import INVALID_VALUE, UNRESOLVED_REFERENCE
from tests.unit.mappings.received import COMPOSITION, bundle, codes, one, res, split

UUID = "0a0b0c0d-1111-4222-8333-444455556666"


def entry(resource: Resource, url: str | None = None) -> Any:
    return {"resource": resource, **({} if url is None else {"fullUrl": url})}


def observation(reference: Any) -> Resource:
    return res("Observation", "o", subject=reference)


# The patient's fullUrl and id, the observation's fullUrl, and what its subject says.
RESOLVED: dict[str, tuple[str | None, str | None, str | None, str]] = {
    "absolute": ("http://h/fhir/Patient/1", "1", None, "http://h/fhir/Patient/1"),
    "urn:uuid": (f"urn:uuid:{UUID}", "1", None, f"urn:uuid:{UUID}"),
    "urn:uuid in capitals": (f"urn:uuid:{UUID}", "1", None, f"urn:uuid:{UUID.upper()}"),
    "urn:uuid of the id": (None, UUID, None, f"urn:uuid:{UUID}"),
    "a bare uuid": (f"urn:uuid:{UUID}", None, None, UUID),
    "type and uuid": (f"urn:uuid:{UUID}", None, None, f"Patient/{UUID}"),
    "urn:oid": ("urn:oid:1.2.3", None, None, "urn:oid:1.2.3"),
    "relative fullUrl": ("Patient/1", "1", None, "Patient/1"),
    "relative fullUrl, other id": ("Patient/1", "x", None, "Patient/1"),
    "no fullUrl": (None, "1", None, "Patient/1"),
    "beside urn:uuid": (f"urn:uuid:{UUID}", "1", f"urn:uuid:{UUID[::-1]}", "Patient/1"),
    "no id": ("http://h/fhir/Patient/1", None, None, "Patient/1"),
    "same server": ("http://h/fhir/Patient/1", "x", "http://h/fhir/Observation/o", "Patient/1"),
    "a version": ("http://h/fhir/Patient/1", "1", None, "Patient/1/_history/3"),
    "a version of fullUrl": ("http://h/Patient/1/_history/2", "1", None, "http://h/Patient/1"),
    "a slash before": (None, "1", None, "/Patient/1"),
    "spaces around": (None, "1", None, " Patient/1 "),
    "a numeric id": (None, "17", None, "Patient/17"),
}


@pytest.mark.parametrize("form", RESOLVED)
def test_a_reference_to_a_resource_of_the_document_gets_its_id_here(form: str) -> None:
    url, id_, from_url, reference = RESOLVED[form]
    entries = [
        entry(res("Patient", id_), url),
        entry(observation({"reference": reference}), from_url),
    ]
    document = split({**bundle(COMPOSITION), "entry": entries})
    assert one(document, "Observation")["subject"] == {"reference": key(one(document, "Patient"))}
    assert "unresolved-reference" not in codes(document)


UNRESOLVED = {
    "nothing of that name": "Patient/9",
    "another server": "http://other.example/fhir/Patient/1",
    "a search": "Patient?identifier=http://x|1",
    "no reference at all": "ask at the counter",
    "an unknown uuid": f"urn:uuid:{UUID}",
    "a type only": "Patient/",
}


@pytest.mark.parametrize("form", UNRESOLVED)
def test_a_reference_that_leads_nowhere_is_kept_as_text(form: str) -> None:
    stated = UNRESOLVED[form]
    subject = {"reference": stated, "display": "Asha"}
    document = split(bundle(res("Patient", "1"), observation(subject)))
    assert one(document, "Observation")["subject"] == {
        "display": "Asha",
        "identifier": {"system": UNRESOLVED_REFERENCE, "value": stated},
    }
    assert "unresolved-reference" in codes(document)


def test_a_reference_that_leads_nowhere_keeps_its_identifier() -> None:
    subject = {"reference": "Patient/9", "identifier": {"value": "MRN 9"}}
    found = one(split(bundle(observation(subject))), "Observation")["subject"]
    assert found == {
        "identifier": {"value": "MRN 9"},
        "extension": [{"url": UNRESOLVED_REFERENCE, "valueString": "Patient/9"}],
    }


def test_a_reference_that_could_mean_two_resources_is_kept_as_text() -> None:
    entries = [
        entry(res("Patient", "1", gender="male"), "http://a/fhir/Patient/1"),
        entry(res("Patient", "1", gender="female"), "http://b/fhir/Patient/1"),
        entry(observation({"reference": "Patient/1"}), f"urn:uuid:{UUID}"),
    ]
    document = split({**bundle(COMPOSITION), "entry": entries})
    assert "reference" not in one(document, "Observation")["subject"]


def test_of_two_servers_in_one_document_the_referring_entrys_own_counts() -> None:
    entries = [
        entry(res("Patient", "1", gender="male"), "http://a/fhir/Patient/1"),
        entry(res("Patient", "1", gender="female"), "http://b/fhir/Patient/1"),
        entry(observation({"reference": "Patient/1"}), "http://b/fhir/Observation/o"),
    ]
    document = split({**bundle(COMPOSITION), "entry": entries})
    female = next(r for r in document.resources if r.get("gender") == "female")
    assert one(document, "Observation")["subject"] == {"reference": key(female)}


def test_a_reference_to_an_entry_that_was_counted_once_leads_to_the_one_kept() -> None:
    entries = [
        entry(res("Patient", "1"), "urn:uuid:a"),
        entry(res("Patient", "1"), "urn:uuid:b"),
        entry(observation({"reference": "urn:uuid:b"}), "urn:uuid:c"),
    ]
    document = split({**bundle(COMPOSITION), "entry": entries})
    assert one(document, "Observation")["subject"] == {"reference": key(one(document, "Patient"))}


def test_references_are_rewritten_wherever_they_stand() -> None:
    to = {"reference": "Patient/1"}
    note = {"url": "http://x/note", "valueReference": to}
    resources = [
        res("Patient", "1"),
        res("Composition", "c", subject=to, section=[{"section": [{"entry": [to]}]}]),
        res("List", "l", entry=[{"item": to}]),
        res("Provenance", "p", target=[to], entity=[{"role": "source", "what": to}]),
        res(
            "Basic",
            "b",
            extension=[{"url": "u", "extension": [{"url": "v", "valueReference": to}]}],
        ),
        res("Observation", "o", contained=[res("Specimen", "s", subject=to)], subject=to),
        res("Patient", "2", _birthDate={"extension": [note]}),
        res("Consent", "d", provision={"actor": [{"reference": to}]}),
    ]
    document = split(bundle(*resources, urls=False))
    new = key(document.resources[0])
    told = str(document.resources)
    assert told.count(f"'reference': '{new}'") == 10
    assert "'Patient/1'" not in told


def test_a_contained_resource_stays_inside_with_its_fragment() -> None:
    medication = res("Medication", "m", code={"text": "Paracetamol"})
    request = res(
        "MedicationRequest",
        "r",
        contained=[medication],
        medicationReference={"reference": "#m"},
    )
    found = one(split(bundle(COMPOSITION, request)), "MedicationRequest")
    assert found["contained"] == [medication]
    assert found["medicationReference"] == {"reference": "#m"}


def test_an_attachment_finds_its_binary_and_one_that_has_none_is_kept_as_text() -> None:
    binary = res("Binary", "b", contentType="application/pdf", data="JVBERi0=")
    here = {"attachment": {"url": "Binary/b", "title": "Scan"}}
    gone = {"attachment": {"url": "Binary/9", "title": "Lost"}}
    web = {"attachment": {"url": "https://hip.example/scan.pdf"}}
    file = res("DocumentReference", "d", content=[here, gone, web])
    document = split(bundle(COMPOSITION, binary, file))
    first, second, third = one(document, "DocumentReference")["content"]
    assert first["attachment"] == {"url": key(one(document, "Binary")), "title": "Scan"}
    told = {"extension": [{"url": UNRESOLVED_REFERENCE, "valueString": "Binary/9"}]}
    assert second["attachment"] == {"title": "Lost", "_url": told}
    assert third == web
    assert one(document, "Binary")["data"] == "JVBERi0="


def test_a_reference_to_a_type_that_may_not_stand_there_is_kept_as_an_extension() -> None:
    request = res("Observation", "o", subject={"reference": "Practitioner/1", "display": "Dr. Rao"})
    document = split(bundle(COMPOSITION, res("Practitioner", "1"), request))
    assert one(document, "Observation")["subject"] == {
        "display": "Dr. Rao",
        "extension": [
            {
                "url": INVALID_VALUE,
                "valueReference": {"reference": key(one(document, "Practitioner"))},
            }
        ],
    }
    assert "invalid-value" in codes(document)


def test_a_text_in_place_of_a_reference_is_read_as_one() -> None:
    document = split(
        bundle(COMPOSITION, res("Patient", "1"), res("Observation", "o", subject="Patient/1"))
    )
    assert one(document, "Observation")["subject"] == {"reference": key(one(document, "Patient"))}


def test_a_bundle_inside_a_bundle_has_names_of_its_own() -> None:
    inner = bundle(
        res("Patient", "1", gender="female"),
        observation({"reference": "Patient/1"}),
        identifier={"value": "inner"},
        urls=False,
    )
    encounter = res("Encounter", "e", subject={"reference": "Patient/1"})
    entries = [entry(COMPOSITION), entry(res("Patient", "1", gender="male")), entry(encounter)]
    document = split({**bundle(), "entry": [*entries, entry(inner)]})
    by_gender = {r["gender"]: key(r) for r in document.resources if "gender" in r}
    assert one(document, "Observation")["subject"]["reference"] == by_gender["female"]
    assert one(document, "Encounter")["subject"]["reference"] == by_gender["male"]
