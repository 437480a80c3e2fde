"""Turns the tables of persons and places into Patient, Practitioner and Organization.

Pure: reads no file. Knows nothing of visits (``records.py``) and of how the tables are found
(``conformance.hospital``).
"""

from collections.abc import Mapping
from datetime import date
from typing import Any

from conformance.data.catalogue import Resource, hl7

Table = Mapping[str, Any]

# Identifier systems as in the NRCeS examples and NHA's samples; a test compares them with mappings.
ABHA_NUMBER = "https://healthid.ndhm.gov.in"
ABHA_ADDRESS = "https://healthid.abdm.gov.in"
HFR_ID = "https://facility.ndhm.gov.in"
HPR_ID = "https://doctor.ndhm.gov.in"
MRN = "https://his.devrai.example/mrn"
REGISTRATION = "https://council.example/registration"

PATIENT_KEYS = frozenset(
    ("mrn", "facility", "name", "name_hi", "given", "family", "gender", "birth_date", "birth_year")
    + ("mobile", "mobile_written", "abha_number", "abha_address", "address", "guardian")
    + ("allergies", "no_known_allergies", "problems", "family_history", "visits")
)
"""Keys a patient's table may have; only ``mrn``, ``name`` and ``gender`` must be there. ``mobile``
is ten digits, ``mobile_written`` how the counter typed it."""


def check_keys(table: Table, allowed: frozenset[str], where: str) -> None:
    """Refuse a table with a key that nothing reads, most often a typing error.

    Raises:
        ValueError: names the keys and the place.
    """
    if unknown := sorted(set(table) - allowed):
        raise ValueError(f"{where} has unknown keys {', '.join(unknown)}; correct or remove them")


def patient_number(table: Table) -> str:
    """Return the digits of the record number, from which the patient's ids are made."""
    return str(table["mrn"]).removeprefix("MRN-")


def patient_id(table: Table) -> str:
    """Return the FHIR id of the patient of this table."""
    return f"pat-{patient_number(table)}"


def _identifier(kind: str, system: str, value: str) -> Resource:
    return {"type": {"coding": [hl7("v2-0203", kind)]}, "system": system, "value": value}


def _names(table: Table) -> list[Resource]:
    official: Resource = {"use": "official", "text": table["name"]}
    if "given" in table:
        official["given"] = table["given"].split()
    if "family" in table:
        official["family"] = table["family"]
    names = [official]
    if "name_hi" in table:
        names.append({"use": "usual", "text": table["name_hi"]})
    return names


def patient(table: Table) -> Resource:
    """Return the Patient of one table. What the table lacks, the resource lacks.

    Raises:
        ValueError: the table has unknown keys.
    """
    check_keys(table, PATIENT_KEYS, f"patient {table['mrn']}")
    identifiers = [_identifier("MR", MRN, table["mrn"])]
    if "abha_number" in table:
        identifiers.append(_identifier("NI", ABHA_NUMBER, table["abha_number"]))
    if "abha_address" in table:
        identifiers.append({"system": ABHA_ADDRESS, "value": table["abha_address"]})
    resource: Resource = {
        "resourceType": "Patient",
        "id": patient_id(table),
        "identifier": identifiers,
        "active": True,
        "name": _names(table),
        "gender": table["gender"],
    }
    if "mobile" in table:
        written = table.get("mobile_written", table["mobile"])
        resource["telecom"] = [{"system": "phone", "use": "mobile", "value": written}]
    if "birth_date" in table:
        resource["birthDate"] = table["birth_date"].isoformat()
    elif "birth_year" in table:
        resource["birthDate"] = str(table["birth_year"])
    if "address" in table:
        resource["address"] = [{"use": "home", "text": table["address"], "country": "IN"}]
    if "guardian" in table:
        resource["contact"] = [{"name": {"text": table["guardian"]}}]
    if "facility" in table:
        resource["managingOrganization"] = {"reference": f"Organization/org-{table['facility']}"}
    return resource


def year_of_birth(table: Table) -> int | None:
    """Return the year of birth, or nothing where the hospital doesn't know it."""
    born: date | None = table.get("birth_date")
    year: int | None = born.year if born else table.get("birth_year")
    return year


def organization(key: str, table: Table) -> Resource:
    """Return the Organization of one facility, identified by its HFR id."""
    return {
        "resourceType": "Organization",
        "id": f"org-{key}",
        "identifier": [_identifier("PRN", HFR_ID, table["hfr_id"])],
        "active": True,
        "type": [{"coding": [hl7("organization-type", "prov")]}],
        "name": table["name"],
        "alias": [table["name_hi"]],
        "telecom": [{"system": "phone", "use": "work", "value": table["phone"]}],
        "address": [{"city": table["city"], "postalCode": table["pin"], "country": "IN"}],
    }


def practitioner(key: str, table: Table) -> Resource:
    """Return the Practitioner of one doctor: HPR id where there is one, council registration."""
    identifiers = [_identifier("MD", REGISTRATION, table["registration"])]
    if "hpr_id" in table:
        identifiers.insert(0, _identifier("PRN", HPR_ID, table["hpr_id"]))
    return {
        "resourceType": "Practitioner",
        "id": f"doctor-{key}",
        "identifier": identifiers,
        "active": True,
        "name": _names(table),
        "gender": table["gender"],
        "qualification": [{"code": {"text": table["qualification"]}}],
    }
