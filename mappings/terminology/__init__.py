"""Code tables: a HIMS's choices and FHIR's codes; the data files beside this module hold them.

Each table stands in a TOML file with its source above it. Only what is certain is there: a local
value that no table knows stays the hospital's own words. Read once at import; nothing is written.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any, Final

from mappings.systems import (
    ABHA_ADDRESS,
    ABHA_NUMBER,
    ACT_CODE,
    BILLING_CODES,
    DIAGNOSTIC_SERVICE,
    DISCHARGE_DISPOSITION,
    HFR_ID,
    HPR_ID,
    IDENTIFIER_TYPE_NDHM,
    IDENTIFIER_TYPE_V2,
    INTERPRETATION,
    LOCAL_SYSTEM,
    LOINC,
    OBSERVATION_CATEGORY,
    PLACE_TYPE,
    PRESCRIPTION_CATEGORY,
    PRICE_COMPONENTS,
    SNOMED,
    UCUM,
    coding,
)

Concept = dict[str, Any]


def _tables(name: str) -> dict[str, Any]:
    return tomllib.loads((files(__package__) / f"{name}.toml").read_text(encoding="utf-8"))


_CODES = _tables("codes")
_PEOPLE = _tables("people")
_VISITS = _tables("visits")
_MEDICINES = _tables("medicines")
_OBSERVATIONS = _tables("observations")
_REPORTS = _tables("reports")
_BILLING = _tables("billing")


def _coded(system: str, table: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    return {key: coding(system, *pair) for key, pair in table.items()}


def _concept(row: Mapping[str, Any]) -> Concept:
    """A row of words, with its SNOMED CT code where the table has one, as a CodeableConcept."""
    codes = [coding(SNOMED, *row["snomed"])] if "snomed" in row else []
    return {**({"coding": codes} if codes else {}), "text": row["words"]}


# identifier.type of the identifier systems that we know.
IDENTIFIER_TYPES: Final = {
    HFR_ID: coding(IDENTIFIER_TYPE_V2, "PRN", "Provider number"),
    HPR_ID: coding(IDENTIFIER_TYPE_NDHM, "HPIN", "Health Practitioner ID issued by NDHM"),
    ABHA_NUMBER: coding(IDENTIFIER_TYPE_NDHM, "HIN", "Health ID issued by NDHM"),
    ABHA_ADDRESS: coding(IDENTIFIER_TYPE_NDHM, "ABHA", "Ayushman Bharat Health Account (ABHA) ID"),
}


def display_of(system: object, code: object) -> str | None:
    """The display of a code in one of HL7's own tables; None if it isn't there."""
    found = _CODES["displays"].get(str(system), {}).get(str(code))
    return str(found) if found else None


def code_system(name: str | None, facility: str, kind: str) -> str:
    """The URL of a code system as a hospital names it.

    Args:
        name: a URL or urn, or one of the names of `codes.toml`; None: the hospital's own system.
        facility: whose own system is meant where the name isn't known.
        kind: what the codes are about ("diagnosis"): each kind has its own local system.
    """
    if name and ":" in name and not any(c.isspace() for c in name):
        return name
    known = _CODES["systems"].get((name or "").lower())
    return str(known) if known else LOCAL_SYSTEM.format(facility=facility, kind=kind)


# People and places.
GENDERS: Final[dict[str, str]] = _PEOPLE["genders"]
ROLES: Final = {k: _concept(r) for k, r in _PEOPLE["roles"].items()}
ROLE_NUMBERS: Final = {str(r["number"]): k for k, r in _PEOPLE["roles"].items()}
SPECIALTIES: Final[dict[str, str]] = _PEOPLE["specialties"]
DISEASES: Final = {k: _concept(r) for k, r in _PEOPLE["diseases"].items()}
PLACES: Final = _coded(PLACE_TYPE, _PEOPLE["places"])
BED_TYPES: Final[dict[str, str]] = _PEOPLE["bed_types"]

# Visits.
ENCOUNTER_CLASSES: Final = _coded(ACT_CODE, _VISITS["encounter_classes"])
VIRTUAL: Final = ENCOUNTER_CLASSES["vr"]
# Decisions after which the patient stays under care until a discharge date is known.
STAYS: Final = frozenset({"A", "DC"})
ADMISSION_ROUTES: Final[dict[str, str]] = _VISITS["admission_routes"]
DISCHARGE_REASONS: Final[dict[str, Concept]] = {
    key: {
        **(
            {"coding": [coding(DISCHARGE_DISPOSITION, *row["disposition"])]}
            if "disposition" in row
            else {}
        ),
        "text": row["words"],
    }
    for key, row in _VISITS["discharge_reasons"].items()
}
SYMPTOMS: Final = {k: _concept(r) for k, r in _VISITS["symptoms"].items()}
VERIFICATIONS: Final[dict[str, str]] = _VISITS["verifications"]
CLINICAL_STATUSES: Final[dict[str, str]] = _VISITS["clinical_statuses"]
DIAGNOSIS_USES: Final = _coded(SNOMED, _VISITS["diagnosis_uses"])
REFERRAL: Final = coding(SNOMED, *_VISITS["referral"]["code"])
ALLERGY_CLINICALS: Final[dict[str, str]] = _VISITS["allergy_clinical"]
ALLERGY_VERIFICATIONS: Final[dict[str, str]] = _VISITS["allergy_verification"]
ALLERGY_CATEGORIES: Final[dict[str, str]] = _VISITS["allergy_categories"]
FORECAST_STATUSES: Final[dict[str, str]] = _VISITS["forecast_statuses"]

# Medicines. A frequency: its words and the FHIR Timing.repeat.
ROUTES: Final = _coded(SNOMED, _MEDICINES["routes"])
FREQUENCIES: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    key: (row["words"], {k: v for k, v in row.items() if k != "words"})
    for key, row in _MEDICINES["frequencies"].items()
}
PRESCRIPTION_TYPES: Final = _coded(PRESCRIPTION_CATEGORY, _MEDICINES["prescription_types"])

# Observations. Measurements: code (text only where no LOINC code is certain), unit, category.
CATEGORIES: Final = {
    "vital-signs": coding(OBSERVATION_CATEGORY, "vital-signs", "Vital Signs"),
    "exam": coding(OBSERVATION_CATEGORY, "exam", "Exam"),
    "laboratory": coding(OBSERVATION_CATEGORY, "laboratory", "Laboratory"),
    "imaging": coding(OBSERVATION_CATEGORY, "imaging", "Imaging"),
    "survey": coding(OBSERVATION_CATEGORY, "survey", "Survey"),
}


def _measured(row: Mapping[str, Any]) -> tuple[Concept, dict[str, str], str | None]:
    unit = {"unit": row["unit"], "system": UCUM, "code": row["ucum"]}
    if "loinc" not in row:
        return {"text": row["words"]}, unit, row.get("category")
    code, display = row["loinc"]
    return (
        {"coding": [coding(LOINC, code, display)], "text": display},
        unit,
        row.get("category"),
    )


MEASUREMENTS: Final[dict[str, tuple[Concept, dict[str, str], str | None]]] = {
    field: _measured(row)
    for field, row in {
        **_OBSERVATIONS["measurements"],
        **_OBSERVATIONS["uncoded_measurements"],
    }.items()
}
BLOOD_PRESSURE: Final = coding(LOINC, *_OBSERVATIONS["blood_pressure"]["panel"])
PRESSURES: Final = _coded(LOINC, _OBSERVATIONS["blood_pressure"]["parts"])
MILLIMETRES: Final = {"unit": "mmHg", "system": UCUM, "code": "mm[Hg]"}
MILLILITRES: Final = {"unit": "mL", "system": UCUM, "code": "mL"}
NARRATIVES: Final[dict[str, tuple[dict[str, str], str | None]]] = {
    field: (coding(LOINC, *row["loinc"]), row.get("category"))
    for field, row in _OBSERVATIONS["narratives"].items()
}
REMARKS: Final[dict[str, str]] = _OBSERVATIONS["remarks"]
PATIENT_REMARKS: Final[dict[str, str]] = _OBSERVATIONS["patient_remarks"]
YES_NO: Final[dict[str, str]] = _OBSERVATIONS["yes_no"]
FLUIDS: Final[dict[str, str]] = _OBSERVATIONS["fluids"]
DEATH: Final = coding(LOINC, *_OBSERVATIONS["death"]["code"])
# Field -> the question as a concept, and each answer as one.
CHOICES: Final[dict[str, tuple[Concept, dict[str, Concept]]]] = {
    field: (
        {
            **({"coding": [coding(LOINC, row["loinc"], row["words"])]} if "loinc" in row else {}),
            "text": row["words"],
        },
        {value: _concept(answer) for value, answer in row["values"].items()},
    )
    for field, row in _tables("choices").items()
}

# Reports, specimens and files.
SERVICES: Final = {
    key: {
        "coding": [
            coding(DIAGNOSTIC_SERVICE, *row["code"]),
            *([coding(SNOMED, *row["snomed"])] if "snomed" in row else []),
        ]
    }
    for key, row in _REPORTS["services"].items()
}
IMAGING_SERVICES: Final = frozenset(k for k, r in _REPORTS["services"].items() if r.get("imaging"))
INTERPRETATIONS: Final = _coded(INTERPRETATION, _REPORTS["interpretations"])
SPECIMENS: Final = _coded(SNOMED, _REPORTS["specimens"])
DOCUMENTS: Final = _coded(SNOMED, _REPORTS["documents"])
FILE_TYPES: Final[dict[str, str]] = _REPORTS["file_types"]
FILE_CATEGORIES: Final[dict[str, str]] = _REPORTS["file_categories"]

# Billing. Prices: field -> Invoice.lineItem.priceComponent's type and code.
BILLING_TYPES: Final = _coded(BILLING_CODES, _BILLING["types"])
PRICES: Final[dict[str, tuple[str, dict[str, str]]]] = {
    field: (row["type"], coding(PRICE_COMPONENTS, *row["code"]))
    for field, row in _BILLING["prices"].items()
}
