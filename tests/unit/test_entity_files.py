"""Files of entities: their kinds by name, their order, and lines that can't be read."""

import json
from pathlib import Path

import pytest

from adapter.commands import entity_files
from adapter.commands.entity_files import EntityFile
from mappings.hims import KINDS


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        *((f"{kind}.ndjson", kind) for kind in KINDS),
        ("patients.json", "patient"),
        ("Patients-2024.ndjson", "patient"),
        ("daily-rounds.ndjson", "daily_round"),
        ("Daily Round 3.json", "daily_round"),
        ("diagnoses.ndjson", "diagnosis"),
        ("facilities.json", "facility"),
        ("allergies_old.jsonl", "allergy"),
        ("invoice/0001.json", "invoice"),
        ("users/export.ndjson", "user"),
        ("patient/consultation.ndjson", "consultation"),
        ("patience.ndjson", None),
        ("export.ndjson", None),
        ("filed.json", None),
    ],
)
def test_the_name_tells_the_kind(path: str, kind: str | None) -> None:
    assert entity_files.kind_of(Path("/export") / path) == kind


def test_a_folder_is_searched_whole_and_what_others_point_to_comes_first(tmp_path: Path) -> None:
    names = ("prescription.ndjson", "deep/er/user.json", "patient.jsonl", "facility.json")
    others = ("readme.txt", ".hidden.json", ".git/patient.json", "patient.ndjson.part")
    for name in (*names, *others):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("[]")
    found = entity_files.find([tmp_path, tmp_path / "patient.jsonl"], None)
    assert [file.kind for file in found] == ["facility", "user", "patient", "prescription"]
    assert {file.kind for file in entity_files.find([tmp_path], "invoice")} == {"invoice"}


def test_lines_keep_their_numbers_and_bad_ones_say_why(tmp_path: Path) -> None:
    path = tmp_path / "patient.ndjson"
    path.write_bytes(b'\xef\xbb\xbf{"id": 1}\r\n\n{oops\n\xff\xfe\n{"id": 5, "kind": "user"}')
    items = list(EntityFile(path, "patient").items())
    assert [(item.position, item.kind) for item in items] == [
        (1, "patient"),
        (3, "patient"),
        (4, "patient"),
        (5, "user"),
    ]
    assert [bool(item.unreadable) for item in items] == [False, True, True, False]
    assert items[3].entity == {"id": 5}


def test_kind_from_the_command_line_wins(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"id": 5, "kind": "user"}))
    (item,) = EntityFile(path, "patient", forced=True).items()
    assert (item.kind, item.position) == ("patient", 1)


def test_an_entity_of_no_known_kind_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "export.json"
    path.write_text('[{"id": 1}, {"id": 2, "kind": "patient"}, {"id": 3, "kind": "pdf"}]')
    items = list(EntityFile(path, None).items())
    assert ["--kind" in item.unreadable for item in items] == [True, False, True]


@pytest.mark.parametrize("content", ["", "{", '{"id": 1}\n{"id": 2}'])
def test_a_json_file_that_is_no_json_is_one_refusal(tmp_path: Path, content: str) -> None:
    path = tmp_path / "patient.json"
    path.write_text(content)
    (item,) = EntityFile(path, "patient").items()
    assert ".ndjson" in item.unreadable


def test_the_digest_changes_with_content_and_kind(tmp_path: Path) -> None:
    path = tmp_path / "patient.ndjson"
    path.write_text("{}\n{}\n")
    first, lines = EntityFile(path, "patient").survey()
    assert lines == 2
    assert EntityFile(path, "patient").survey()[0] == first
    assert EntityFile(path, "user").survey()[0] != first
    path.write_text("{}\n{}\n ")
    assert EntityFile(path, "patient").survey()[0] != first
