"""Daily rounds: what CARE's DailyRound of early 2024 measures
(care/facility/models/daily_round.py).

Temperature in °F, SpO2 and FiO2 in %, blood sugar in mg/dL, pressures of ventilation in cmH2O,
gases in mmHg, electrolytes in mmol/L, fluids in mL. The tables of `mappings.terminology` say what
each field means; a test finds a field here without a row there.
"""

from __future__ import annotations

from typing import Annotated, Any

from mappings.hims.fields import AsList, Moment, Number, Part, Record, Text, Words, YesNo
from mappings.hims.visits import Symptoms


class BloodPressure(Part):
    """CARE's `bp` of a daily round, in mmHg."""

    systolic: Number = None
    diastolic: Number = None
    mean: Number = None


class Fluid(Part):
    """An infusion, IV fluid, feed or output; quantity in mL."""

    name: Text = None
    quantity: Number = None
    concentration: Number = None
    conc_unit: Text = None
    calories: Number = None


class PressureSore(Part):
    """CARE's pressure sore: where, how large (cm), how it looks, PUSH score."""

    region: Text = None
    length: Number = None
    width: Number = None
    exudate_amount: Text = None
    tissue_type: Text = None
    scale: Number = None
    push_score: Number = None
    base_score: Number = None
    description: Text = None


class PainAt(Part):
    """CARE's enhanced pain scale: where, and 1 to 5."""

    region: Text = None
    scale: Number = None
    description: Text = None


class NursingCare(Part):
    """CARE's nursing procedure."""

    procedure: Text = None
    description: Text = None


class DailyRound(Record):
    """CARE's DailyRound."""

    taken_at: Moment = None
    temperature: Number = None
    spo2: Number = None
    ventilator_spo2: Number = None
    pulse: Number = None
    resp: Number = None
    bp: BloodPressure | None = None
    height: Number = None
    weight: Number = None
    pain: Number = None
    pain_scale_enhanced: Annotated[tuple[PainAt, ...], AsList] = ()
    rhythm: Words = None
    rhythm_detail: Text = None
    physical_examination_info: Text = None
    other_details: Text = None
    additional_symptoms: Symptoms = ()
    other_symptoms: Text = None
    patient_category: Text = None
    consciousness_level: Words = None
    consciousness_level_detail: Text = None
    glasgow_eye_open: Number = None
    glasgow_verbal_response: Number = None
    glasgow_motor_response: Number = None
    glasgow_total_calculated: Number = None
    left_pupil_size: Number = None
    left_pupil_size_detail: Text = None
    left_pupil_light_reaction: Words = None
    left_pupil_light_reaction_detail: Text = None
    right_pupil_size: Number = None
    right_pupil_size_detail: Text = None
    right_pupil_light_reaction: Words = None
    right_pupil_light_reaction_detail: Text = None
    limb_response_upper_extremity_right: Words = None
    limb_response_upper_extremity_left: Words = None
    limb_response_lower_extremity_right: Words = None
    limb_response_lower_extremity_left: Words = None
    in_prone_position: YesNo = None
    bilateral_air_entry: YesNo = None
    etco2: Number = None
    ventilator_interface: Words = None
    ventilator_mode: Words = None
    ventilator_peep: Number = None
    ventilator_pip: Number = None
    ventilator_mean_airway_pressure: Number = None
    ventilator_resp_rate: Number = None
    ventilator_pressure_support: Number = None
    ventilator_tidal_volume: Number = None
    ventilator_oxygen_modality: Words = None
    ventilator_oxygen_modality_oxygen_rate: Number = None
    ventilator_oxygen_modality_flow_rate: Number = None
    ventilator_fio2: Number = None
    ph: Number = None
    pco2: Number = None
    po2: Number = None
    hco3: Number = None
    base_excess: Number = None
    lactate: Number = None
    sodium: Number = None
    potassium: Number = None
    blood_sugar_level: Number = None
    insulin_intake_dose: Number = None
    insulin_intake_frequency: Words = None
    infusions: Annotated[tuple[Fluid, ...], AsList] = ()
    iv_fluids: Annotated[tuple[Fluid, ...], AsList] = ()
    feeds: Annotated[tuple[Fluid, ...], AsList] = ()
    total_intake_calculated: Number = None
    output: Annotated[tuple[Fluid, ...], AsList] = ()
    total_output_calculated: Number = None
    dialysis_fluid_balance: Number = None
    dialysis_net_balance: Number = None
    pressure_sore: Annotated[tuple[PressureSore, ...], AsList] = ()
    nursing: Annotated[tuple[NursingCare, ...], AsList] = ()
    bowel_issue: Words = None
    bladder_drainage: Words = None
    bladder_issue: Words = None
    is_experiencing_dysuria: YesNo = None
    urination_frequency: Words = None
    sleep: Words = None
    nutrition_route: Words = None
    oral_issue: Words = None
    appetite: Words = None

    @classmethod
    def _adapt(cls, data: dict[str, Any]) -> dict[str, Any]:
        """CARE of 2023 spelt the field with a zero."""
        if data.get("ventilator_fio2") is None and data.get("ventilator_fi02") is not None:
            data["ventilator_fio2"] = data["ventilator_fi02"]
        return data
