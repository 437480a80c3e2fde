"""A folder of files as dirty hospitals send them, and what each must be flagged with."""

import base64
import copy
import json
from pathlib import Path
from typing import Any

Bundle = dict[str, Any]
BIG = 30 * 1024 * 1024


def document(name: str, *resources: Bundle) -> Bundle:
    """A clean document about a patient, with these resources besides."""
    composition = {
        "resourceType": "Composition",
        "id": f"{name}-composition",
        "status": "final",
        "type": {
            "coding": [
                {
                    "system": "http://snomed.info/sct",
                    "code": "419891008",
                    "display": "Record artifact",
                }
            ]
        },
        "subject": {"reference": f"urn:uuid:{name}-patient"},
        "date": "2025-05-05T10:00:00+05:30",
        "author": [{"display": "Dr. Anita Desai"}],
        "title": f"Record {name}",
        "section": [{"title": "Records"}],
    }
    patient = {"resourceType": "Patient", "id": f"{name}-patient", "name": [{"text": "Asha Verma"}]}
    return {
        "resourceType": "Bundle",
        "id": name,
        "meta": {"versionId": "1"},
        "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:dirty:{name}"},
        "type": "document",
        "timestamp": "2025-05-05T10:00:00+05:30",
        "entry": [
            {"fullUrl": f"urn:uuid:{each['id']}", "resource": each}
            for each in (composition, patient, *resources)
        ],
    }


def observation(name: str, **fields: Any) -> Bundle:
    """A haemoglobin value of that document's patient."""
    return {
        "resourceType": "Observation",
        "id": f"{name}-observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "718-7"}]},
        "subject": {"reference": f"urn:uuid:{name}-patient"},
        "valueQuantity": {"value": 12.1, "unit": "g/dL"},
        **fields,
    }


def _relative() -> Bundle:
    made = document("relative", observation("relative"))
    for entry in made["entry"]:
        entry["fullUrl"] = f"{entry['resource']['resourceType']}/1"
    return made


def _duplicate() -> Bundle:
    made = document("duplicate", observation("duplicate"))
    made["entry"].append(copy.deepcopy(made["entry"][-1]))
    return made


def _scan(name: str, size: int) -> Bundle:
    # Not all alike, so that nothing on the way can shrink it.
    content = b"%PDF-1.7\n" + bytes(range(256)) * (size // 256)
    attachment = {
        "contentType": "application/pdf",
        "data": base64.b64encode(content).decode(),
    }
    return document(
        name,
        {
            "resourceType": "DocumentReference",
            "id": f"{name}-scan",
            "status": "current",
            "content": [{"attachment": attachment}],
        },
    )


# (file name, content, a flag it must have or None for a clean one, whether resources come of it)
FILES: tuple[tuple[str, Any, str | None, bool], ...] = (
    ("clean.json", document("clean", observation("clean")), None, True),
    ("no-json.txt", b"\xff\xfe\x00 this is no JSON \x80", "not-json", False),
    ("cut-off.json", b'{"resourceType": "Bundle", "entry": [', "not-json", False),
    ("empty.json", b"", "not-kept", False),
    ("scan only.pdf", b"%PDF-1.4\n%\xe2\xe3\xcf\xd3 a scan", "not-json", False),
    ("relative.json", _relative(), "relative-full-url", True),
    ("duplicate.json", _duplicate(), "duplicate-entry", True),
    (
        "unknown.json",
        document("unknown", observation("unknown", mood="cheerful")),
        "unknown-property",
        True,
    ),
    (
        "values.json",
        document("values", observation("values", effectiveDateTime="31/12/2024")),
        "invalid-value",
        True,
    ),
    (
        "collection.json",
        {**document("collection", observation("collection")), "type": "collection"},
        "not-a-document",
        True,
    ),
    (
        "unresolved.json",
        document(
            "unresolved",
            observation("unresolved", performer=[{"reference": "Practitioner/nowhere"}]),
        ),
        "unresolved-reference",
        True,
    ),
    (
        "narrative.json",
        document(
            "narrative",
            observation("narrative", text={"status": "empty", "div": "<div></div>"}),
        ),
        "empty-narrative",
        True,
    ),
    ("no-fhir.json", {"report": {"haemoglobin": 12.1}}, "not-fhir", False),
)


def write(folder: Path) -> None:
    """Write all files, and `big.json` with a PDF of 30 MB in base64."""
    for name, content, *_ in FILES:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        (folder / name).write_bytes(data)
    (folder / "big.json").write_text(json.dumps(_scan("big", BIG)))
