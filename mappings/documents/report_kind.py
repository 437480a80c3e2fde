"""Whether a DiagnosticReport is a laboratory report or an imaging report. Pure."""

from __future__ import annotations

from typing import Final

from mappings.resources import Resource, as_list, codings, concept_text, has_code, label
from mappings.systems import DIAGNOSTIC_SERVICE, LOINC, OBSERVATION_CATEGORY, SNOMED

#: The two kinds, by the names of their NRCeS profiles.
LABORATORY: Final = "DiagnosticReportLab"
IMAGING: Final = "DiagnosticReportImaging"

# DiagnosticReport.category of imaging services (http://terminology.hl7.org/CodeSystem/v2-0074;
# SNOMED CT services and procedures; LOINC part Radiology; the category of an Observation).
_IMAGING_CODES = frozenset(
    {(DIAGNOSTIC_SERVICE, c) for c in ("CTH", "CUS", "IMG", "NMR", "NMS", "OUS", "RAD", "RUS")}
    | {(DIAGNOSTIC_SERVICE, c) for c in ("RX", "VUS", "XRC", "CT", "MRI", "US")}
    | {
        (SNOMED, "394914008"),  # Radiology
        (SNOMED, "363679005"),  # Imaging
        (SNOMED, "310128004"),  # Computerized tomography service
        (LOINC, "LP29684-5"),  # Radiology
        (LOINC, "18748-4"),  # Diagnostic imaging study
        (OBSERVATION_CATEGORY, "imaging"),
    }
)
_LABORATORY_CODES = frozenset(
    {
        (DIAGNOSTIC_SERVICE, "LAB"),
        (SNOMED, "708196005"),  # Hematology service
        (LOINC, "LP29693-6"),  # Laboratory
        (OBSERVATION_CATEGORY, "laboratory"),
    }
)
_IMAGING_WORDS = (
    "angiogra",
    "computed tomography",
    "computerized tomography",
    "ct scan",
    "doppler",
    "echocardiogra",
    "imaging",
    "magnetic resonance",
    "mammogra",
    "mri",
    "radiograph",
    "radiolog",
    "sonogra",
    "ultrasound",
    "usg",
    "x-ray",
    "xray",
)


def kind_of(report: Resource) -> str:
    """`LABORATORY` or `IMAGING`: by category, else by what it holds, else by its words.

    A report that says nothing of it is a laboratory report: the profile for measured results.
    """
    category = report.get("category")
    if has_code(category, _IMAGING_CODES):
        return IMAGING
    if has_code(category, _LABORATORY_CODES):
        return LABORATORY
    if report.get("imagingStudy") or report.get("media"):
        return IMAGING
    words = [label(report), *(concept_text(c) for c in as_list(category))]
    words += [str(c.get("display") or "") for c in codings([*as_list(category)])]
    said = " ".join(words).lower()
    return IMAGING if any(word in said for word in _IMAGING_WORDS) else LABORATORY
