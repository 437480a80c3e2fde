"""Code tables: a HIMS's choices and FHIR's codes, each with its source above it.

Only what is certain is here. A local value that no table knows stays the hospital's own words.
"""

from __future__ import annotations

from mappings.systems import (
    ABHA_ADDRESS,
    ABHA_NUMBER,
    ACT_CODE,
    HFR_ID,
    HPR_ID,
    IDENTIFIER_TYPE_NDHM,
    IDENTIFIER_TYPE_V2,
    LOINC,
    ORGANIZATION_TYPE,
    PARTICIPATION_TYPE,
    SNOMED,
    UCUM,
    coding,
)

# identifier.type of the identifier systems that we know.
IDENTIFIER_TYPES = {
    HFR_ID: coding(IDENTIFIER_TYPE_V2, "PRN", "Provider number"),
    HPR_ID: coding(IDENTIFIER_TYPE_NDHM, "HPIN", "Health Practitioner ID issued by NDHM"),
    ABHA_NUMBER: coding(IDENTIFIER_TYPE_NDHM, "HIN", "Health ID issued by NDHM"),
    ABHA_ADDRESS: coding(IDENTIFIER_TYPE_NDHM, "ABHA", "Ayushman Bharat Health Account (ABHA) ID"),
}

# Displays of codes that hospitals often send without one: HL7 tables v2-0203, v3-ActCode,
# v3-ParticipationType and organization-type (https://terminology.hl7.org/).
_DISPLAYS: dict[str, dict[str, str]] = {
    IDENTIFIER_TYPE_V2: {
        "DL": "Driver's license number",
        "EI": "Employee number",
        "MD": "Medical License number",
        "MR": "Medical record number",
        "NI": "National unique individual identifier",
        "PI": "Patient internal identifier",
        "PPN": "Passport number",
        "PRN": "Provider number",
        "VN": "Visit number",
        "XX": "Organization identifier",
    },
    ACT_CODE: {
        "AMB": "ambulatory",
        "EMER": "emergency",
        "FLD": "field",
        "HH": "home health",
        "IMP": "inpatient encounter",
        "ACUTE": "inpatient acute",
        "NONAC": "inpatient non-acute",
        "OBSENC": "observation encounter",
        "PRENC": "pre-admission",
        "SS": "short stay",
        "VR": "virtual",
    },
    PARTICIPATION_TYPE: {
        "ADM": "admitter",
        "ATND": "attender",
        "CON": "consultant",
        "DIS": "discharger",
        "PART": "Participation",
        "PPRF": "primary performer",
        "REF": "referrer",
        "SPRF": "secondary performer",
    },
    ORGANIZATION_TYPE: {"prov": "Healthcare Provider", "dept": "Hospital Department"},
}


def display_of(system: object, code: object) -> str | None:
    """The display of a code in one of HL7's own tables above; None if it isn't there."""
    return _DISPLAYS.get(str(system), {}).get(str(code))


# CARE's GENDER_CHOICES (numbers) and the usual words -> http://hl7.org/fhir/administrative-gender
GENDERS = {
    "1": "male",
    "2": "female",
    "3": "other",
    "m": "male",
    "f": "female",
    "o": "other",
    "male": "male",
    "female": "female",
    "other": "other",
    "non-binary": "other",
    "transgender": "other",
    "unknown": "unknown",
    "u": "unknown",
}

# CARE's SuggestionChoices, where they say what kind of encounter it is -> v3-ActCode. HI, R and DD
# are decisions, not kinds of visit.
ENCOUNTER_CLASSES = {
    "A": coding(ACT_CODE, "IMP", "inpatient encounter"),
    "OP": coding(ACT_CODE, "AMB", "ambulatory"),
    "DC": coding(ACT_CODE, "HH", "home health"),
}
VIRTUAL = coding(ACT_CODE, "VR", "virtual")
# Decisions after which the patient stays under care until a discharge date is known.
STAYS = frozenset({"A", "DC"})

# CARE's SYMPTOM_CHOICES -> words and, where there is exactly one, the SNOMED CT finding
# (https://browser.ihtsdotools.org/). 1 (asymptomatic) is no symptom, 9 (others) is free text.
SYMPTOMS: dict[int, tuple[str, dict[str, str] | None]] = {
    2: ("Fever", coding(SNOMED, "386661006", "Fever")),
    3: ("Sore throat", coding(SNOMED, "162397003", "Pain in throat")),
    4: ("Cough", coding(SNOMED, "49727002", "Cough")),
    5: ("Breathlessness", coding(SNOMED, "267036007", "Dyspnea")),
    6: ("Myalgia", coding(SNOMED, "68962001", "Muscle pain")),
    7: ("Abdominal discomfort", None),
    8: ("Vomiting", coding(SNOMED, "422400008", "Vomiting")),
    11: ("Sputum", None),
    12: ("Nausea", coding(SNOMED, "422587007", "Nausea")),
    13: ("Chest pain", coding(SNOMED, "29857009", "Chest pain")),
    14: ("Hemoptysis", coding(SNOMED, "66857006", "Hemoptysis")),
    15: ("Nasal discharge", None),
    16: ("Body ache", None),
    17: ("Diarrhoea", coding(SNOMED, "62315008", "Diarrhea")),
    18: ("Pain", None),
    19: ("Pedal edema", None),
    20: ("Wound", None),
    21: ("Constipation", coding(SNOMED, "14760008", "Constipation")),
    22: ("Headache", coding(SNOMED, "25064002", "Headache")),
    23: ("Bleeding", None),
    24: ("Dizziness", coding(SNOMED, "404640003", "Dizziness")),
    25: ("Chills", None),
    26: ("General weakness", None),
    27: ("Irritability", None),
    28: ("Confusion", None),
    29: ("Abdominal pain", coding(SNOMED, "21522001", "Abdominal pain")),
    30: ("Joint pain", coding(SNOMED, "57676002", "Joint pain")),
    31: ("Redness of eyes", None),
    32: ("Anorexia", None),
    33: ("New loss of taste", None),
    34: ("New loss of smell", None),
}

