"""The HIMS entities: their fields, and a reader that says what is wrong with each.

Field names follow CARE's public models of early 2024 (https://github.com/ohcnetwork/care) where
CARE has the entity, so that an export needs no rewriting; ids are the HIMS's own. Unknown fields
are ignored here. A time without zone is India's. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

TIMEZONE = ZoneInfo("Asia/Kolkata")


@dataclass(frozen=True)
class Fault:
    """One thing wrong with an entity: the field (dotted) and a sentence without the value."""

    field: str
    sentence: str


class EntityInvalid(ValueError):
    """A HIMS entity can't be read; `faults` says why, field by field."""

    def __init__(self, kind: str, faults: tuple[Fault, ...]) -> None:
        """Keep the faults; the text names fields only, never a patient's data."""
        self.kind, self.faults = kind, faults
        super().__init__("; ".join(f"{kind}.{f.field}: {f.sentence}" for f in faults))


def _identifier(value: object) -> object:
    """CARE sends ids as UUID strings or integers, and some references as objects with an id."""
    if isinstance(value, Mapping):
        value = value.get("external_id") or value.get("id")
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _blank_is_absent(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


def _with_zone(value: datetime) -> datetime:
    return value if value.tzinfo else value.replace(tzinfo=TIMEZONE)


Id = Annotated[str, BeforeValidator(_identifier), Field(min_length=1, max_length=255)]
OptionalId = Annotated[Id | None, BeforeValidator(_blank_is_absent)]
Text = Annotated[str | None, BeforeValidator(_blank_is_absent)]
Words = Annotated[
    str | None,
    BeforeValidator(lambda v: str(v) if isinstance(v, int) else v),
    BeforeValidator(_blank_is_absent),
]
Moment = Annotated[
    Annotated[datetime, AfterValidator(_with_zone)] | None, BeforeValidator(_blank_is_absent)
]
Day = Annotated[date | None, BeforeValidator(_blank_is_absent)]
Number = Annotated[float | None, BeforeValidator(_blank_is_absent)]


class Entity(BaseModel):
    """What every entity has: its id in the HIMS and the facility it belongs to."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    id: Id
    facility: Id


class Patient(Entity):
    """CARE's PatientRegistration."""

    name: Text = None
    gender: Words = None
    date_of_birth: Day = None
    year_of_birth: Annotated[int | None, Field(ge=0, le=2200)] = None
    phone_number: Words = None
    address: Text = None
    pincode: Words = None
    district: Text = None
    state: Text = None
    abha_number: Text = None
    health_id: Text = None


class User(Entity):
    """CARE's User who treats patients."""

    first_name: Text = None
    last_name: Text = None
    gender: Words = None
    phone_number: Words = None
    qualification: Text = None
    doctor_medical_council_registration: Text = None
    hpr_id: Text = None


class Facility(BaseModel):
    """CARE's Facility; `hf_id` is its id in the Health Facility Registry."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: Id
    name: Text = None
    hf_id: Text = None
    phone_number: Words = None
    address: Text = None
    pincode: Words = None
    district: Text = None
    state: Text = None


class Consultation(Entity):
    """CARE's PatientConsultation."""

    patient: Id
    suggestion: Text = None
    encounter_date: Moment = None
    discharge_date: Moment = None
    is_telemedicine: bool = False
    patient_no: Words = None
    treating_physician: OptionalId = None
    symptoms: tuple[int | str, ...] = ()
    other_symptoms: Text = None
    symptoms_onset_date: Moment = None
    history_of_present_illness: Text = None
    examination_details: Text = None
    consultation_notes: Text = None
    height: Annotated[Number, Field(ge=0)] = None
    weight: Annotated[Number, Field(ge=0)] = None


class Diagnosis(Entity):
    """CARE's ConsultationDiagnosis; `diagnosis` is the label, `code`/`system` where given."""

    patient: Id
    consultation: OptionalId = None
    diagnosis: Text = None
    code: Text = None
    system: Text = None
    verification_status: Text = None
    is_principal: bool = False
    onset_date: Moment = None
    created_date: Moment = None
    created_by: OptionalId = None


class BloodPressure(BaseModel):
    """CARE's `bp` of a daily round, in mmHg."""

    systolic: Number = None
    diastolic: Number = None
    mean: Number = None


class DailyRound(Entity):
    """CARE's DailyRound: temperature in °F, spo2 in %, blood sugar in mg/dL."""

    patient: Id
    consultation: OptionalId = None
    taken_at: Moment = None
    created_by: OptionalId = None
    temperature: Number = None
    ventilator_spo2: Number = None
    spo2: Number = None
    pulse: Number = None
    resp: Number = None
    bp: BloodPressure | None = None
    blood_sugar_level: Number = None
    physical_examination_info: Text = None
    other_details: Text = None


class Medicine(BaseModel):
    """CARE's MedibaseMedicine, as nested in an export."""

    name: Text = None
    generic: Text = None
    company: Text = None


class Prescription(Entity):
    """CARE's Prescription: one medicine."""

    patient: Id
    consultation: OptionalId = None
    medicine_object: Medicine | None = None
    medicine_old: Text = None
    route: Text = None
    base_dosage: Text = None
    dosage_type: Text = None
    frequency: Text = None
    days: Annotated[int | None, Field(ge=0)] = None
    indicator: Text = None
    max_dosage: Text = None
    target_dosage: Text = None
    instruction_on_titration: Text = None
    min_hours_between_doses: Annotated[int | None, Field(ge=0)] = None
    notes: Text = None
    prescribed_by: OptionalId = None
    created_date: Moment = None
    discontinued: bool = False
    discontinued_reason: Text = None


KINDS: dict[str, type[BaseModel]] = {
    "consultation": Consultation,
    "daily_round": DailyRound,
    "diagnosis": Diagnosis,
    "facility": Facility,
    "patient": Patient,
    "prescription": Prescription,
    "user": User,
}


def read(kind: str, data: Mapping[str, Any]) -> Any:
    """One entity from its JSON form.

    Args:
        kind: a key of `KINDS`.
        data: the entity as the HIMS has it.

    Returns:
        the model of that kind.

    Raises:
        EntityInvalid: with each wrong field and what is expected there.
    """
    model = KINDS.get(kind)
    if model is None:
        known = ", ".join(KINDS)
        raise EntityInvalid(kind, (Fault("kind", f"is not known here; known kinds: {known}"),))
    try:
        return model.model_validate(dict(data))
    except ValidationError as error:
        faults = tuple(
            Fault(".".join(str(p) for p in e["loc"]), _sentence(e["type"], e["msg"]))
            for e in error.errors(include_input=False, include_url=False, include_context=False)
        )
        raise EntityInvalid(kind, faults) from None


def _sentence(kind: str, message: str) -> str:
    return "is required" if kind == "missing" else message.strip().rstrip(".")
