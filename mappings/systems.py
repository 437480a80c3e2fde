"""Every identifier system, code system and profile URL that the project writes or reads.

Searching (`adapter.stores.fhir_store`) and mapping use the same constants, so that what one writes
the other finds. Nothing but constants here.
"""

from typing import Final

# Identifier systems, as in the examples of the NRCeS implementation guide ndhm.in 6.5.0.
HFR_ID: Final = "https://facility.ndhm.gov.in"
ABHA_NUMBER: Final = "https://healthid.ndhm.gov.in"
HPR_ID: Final = "https://doctor.ndhm.gov.in"
# The guide names no system for the ABHA address (`name@abdm`). This one is our choice: the ABHA
# service's own name, which integrations in the field write too.
ABHA_ADDRESS: Final = "https://healthid.abdm.gov.in"
# RFC 3986 URIs as identifiers (FHIR R4 identifier registry): our documents' own identifiers.
URI: Final = "urn:ietf:rfc:3986"

# Aadhaar numbers are never part of a document (Aadhaar Act, section 29).
AADHAAR: Final = frozenset(
    {"https://uidai.gov.in", "http://uidai.gov.in", "https://www.uidai.gov.in"}
)
AADHAAR_TYPE: Final = "ADN"

# Code systems.
SNOMED: Final = "http://snomed.info/sct"
LOINC: Final = "http://loinc.org"
UCUM: Final = "http://unitsofmeasure.org"
ICD10: Final = "http://hl7.org/fhir/sid/icd-10"
ICD11: Final = "http://id.who.int/icd/release/11/mms"
IDENTIFIER_TYPE_V2: Final = "http://terminology.hl7.org/CodeSystem/v2-0203"
IDENTIFIER_TYPE_NDHM: Final = "https://nrces.in/ndhm/fhir/r4/CodeSystem/ndhm-identifier-type-code"
ACT_CODE: Final = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
PARTICIPATION_TYPE: Final = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
CONFIDENTIALITY: Final = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
CONDITION_CLINICAL: Final = "http://terminology.hl7.org/CodeSystem/condition-clinical"
CONDITION_VERIFICATION: Final = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
CONDITION_CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/condition-category"
ALLERGY_CLINICAL: Final = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"
ALLERGY_VERIFICATION: Final = (
    "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification"
)
OBSERVATION_CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/observation-category"
DIAGNOSIS_ROLE: Final = "http://terminology.hl7.org/CodeSystem/diagnosis-role"
ORGANIZATION_TYPE: Final = "http://terminology.hl7.org/CodeSystem/organization-type"
DIAGNOSTIC_SERVICE: Final = "http://terminology.hl7.org/CodeSystem/v2-0074"
BILLING_CODES: Final = "https://nrces.in/ndhm/fhir/r4/CodeSystem/ndhm-billing-codes"
PRICE_COMPONENTS: Final = "https://nrces.in/ndhm/fhir/r4/CodeSystem/ndhm-price-components"
INTERPRETATION: Final = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
DISCHARGE_DISPOSITION: Final = "http://terminology.hl7.org/CodeSystem/discharge-disposition"
READMISSION: Final = "http://terminology.hl7.org/CodeSystem/v2-0092"
PLACE_TYPE: Final = "http://terminology.hl7.org/CodeSystem/location-physical-type"
FORECAST_STATUS: Final = "http://terminology.hl7.org/CodeSystem/immunization-recommendation-status"
PRESCRIPTION_CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/medicationrequest-category"
DATA_ABSENT_REASON_CODES: Final = "http://terminology.hl7.org/CodeSystem/data-absent-reason"

# Extensions of FHIR R4 and of HAPI.
DATA_ABSENT_REASON: Final = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
HAPI_PLACEHOLDER: Final = "http://hapifhir.io/fhir/StructureDefinition/resource-placeholder"

# Our own marks on records: received from another HIP under a consent; told to the gateway.
TAG: Final = "urn:abdm-adapter:record"
TAG_RECEIVED: Final = "received"
TAG_LINKED: Final = "linked"
# Marks of a received record beside TAG_RECEIVED: the HI type of its document (meta.tag), and the
# artefact under which it is held (meta.security), which is what a search by consent uses.
TAG_HI_TYPE: Final = "urn:abdm:hi-type"
SECURITY_ARTEFACT: Final = "urn:abdm:consent-artefact"
# `meta.source` of a received record: this, and the HIP's service id.
SOURCE_HIP: Final = "urn:abdm:hip:"
# What a received record said and our FHIR server wouldn't take at its place, kept as text: a
# reference that leads nowhere in its document (as identifier system, or as extension), its own
# meta.source (extension of meta), a value that FHIR doesn't allow (extension of the element).
UNRESOLVED_REFERENCE: Final = "urn:abdm-adapter:unresolved-reference"
STATED_SOURCE: Final = "urn:abdm-adapter:stated-source"
INVALID_VALUE: Final = "urn:abdm-adapter:invalid-value"

# Identifier systems of ABDM's own names, as Consent, AuditEvent and Provenance write them.
SERVICE_ID: Final = "urn:abdm:service-id"
CARE_CONTEXT: Final = "urn:abdm:care-context"
TRANSACTION_ID: Final = "urn:abdm:transaction-id"
USER: Final = "urn:abdm-adapter:user"
PATIENT: Final = "urn:abdm-adapter:patient"
# Provenance of a received document: its digest, its size in bytes, what it was about once that has
# gone, and when and why it went.
DIGEST_SHA256: Final = "urn:abdm-adapter:sha256"
PROVENANCE_SIZE: Final = "urn:abdm-adapter:size"
RECEIVED_RECORD: Final = "urn:abdm-adapter:received-record"
PROVENANCE_ARCHIVED: Final = "urn:abdm-adapter:archived"

# Profiles: NRCeS, ndhm.in 6.5.0.
PROFILE_BASE: Final = "https://nrces.in/ndhm/fhir/r4/StructureDefinition/"
# Resource types that have an NRCeS profile of the same name and may stand in a document.
PROFILED_TYPES: Final = frozenset(
    {
        "AllergyIntolerance",
        "Appointment",
        "Binary",
        "CarePlan",
        "ChargeItem",
        "Condition",
        "DocumentReference",
        "Encounter",
        "FamilyMemberHistory",
        "ImagingStudy",
        "Immunization",
        "ImmunizationRecommendation",
        "Invoice",
        "Media",
        "Medication",
        "MedicationRequest",
        "MedicationStatement",
        "Observation",
        "Organization",
        "Patient",
        "Practitioner",
        "PractitionerRole",
        "Procedure",
        "ServiceRequest",
        "Specimen",
    }
)

# Codes that a hospital made up itself: one system per facility, below its HFR id.
LOCAL_SYSTEM: Final = "https://facility.ndhm.gov.in/{facility}/codes/{kind}"
# The hospital's own record numbers, likewise.
LOCAL_IDENTIFIER: Final = "https://facility.ndhm.gov.in/{facility}/{kind}"


def profile(name: str) -> str:
    """The URL of an NRCeS profile."""
    return PROFILE_BASE + name


def coding(system: str, code: str, display: str) -> dict[str, str]:
    """One FHIR Coding with everything the NRCeS profiles ask of it."""
    return {"system": system, "code": code, "display": display}
