"""Which mapping makes which kind of HIMS entity into FHIR: one table. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import tzinfo
from typing import Any

from mappings import hims
from mappings.allergy import to_fhir_allergy
from mappings.condition import to_fhir_condition
from mappings.diagnostic_report import to_fhir_diagnostic_report
from mappings.document_reference import to_fhir_document_reference
from mappings.encounter import to_fhir_encounter
from mappings.immunization import to_fhir_immunization
from mappings.invoice import to_fhir_invoice
from mappings.medication_request import to_fhir_medication_request
from mappings.observation import to_fhir_observations
from mappings.organization import to_fhir_organization
from mappings.patient import to_fhir_patient
from mappings.practitioner import to_fhir_practitioner
from mappings.procedure import to_fhir_procedure
from mappings.resources import Resource

MAPPINGS: dict[str, Callable[[Any], list[Resource]]] = {
    "allergy": to_fhir_allergy,
    "consultation": to_fhir_encounter,
    "daily_round": to_fhir_observations,
    "diagnosis": to_fhir_condition,
    "facility": to_fhir_organization,
    "file": to_fhir_document_reference,
    "immunization": to_fhir_immunization,
    "investigation": to_fhir_diagnostic_report,
    "invoice": to_fhir_invoice,
    "patient": to_fhir_patient,
    "prescription": to_fhir_medication_request,
    "procedure": to_fhir_procedure,
    "user": to_fhir_practitioner,
}


def to_fhir(kind: str, entity: Mapping[str, Any], zone: tzinfo = hims.TIMEZONE) -> list[Resource]:
    """One HIMS entity as FHIR resources with derived ids, ready for one transaction of PUTs.

    References to entities that have not arrived are derived ids too: any order works. The same
    entity gives the same resources.

    Args:
        kind: a key of `mappings.hims.KINDS`.
        entity: its JSON form, field names as in `mappings.hims`.
        zone: the zone of times that state none (`HIMS_TIMEZONE`).

    Raises: `mappings.hims.EntityInvalid` (field and sentence for each fault).
    """
    read = hims.read(kind, entity, zone=zone)
    return MAPPINGS[kind](read)
