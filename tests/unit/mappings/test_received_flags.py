"""Everything that can be wrong with a received document is flagged, and nothing of it is lost."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from mappings.received import CODES, split_received
from mappings.received.entries import MOST_ENTRIES
from mappings.received.flags import MOST_OF_A_CODE
from mappings.received.parse import MOST_VALUES
from mappings.systems import INVALID_VALUE, SECURITY_ARTEFACT, STATED_SOURCE, TAG
from tests.unit.mappings.received import COMPOSITION, bundle, codes, one, origin, res, split

PATIENT = res("Patient", "1")
ENTRY = {"resource": PATIENT, "fullUrl": "http://hip.example/fhir/Patient/1"}
SUBSETTED = {"code": "SUBSETTED"}


def document(**patient: Any) -> Any:
    return bundle(COMPOSITION, {**PATIENT, **patient})


def with_entries(*entries: Any) -> Any:
    clean = bundle(COMPOSITION)
    return {**clean, "entry": [*clean["entry"], *entries]}


# What arrives, the flag it earns, and how many resources can still be stored.
CASES: dict[str, tuple[Any, str, int]] = {
    "trailing comma": (b'{"resourceType": "Patient",}', "not-json", 0),
    "NaN": (b'{"resourceType": "Observation", "valueInteger": NaN}', "not-json", 0),
    "a PDF": (b"%PDF-1.7\n\x00\xff", "not-json", 0),
    "nothing": (b"", "not-json", 0),
    "XML": (b'<Bundle xmlns="http://hl7.org/fhir"/>', "not-json", 0),
    "a number of ten thousand digits": (b"9" * 10_000, "not-json", 0),
    "byte order mark": (
        b"\xef\xbb\xbf" + json.dumps(document()).encode(),
        "wrong-encoding",
        2,
    ),
    "Latin-1": (
        json.dumps(document(name=[{"text": "José"}]), ensure_ascii=False).encode("latin-1"),
        "wrong-encoding",
        2,
    ),
    "UTF-16": (json.dumps(document()).encode("utf-16"), "wrong-encoding", 2),
    "encoded twice": (json.dumps(json.dumps(document())).encode(), "encoded-twice", 2),
    "a name twice": (
        b'{"resourceType": "Patient", "gender": "male", "gender": "female"}',
        "duplicate-name",
        1,
    ),
    "too many values": (b"[" * (MOST_VALUES + 1), "too-large", 0),
    "deep brackets": (b"[" * 100_000 + b"]" * 100_000, "too-deep", 0),
    "deep objects": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "too-deep", 0),
    "deep, below Python's limit": (b"[" * 300 + b"]" * 300, "too-deep", 0),
    "too many entries": (bundle(*[PATIENT] * (MOST_ENTRIES + 1)), "too-many-entries", 0),
    "no FHIR": ({"hello": "world"}, "not-fhir", 0),
    "null": (b"null", "not-fhir", 0),
    "a text": (b'"hello"', "not-fhir", 0),
    "a list of resources": ([COMPOSITION, PATIENT], "not-fhir", 2),
    "a Bundle without resourceType": ({"type": "document", "entry": [ENTRY]}, "not-fhir", 1),
    "an entry that is a resource": (with_entries(PATIENT), "not-fhir", 2),
    "a collection": ({**document(), "type": "collection"}, "not-a-document", 2),
    "a transaction": (
        with_entries({**ENTRY, "request": {"method": "POST", "url": "Patient"}})
        | {"type": "transaction"},
        "not-a-document",
        2,
    ),
    "a single resource": (PATIENT, "not-a-document", 1),
    "no Composition": (bundle(PATIENT), "no-composition", 1),
    "two Compositions": (
        bundle(COMPOSITION, {**COMPOSITION, "id": "c2"}),
        "several-compositions",
        2,
    ),
    "the Composition last": (bundle(PATIENT, COMPOSITION), "composition-not-first", 2),
    "a Bundle inside": (
        with_entries({"resource": bundle(PATIENT), "fullUrl": "urn:uuid:x"}),
        "nested-bundle",
        2,
    ),
    "no entries": ({"resourceType": "Bundle", "type": "document"}, "entry-without-resource", 0),
    "an entry without resource": (
        with_entries({"fullUrl": "urn:uuid:x"}),
        "entry-without-resource",
        1,
    ),
    "an entry that is null": (with_entries(None), "entry-without-resource", 1),
    "no fullUrl": (bundle(COMPOSITION, PATIENT, urls=False), "missing-full-url", 2),
    "a relative fullUrl": (
        with_entries({"resource": PATIENT, "fullUrl": "Patient/1"}),
        "relative-full-url",
        2,
    ),
    "no id": (
        with_entries({"resource": res("Patient"), "fullUrl": "urn:uuid:x"}),
        "id-missing",
        2,
    ),
    "an id with a space": (bundle(COMPOSITION, res("Patient", "a b")), "id-invalid", 2),
    "an id that is a number": (
        with_entries({**ENTRY, "resource": {**PATIENT, "id": 7}}),
        "id-invalid",
        2,
    ),
    "an entry twice": (with_entries(ENTRY, ENTRY), "duplicate-entry", 2),
    "one identity, two contents": (
        with_entries(ENTRY, {**ENTRY, "resource": {**PATIENT, "gender": "male"}}),
        "conflicting-entries",
        3,
    ),
    "an unknown type": (bundle(COMPOSITION, res("Doctor", "1")), "unknown-resource-type", 1),
    "a contained unknown type": (
        document(contained=[res("Doctor", "d")]),
        "unknown-resource-type",
        2,
    ),
    "a Subscription": (bundle(COMPOSITION, res("Subscription", "1")), "not-a-record", 1),
    "a SearchParameter": (bundle(COMPOSITION, res("SearchParameter", "1")), "not-a-record", 1),
    "an AuditEvent": (bundle(COMPOSITION, res("AuditEvent", "1")), "not-a-record", 1),
    "a reference to nothing": (
        document(managingOrganization={"reference": "Organization/9"}),
        "unresolved-reference",
        2,
    ),
    "a label of ours": (
        document(meta={"tag": [{"system": TAG, "code": "linked"}]}),
        "foreign-label",
        2,
    ),
    "another consent's label": (
        document(meta={"security": [{"system": SECURITY_ARTEFACT, "code": "other"}]}),
        "foreign-label",
        2,
    ),
    "a mark of an outline": (document(meta={"tag": [SUBSETTED]}), "foreign-label", 2),
    "a source of its own": (document(meta={"source": "http://lab"}), "foreign-source", 2),
    "an empty text": (document(gender=""), "empty-value", 2),
    "a null": (document(name=None), "empty-value", 2),
    "an empty list": (document(name=[]), "empty-value", 2),
    "an empty object": (document(name=[{}]), "empty-value", 2),
    "an empty narrative": (
        document(text={"status": "generated", "div": ""}),
        "empty-narrative",
        2,
    ),
    "a narrative without words": (
        document(text={"status": "generated", "div": "<div> <p/> </div>"}),
        "empty-narrative",
        2,
    ),
    "a narrative in HTML": (
        document(text={"status": "generated", "div": "<div>a<br>b</div>"}),
        "invalid-narrative",
        2,
    ),
    "a code that isn't one": (document(gender="M"), "invalid-value", 2),
    "a label without code": (document(meta={"tag": [{"display": "x"}]}), "invalid-value", 2),
    "an unknown property": (document(aadhaar="x"), "unknown-property", 2),
    "a side note of what has none": (
        document(name=[{"text": "x"}], _name=[{"id": "a"}]),
        "unknown-property",
        2,
    ),
    "a modifier extension": (
        document(modifierExtension=[{"url": "http://x", "valueBoolean": True}]),
        "unknown-modifier-extension",
        2,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_each_fault_is_flagged_and_what_can_be_read_is_stored(name: str) -> None:
    value, code, stored = CASES[name]
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    found = split_received(content, origin())
    assert code in codes(found)
    assert len(found.resources) == stored
    assert base64.b64decode(found.binary["data"]) == content


def test_every_code_has_a_case() -> None:
    given_by_the_caller = {"checksum-mismatch"}
    assert {code for _, code, _ in CASES.values()} == set(CODES) - given_by_the_caller


def test_the_readme_explains_every_code() -> None:
    readme = Path("README.md").read_text(encoding="utf-8")
    assert [c for c, meaning in CODES.items() if f"| `{c}` | {meaning} |" not in readme] == []


def test_a_clean_document_has_no_flag() -> None:
    assert split(document(gender="female")).flags == ()


def test_a_sentence_never_holds_a_value_or_a_name_that_the_sender_chose() -> None:
    secret = "Asha-Verma-9876543210"
    dirty = bundle(
        COMPOSITION,
        res(
            "Patient",
            f"{secret} id",
            gender=secret,
            birthDate=secret,
            name=secret,
            managingOrganization={"reference": f"Organization/{secret}"},
            photo=[{"url": f"Binary/{secret}", "data": f"!{secret}"}],
            text={"status": secret, "div": f"<p>{secret}"},
            contained=[{"resourceType": secret}],
            meta={"source": secret, "tag": [{"display": secret}]},
            modifierExtension=[{"url": secret, "valueString": secret}],
            **{"ashaverma": "x", secret: secret},
        ),
        res(secret, "1"),
    )
    found = split({**dirty, "type": secret})
    assert len(codes(found)) > 8
    told = json.dumps([flag.sentence for flag in found.flags])
    assert secret not in told
    assert "ashaverma" not in told


def test_a_thousand_like_faults_become_few_sentences() -> None:
    patients = [res("Patient", str(n), gender="?") for n in range(1000)]
    found = [f for f in split(bundle(COMPOSITION, *patients)).flags if f.code == "invalid-value"]
    assert len(found) == MOST_OF_A_CODE + 1
    assert found[-1].sentence.startswith(f"{1000 - MOST_OF_A_CODE} more")


def test_a_source_of_its_own_is_kept_beside_the_hips() -> None:
    patient = one(split(document(meta={"source": "http://lab"})), "Patient")
    assert {"url": STATED_SOURCE, "valueUri": "http://lab"} in patient["meta"]["extension"]


def test_what_the_server_sets_is_left_out_of_meta() -> None:
    meta = {"versionId": "7", "lastUpdated": "yesterday", "profile": ["http://x/p"]}
    found = split(document(meta=meta))
    assert found.flags == ()
    kept = one(found, "Patient")["meta"]
    assert "versionId" not in kept
    assert "lastUpdated" not in kept
    assert kept["profile"] == ["http://x/p"]


def kept_as_text(value: str) -> Any:
    return {"extension": [{"url": INVALID_VALUE, "valueString": value}]}


# An element of a Patient (or Observation) as it arrives, and what is stored of it.
VALUES: list[tuple[str, Any, Any]] = [
    ("gender", "M", {"_gender": kept_as_text("M")}),
    ("gender", " FEMALE ", {"gender": "female"}),
    ("gender", ["male", "female"], {"gender": "male"}),
    ("birthDate", "27/02/2026", {"_birthDate": kept_as_text("27/02/2026")}),
    ("birthDate", "2026-02-30", {"_birthDate": kept_as_text("2026-02-30")}),
    ("birthDate", "0000-01-01", {"_birthDate": kept_as_text("0000-01-01")}),
    ("birthDate", " 2026-02-27 ", {"birthDate": "2026-02-27"}),
    ("birthDate", 1987, {"birthDate": "1987"}),
    (
        "deceasedDateTime",
        "2026-02-27 10:00",
        {"_deceasedDateTime": kept_as_text("2026-02-27 10:00")},
    ),
    ("deceasedDateTime", "2026-02-27T10:00:00", {"deceasedDateTime": "2026-02-27T10:00:00"}),
    ("active", "true", {"active": True}),
    ("active", 1, {"_active": kept_as_text("1")}),
    ("active", {"value": True}, {"_active": kept_as_text('{"value": true}')}),
    ("multipleBirthInteger", 2.0, {"multipleBirthInteger": 2}),
    ("multipleBirthInteger", 2.5, {"_multipleBirthInteger": kept_as_text("2.5")}),
    ("multipleBirthInteger", 1 << 40, {"_multipleBirthInteger": kept_as_text(str(1 << 40))}),
    ("identifier", {"value": 12345}, {"identifier": [{"value": "12345"}]}),
    ("identifier", ["12345"], {"identifier": [kept_as_text("12345")]}),
    ("name", "Asha", {"name": [{"text": "Asha"}]}),
    ("name", [{"given": ["", "Asha", None]}], {"name": [{"given": ["Asha"]}]}),
    (
        "name",
        [{"given": [{"a": 1}]}],
        {"name": [{"given": [None], "_given": [kept_as_text('{"a": 1}')]}]},
    ),
    ("extension", [{"url": "http://x/empty"}], {}),
    ("maritalStatus", "Married", {"maritalStatus": {"text": "Married"}}),
    ("photo", [{"data": "data:image/png;base64,aGk="}], {"photo": [{"data": "aGk="}]}),
    ("photo", [{"data": "_-8="}], {"photo": [{"data": "/+8="}]}),
    ("photo", [{"data": "aGk"}], {"photo": [{"data": "aGk="}]}),
    ("photo", [{"data": "aGk=aGk="}], {"photo": [{"_data": kept_as_text("aGk=aGk=")}]}),
    ("photo", [{"data": "aGkaG"}], {"photo": [{"_data": kept_as_text("aGkaG")}]}),
    ("photo", [{"data": "no!"}], {"photo": [{"_data": kept_as_text("no!")}]}),
    ("photo", [{"data": "!" * 20_000, "title": "x"}], {"photo": [{"title": "x"}]}),
    ("telecom", [{"rank": "2"}], {"telecom": [{"rank": 2}]}),
    ("language", "a\u0000b", {"language": "a�b"}),
    ("language", "\ud800", {"language": "�"}),
    ("text", {"status": "generated"}, {}),
    (
        "text",
        {"status": "generated", "div": "Fever &amp; cough<br>"},
        {
            "text": {
                "status": "generated",
                "div": '<div xmlns="http://www.w3.org/1999/xhtml">Fever &amp; cough</div>',
            }
        },
    ),
    (
        "extension",
        [{"valueString": "x"}],
        {"extension": [{"url": INVALID_VALUE, "valueString": "x"}]},
    ),
    (
        "contained",
        [{"resourceType": "Patient", "id": "#p"}],
        {"contained": [{"resourceType": "Patient", "id": "p"}]},
    ),
    (
        "extension",
        [{"url": "u", "valueCode": "a", "extension": [{"url": "v", "valueCode": "b"}]}],
        {
            "extension": [
                {
                    "url": "u",
                    "extension": [
                        {"url": "v", "valueCode": "b"},
                        {"url": INVALID_VALUE, "valueCode": "a"},
                    ],
                }
            ]
        },
    ),
]


@pytest.mark.parametrize(("name", "arrives", "stored"), VALUES)
def test_a_value_that_fhir_forbids_is_read_as_meant_or_kept_as_text(
    name: str, arrives: Any, stored: Any
) -> None:
    found = split(document(**{name: arrives}))
    patient = one(found, "Patient")
    content = {k: v for k, v in patient.items() if k not in ("resourceType", "id", "meta")}
    assert content == stored
    assert bool(found.flags) == (json.dumps({name: arrives}) != json.dumps(stored))


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("MedicationRequest", "intent"),
        ("Immunization", "status"),
        ("Composition", "confidentiality"),
        ("Claim", "status"),
    ],
)
def test_a_code_outside_a_required_list_is_kept_as_text(kind: str, name: str) -> None:
    found = split(bundle(res(kind, "1", **{name: "done?"})))
    assert one(found, kind)[f"_{name}"] == kept_as_text("done?")


def test_of_two_values_of_a_choice_the_second_becomes_an_extension() -> None:
    two = res("Observation", "o", valueQuantity={"value": 12}, valueString="twelve")
    found = split(bundle(COMPOSITION, two))
    observation = one(found, "Observation")
    assert observation["valueQuantity"] == {"value": 12}
    assert observation["extension"] == [{"url": INVALID_VALUE, "valueString": "twelve"}]
    assert "invalid-value" in codes(found)


def test_values_and_their_side_notes_stay_in_step() -> None:
    note = {"extension": [{"url": "http://x/note", "valueCode": "a"}]}
    name = [{"given": [None, "Asha"], "_given": [note, None]}]
    found = split(document(name=name))
    assert one(found, "Patient")["name"] == name
    assert found.flags == ()


def test_a_number_keeps_the_digits_that_its_text_has() -> None:
    found = split(bundle(COMPOSITION, res("Observation", "o", valueQuantity={"value": "4.50"})))
    assert one(found, "Observation")["valueQuantity"]["value"] == "4.50"


def test_the_digest_can_hold_two_documents_of_one_identifier_apart() -> None:
    first, second = document(gender="male"), document(gender="female")
    same = split(first), split(second)
    assert same[0].document_id == same[1].document_id
    other = split_received(json.dumps(second).encode(), origin(), apart=same[1].sha256)
    assert other.document_id != same[0].document_id
    assert other.resources[0]["id"] != same[0].resources[0]["id"]
