"""FHIR's own vital-signs profiles, which validators apply to an Observation by its LOINC code.

An Observation with one of these codes must have the category, a time, and a quantity in the
profile's UCUM unit (https://hl7.org/fhir/R4/observation-vitalsigns.html). A hospital's record often
has "bpm" or no category. What follows from the record is completed; where the record can't satisfy
the profile, its code becomes text, so that the value itself still travels.
"""

from __future__ import annotations

from typing import Any

from mappings.documents.profiles import Context, absent
from mappings.documents.repairs import repaired
from mappings.resources import Resource, as_list, concept_text, has_code
from mappings.systems import DATA_ABSENT_REASON_CODES, LOINC, OBSERVATION_CATEGORY, UCUM, coding
from mappings.ucum import to_ucum

# LOINC code -> UCUM units its R4 profile allows (same source).
VITAL_SIGNS: dict[str, frozenset[str]] = {
    "9279-1": frozenset({"/min"}),
    "8867-4": frozenset({"/min"}),
    "2708-6": frozenset({"%"}),
    "8310-5": frozenset({"Cel", "[degF]"}),
    "8302-2": frozenset({"cm", "[in_i]"}),
    "9843-4": frozenset({"cm", "[in_i]"}),
    "29463-7": frozenset({"g", "kg", "[lb_av]"}),
    "39156-5": frozenset({"kg/m2"}),
}
BLOOD_PRESSURE_PANEL = "85354-9"
VITAL_SIGNS_PANEL = "85353-1"
_PRESSURES = {"8480-6": "Systolic blood pressure", "8462-4": "Diastolic blood pressure"}
_PRESSURE_UNITS = frozenset({"mm[Hg]"})
CODES = frozenset({*VITAL_SIGNS, BLOOD_PRESSURE_PANEL, VITAL_SIGNS_PANEL})

_CATEGORY = frozenset({(OBSERVATION_CATEGORY, "vital-signs")})
_TIMES = ("effectiveDateTime", "effectivePeriod")


def fit_vital_sign(observation: Resource, context: Context) -> None:
    """Make a vital sign satisfy its R4 profile, or turn its code into text, in place."""
    code = _vital_code(observation)
    if code is None:
        return
    _fit_time(observation, context)
    if not _fit_value(observation, code):
        _code_as_text(observation)
        return
    categories = as_list(observation.get("category"))
    if not has_code(categories, _CATEGORY):
        vital = coding(OBSERVATION_CATEGORY, "vital-signs", "Vital Signs")
        observation["category"] = [*categories, {"coding": [vital]}]


def _vital_code(observation: Resource) -> str | None:
    concept = observation.get("code")
    for each in as_list(concept.get("coding")) if isinstance(concept, dict) else ():
        if each.get("system") == LOINC and each.get("code") in CODES:
            return str(each["code"])
    return None


def _fit_time(observation: Resource, context: Context) -> None:
    """A vital sign without a time of its own was taken during the visit that it names."""
    if any(observation.get(t) for t in _TIMES):
        return
    if observation.get("effectiveInstant"):
        observation["effectiveDateTime"] = observation.pop("effectiveInstant")
    elif context.period.get("start"):
        observation["effectivePeriod"] = repaired(dict(context.period))
    else:
        observation["_effectiveDateTime"] = absent()


def _fit_value(observation: Resource, code: str) -> bool:
    if code == BLOOD_PRESSURE_PANEL:
        return _fit_pressures(observation)
    if code == VITAL_SIGNS_PANEL:
        return bool(observation.get("hasMember"))
    if "valueQuantity" in observation:
        return _fit_quantity(observation["valueQuantity"], VITAL_SIGNS[code])
    if any(name.startswith("value") for name in observation):
        return False
    if not (observation.get("component") or observation.get("hasMember")):
        observation.setdefault("dataAbsentReason", _unknown())
    return True


def _fit_quantity(quantity: dict[str, Any], units: frozenset[str]) -> bool:
    """Give a quantity its UCUM code and unit if it states one of the allowed units."""
    if quantity.get("value") is None:
        return False
    written = [quantity.get("code"), quantity.get("unit")]
    for each in written:
        ucum = to_ucum(str(each)) if each else None
        if ucum in units:
            quantity.update({"unit": quantity.get("unit") or ucum, "system": UCUM, "code": ucum})
            return True
    return False


def _fit_pressures(observation: Resource) -> bool:
    """Systolic and diastolic components with mm[Hg]; a missing one is marked as unknown."""
    if any(name.startswith("value") for name in observation):
        return False
    components = as_list(observation.get("component"))
    for code, name in _PRESSURES.items():
        ours = [c for c in components if has_code(c.get("code"), frozenset({(LOINC, code)}))]
        if len(ours) > 1:
            return False
        if not ours:
            concept = {"coding": [coding(LOINC, code, name)]}
            components.append({"code": concept, "dataAbsentReason": _unknown()})
        elif "valueQuantity" in ours[0]:
            if not _fit_quantity(ours[0]["valueQuantity"], _PRESSURE_UNITS):
                return False
        elif any(n.startswith("value") for n in ours[0]):
            return False
        else:
            ours[0].setdefault("dataAbsentReason", _unknown())
    observation["component"] = components
    return True


def _unknown() -> dict[str, Any]:
    return {"coding": [coding(DATA_ABSENT_REASON_CODES, "unknown", "Unknown")]}


def _code_as_text(observation: Resource) -> None:
    concept = observation["code"]
    text = concept_text(concept)
    kept = [
        c for c in concept["coding"] if not (c.get("system") == LOINC and c.get("code") in CODES)
    ]
    observation["code"] = {"coding": kept, "text": text} if kept else {"text": text}