# CARE's ConditionVerificationStatus and the usual words -> condition-ver-status
# (http://hl7.org/fhir/R4/valueset-condition-ver-status.html).
VERIFICATIONS = {
    "unconfirmed": "Unconfirmed",
    "provisional": "Provisional",
    "differential": "Differential",
    "confirmed": "Confirmed",
    "refuted": "Refuted",
    "entered-in-error": "Entered in Error",
}

# CARE's Routes -> SNOMED CT routes (https://browser.ihtsdotools.org/, children of 284009009).
ROUTES = {
    "ORAL": coding(SNOMED, "26643006", "Oral route"),
    "IV": coding(SNOMED, "47625008", "Intravenous route"),
    "IM": coding(SNOMED, "78421000", "Intramuscular route"),
    "SC": coding(SNOMED, "34206005", "Subcutaneous route"),
    "S/C": coding(SNOMED, "34206005", "Subcutaneous route"),
    "NASAL": coding(SNOMED, "46713006", "Nasal route"),
    "RECTAL": coding(SNOMED, "37161004", "Rectal route"),
    "SUBLINGUAL": coding(SNOMED, "37839007", "Sublingual route"),
    "TRANSDERMAL": coding(SNOMED, "45890007", "Transdermal route"),
    "INTRATHECAL": coding(SNOMED, "72607000", "Intrathecal route"),
}

# CARE's FrequencyEnum -> its words and the FHIR Timing.repeat they mean.
FREQUENCIES: dict[str, tuple[str, dict[str, object]]] = {
    "STAT": ("Immediately", {"count": 1}),
    "OD": ("once daily", {"frequency": 1, "period": 1, "periodUnit": "d"}),
    "HS": ("Night only", {"frequency": 1, "period": 1, "periodUnit": "d", "when": ["HS"]}),
    "BD": ("Twice daily", {"frequency": 2, "period": 1, "periodUnit": "d"}),
    "TID": ("8th hourly", {"frequency": 1, "period": 8, "periodUnit": "h"}),
    "QID": ("6th hourly", {"frequency": 1, "period": 6, "periodUnit": "h"}),
    "Q4H": ("4th hourly", {"frequency": 1, "period": 4, "periodUnit": "h"}),
    "QOD": ("Alternate day", {"frequency": 1, "period": 2, "periodUnit": "d"}),
    "QWK": ("Once a week", {"frequency": 1, "period": 1, "periodUnit": "wk"}),
}

# CARE's DailyRound fields -> LOINC code, display, unit as shown, UCUM code, vital sign?
# LOINC: https://loinc.org/; vital signs: https://hl7.org/fhir/R4/observation-vitalsigns.html.
MEASUREMENTS: dict[str, tuple[str, str, str, str, bool]] = {
    "temperature": ("8310-5", "Body temperature", "°F", "[degF]", True),
    "ventilator_spo2": ("2708-6", "Oxygen saturation in Arterial blood", "%", "%", True),
    "spo2": ("2708-6", "Oxygen saturation in Arterial blood", "%", "%", True),
    "pulse": ("8867-4", "Heart rate", "beats/min", "/min", True),
    "resp": ("9279-1", "Respiratory rate", "breaths/min", "/min", True),
    "height": ("8302-2", "Body height", "cm", "cm", True),
    "weight": ("29463-7", "Body weight", "kg", "kg", True),
    "blood_sugar_level": ("2339-0", "Glucose [Mass/volume] in Blood", "mg/dL", "mg/dL", False),
}
BLOOD_PRESSURE = coding(LOINC, "85354-9", "Blood pressure panel with all children optional")
PRESSURES = {
    "systolic": coding(LOINC, "8480-6", "Systolic blood pressure"),
    "diastolic": coding(LOINC, "8462-4", "Diastolic blood pressure"),
    "mean": coding(LOINC, "8478-0", "Mean blood pressure"),
}
MILLIMETRES = {"unit": "mmHg", "system": UCUM, "code": "mm[Hg]"}

# CARE's free texts -> LOINC narrative codes (https://loinc.org/) and whether they are examination.
NARRATIVES: dict[str, tuple[dict[str, str], bool]] = {
    "history_of_present_illness": (
        coding(LOINC, "10164-2", "History of Present illness Narrative"),
        False,
    ),
    "examination_details": (coding(LOINC, "29545-1", "Physical findings Narrative"), True),
    "physical_examination_info": (coding(LOINC, "29545-1", "Physical findings Narrative"), True),
}
# Free texts that no code fits exactly: their own words.
REMARKS = {"consultation_notes": "Consultation notes", "other_details": "Other details"}
