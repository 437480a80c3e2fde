"""Looks up what visits name by key in ``catalogue.toml`` and makes CodeableConcepts of it.

The hospital's own code (the key) always goes along, as hospital systems do; SNOMED CT, ICD-10 and
LOINC codes only where the table has them. A key that isn't in the table is an error, never free
text.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

Resource = dict[str, Any]
Item = str | Mapping[str, Any]
"""A key of the catalogue, or ``{text, code, system}`` for what the catalogue doesn't have."""

LOCAL = "https://his.devrai.example/codes"
SYSTEMS = {
    "sct": "http://snomed.info/sct",
    "icd": "http://hl7.org/fhir/sid/icd-10",
    "loinc": "http://loinc.org",
}


@cache
def tables() -> dict[str, dict[str, dict[str, Any]]]:
    """Return the whole catalogue: table name -> key -> row."""
    text = files(__package__).joinpath("catalogue.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def row(table: str, key: str) -> dict[str, Any]:
    """Return one row of the catalogue.

    Raises:
        ValueError: the key isn't in that table.
    """
    try:
        return tables()[table][key]
    except KeyError:
        message = f'catalogue.toml has no "{key}" under [{table}]; add it, or write {{ text = … }}'
        raise ValueError(message) from None


def concept(table: str, item: Item) -> Resource:
    """Return the CodeableConcept of a catalogue key, or of a free text with or without a code."""
    if not isinstance(item, str):
        bare: Resource = {"text": item["text"]}
        if "code" in item:
            bare["coding"] = [{"system": item["system"], "code": item["code"]}]
        return bare
    found = row(table, item)
    coding = [
        {"system": system, "code": found[column], "display": found["text"]}
        for column, system in SYSTEMS.items()
        if column in found
    ]
    coding.append({"system": f"{LOCAL}/{table}", "code": item, "display": found["text"]})
    return {"coding": coding, "text": found["text"]}


def hl7(name: str, code: str) -> Resource:
    """Return a Coding of one of HL7's own code systems."""
    return {"system": f"http://terminology.hl7.org/CodeSystem/{name}", "code": code}


def has_devanagari(text: str) -> bool:
    """Return whether the text has Devanagari letters, so that its language is given as Hindi."""
    return any("\u0900" <= letter <= "\u097f" for letter in text)
