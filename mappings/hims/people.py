"""Patients, users and facilities as a HIMS has them; field names as in CARE of early 2024."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from mappings.hims.fields import (
    AsList,
    Day,
    Entity,
    Id,
    Moment,
    Name,
    Part,
    Text,
    Unique,
    Words,
    YesNo,
)


class Ailment(Part):
    """CARE's Disease of a patient's medical history: a number of DISEASE_CHOICES and words."""

    disease: Words = None
    details: Text = None


class Patient(Entity):
    """CARE's PatientRegistration (care/facility/models/patient.py)."""

    name: Text = None
    gender: Words = None
    date_of_birth: Day = None
    year_of_birth: Annotated[int | None, Field(ge=0, le=2200)] = None
    death_datetime: Moment = None
    phone_number: Words = None
    emergency_phone_number: Words = None
    address: Text = None
    pincode: Words = None
    district: Name = None
    state: Name = None
    abha_number: Text = None
    health_id: Text = None
    blood_group: Text = None
    allergies: Text = None
    present_health: Text = None
    ongoing_medication: Text = None
    medical_history: Annotated[tuple[Ailment, ...], AsList] = ()

    @classmethod
    def _adapt(cls, data: dict[str, Any]) -> dict[str, Any]:
        """CARE links an AbhaNumber record, nested as an object, and nests district and state."""
        abha = data.get("abha_number_object")
        if not isinstance(abha, Mapping):
            abha = data.get("abha_number")
        if isinstance(abha, Mapping):
            data["abha_number"] = abha.get("abha_number")
            data["health_id"] = data.get("health_id") or abha.get("health_id")
        return with_places(data)


class Skill(Part):
    """CARE's Skill of a user: the name of a specialty."""

    name: Name = None


def _skill(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


class User(Entity):
    """CARE's User (care/users/models.py); `user_type` is the role, `skills` the specialties."""

    first_name: Text = None
    last_name: Text = None
    gender: Words = None
    date_of_birth: Day = None
    phone_number: Words = None
    alt_phone_number: Words = None
    email: Text = None
    qualification: Text = None
    doctor_medical_council_registration: Text = None
    hpr_id: Text = None
    user_type: Words = None
    skills: Annotated[
        tuple[Annotated[Skill, BeforeValidator(_skill, json_schema_input_type=Skill | str)], ...],
        AsList,
    ] = ()
    is_active: YesNo = None

    @classmethod
    def _adapt(cls, data: dict[str, Any]) -> dict[str, Any]:
        for name in ("home_facility", "home_facility_object"):
            if not data.get("facility") and data.get(name):
                data["facility"] = data[name]
        return data


class Bed(Part):
    """CARE's Bed (care/facility/models/bed.py)."""

    id: Id
    name: Text = None
    description: Text = None
    bed_type: Words = None


class Ward(Part):
    """CARE's AssetLocation (care/facility/models/asset.py): a ward or room, with its beds."""

    id: Id
    name: Text = None
    description: Text = None
    beds: Annotated[tuple[Bed, ...], Unique, AsList] = ()


def _one_place_each(wards: tuple[Ward, ...]) -> tuple[Ward, ...]:
    beds = [bed.id for ward in wards for bed in ward.beds]
    if len(set(beds)) < len(beds):
        raise ValueError("has one bed in two wards; each bed needs an id of its own")
    return wards


class Facility(Part):
    """CARE's Facility (care/facility/models/facility.py); `hf_id` is its id in the Health Facility
    Registry, `locations` are its AssetLocations."""

    id: Id
    name: Text = None
    hf_id: Text = None
    facility_type: Name = None
    phone_number: Words = None
    address: Text = None
    pincode: Words = None
    district: Name = None
    state: Name = None
    latitude: Annotated[float | None, Field(ge=-90, le=90)] = None
    longitude: Annotated[float | None, Field(ge=-180, le=180)] = None
    locations: Annotated[tuple[Ward, ...], AfterValidator(_one_place_each), Unique, AsList] = ()

    @model_validator(mode="before")
    @classmethod
    def _nested(cls, data: Any) -> Any:
        return with_places(dict(data)) if isinstance(data, Mapping) else data


def with_places(data: dict[str, Any]) -> dict[str, Any]:
    """District and state by their nested names, where they are keys of the HIMS otherwise."""
    for name in ("district", "state"):
        nested = data.get(f"{name}_object")
        if isinstance(nested, Mapping) and not isinstance(data.get(name), str):
            data[name] = nested
    return data
