"""The codes of a wellness record, by section of the profile, and how they are called.

Source: the value sets ndhm-vital-signs, ndhm-body-measurement, ndhm-physical-activity,
ndhm-general-assessment, ndhm-women-health and ndhm-lifestyle of ndhm.in 6.5.0, whose bindings are
extensible, and FHIR R4's own vital signs (https://hl7.org/fhir/R4/observation-vitalsigns.html).
LOINC: https://loinc.org/, SNOMED CT: https://browser.ihtsdotools.org/.
"""

from __future__ import annotations

from typing import Final

from mappings.systems import LOINC, SNOMED

#: Titles of the profile's sections, verbatim.
VITAL_SIGNS: Final = "Vital Signs"
BODY_MEASUREMENT: Final = "Body Measurement"
PHYSICAL_ACTIVITY: Final = "Physical Activity"
GENERAL_ASSESSMENT: Final = "General Assessment"
WOMEN_HEALTH: Final = "Women Health"
LIFESTYLE: Final = "Lifestyle"

#: (system, code) -> section title and display.
WELLNESS_CODES: Final[dict[tuple[str, str], tuple[str, str]]] = {
    (LOINC, "61008-9"): (VITAL_SIGNS, "Body surface temperature"),
    (LOINC, "9279-1"): (VITAL_SIGNS, "Respiratory rate"),
    (LOINC, "8867-4"): (VITAL_SIGNS, "Heart rate"),
    (LOINC, "2708-6"): (VITAL_SIGNS, "Oxygen saturation in Arterial blood"),
    (LOINC, "85354-9"): (VITAL_SIGNS, "Blood pressure panel with all children optional"),
    (LOINC, "8310-5"): (VITAL_SIGNS, "Body temperature"),
    (LOINC, "59408-5"): (VITAL_SIGNS, "Oxygen saturation in Arterial blood by Pulse oximetry"),
    (LOINC, "85353-1"): (
        VITAL_SIGNS,
        "Vital signs, weight, height, head circumference, oxygen saturation and BMI panel",
    ),
    (LOINC, "39156-5"): (BODY_MEASUREMENT, "Body mass index (BMI) [Ratio]"),
    (LOINC, "29463-7"): (BODY_MEASUREMENT, "Body weight"),
    (LOINC, "8302-2"): (BODY_MEASUREMENT, "Body height"),
    (LOINC, "56074-8"): (BODY_MEASUREMENT, "Circumference Neck"),
    (LOINC, "8280-0"): (BODY_MEASUREMENT, "Waist Circumference at umbilicus by Tape measure"),
    (LOINC, "56072-2"): (BODY_MEASUREMENT, "Circumference Mid upper arm - right"),
    (LOINC, "9843-4"): (BODY_MEASUREMENT, "Head Occipital-frontal circumference"),
    (LOINC, "55423-8"): (PHYSICAL_ACTIVITY, "Number of steps in unspecified time Pedometer"),
    (LOINC, "93832-4"): (PHYSICAL_ACTIVITY, "Sleep duration"),
    (LOINC, "41981-2"): (PHYSICAL_ACTIVITY, "Calories burned"),
    (LOINC, "80493-0"): (PHYSICAL_ACTIVITY, "Activity level [Acceleration]"),
    (LOINC, "2339-0"): (GENERAL_ASSESSMENT, "Glucose [Mass/volume] in Blood"),
    (LOINC, "41604-0"): (
        GENERAL_ASSESSMENT,
        "Fasting glucose [Mass/volume] in Capillary blood by Glucometer",
    ),
    (LOINC, "14743-9"): (
        GENERAL_ASSESSMENT,
        "Glucose [Moles/volume] in Capillary blood by Glucometer",
    ),
    (LOINC, "14760-3"): (
        GENERAL_ASSESSMENT,
        "Glucose [Moles/volume] in Capillary blood --2 hours post meal",
    ),
    (LOINC, "73708-0"): (GENERAL_ASSESSMENT, "Body fat [Mass] Calculated"),
    (LOINC, "34534-8"): (GENERAL_ASSESSMENT, "12 lead EKG panel"),
    (LOINC, "8999-5"): (GENERAL_ASSESSMENT, "Fluid intake oral Estimated"),
    (LOINC, "9052-2"): (GENERAL_ASSESSMENT, "Calorie intake total"),
    (LOINC, "69429-9"): (GENERAL_ASSESSMENT, "Metabolic rate --resting"),
    (LOINC, "94122-9"): (
        GENERAL_ASSESSMENT,
        "Oxygen consumption (VO2)/Body weight [Volume Rate Content] --peak during exercise",
    ),
    (LOINC, "8693-4"): (GENERAL_ASSESSMENT, "Mental status"),
    (SNOMED, "365275006"): (GENERAL_ASSESSMENT, "General well-being finding"),
    (LOINC, "11976-8"): (WOMEN_HEALTH, "Ovulation date"),
    (LOINC, "92656-8"): (WOMEN_HEALTH, "Number of menstrual periods per year"),
    (LOINC, "42798-9"): (WOMEN_HEALTH, "Age at menarche"),
    (LOINC, "42802-9"): (WOMEN_HEALTH, "Age at menopause"),
    (LOINC, "8665-2"): (WOMEN_HEALTH, "Last menstrual period start date"),
    (SNOMED, "228273003"): (LIFESTYLE, "Finding relating to alcohol drinking behavior"),
    (SNOMED, "365981007"): (LIFESTYLE, "Finding of tobacco smoking behavior"),
    (SNOMED, "228509002"): (LIFESTYLE, "Finding relating to tobacco chewing"),
    (SNOMED, "41829006"): (LIFESTYLE, "Finding relating to tobacco chewing"),
}
