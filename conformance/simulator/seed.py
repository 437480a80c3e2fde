"""Registers bridges, facilities and patients, one by one or from a seed file.

A seed file is a JSON object with any of `bridges`, `services`, `patients`, `facilities`, `people`
(lists of the arguments of add_bridge and so on) and `settings` (of SimulatorConfig). A person may
have `abha`, the arguments of add_account.
"""

import re
from typing import Any, get_args

from conformance import schemas
from conformance.simulator import abha_people, registry
from conformance.simulator.core import Simulator
from conformance.simulator.holdings import link_folder
from conformance.simulator.lookups import NotFound, PatientMistake
from conformance.simulator.state import Bridge, Generation, Patient, Service

_LISTS = ("bridges", "services", "patients", "facilities", "people")
ROLES = {"HIP", "HIU", "HEALTH_LOCKER", "PHR"}


def add_bridge(
    simulator: Simulator,
    client_id: str,
    client_secret: str,
    url: str | None = None,
    generation: Generation = "v3",
) -> None:
    """Register a client; a known one gets the new secret and keeps its URL unless one is given.

    Callbacks that answer nothing come in `generation`; an answer is written as the call was.
    """
    _check_generation(generation)
    with simulator.state.changed:
        known = simulator.state.bridges.get(client_id)
        kept = url or (known.url if known else None)
        simulator.state.bridges[client_id] = Bridge(client_id, client_secret, kept, generation)


def _check_generation(generation: str) -> None:
    if generation not in get_args(Generation):
        raise PatientMistake(f"The generation is one of {', '.join(get_args(Generation))}.")


def add_service(
    simulator: Simulator,
    service_id: str,
    name: str,
    types: list[str],
    client_id: str | None,
    generation: Generation | None = None,
) -> None:
    """Register a facility as HIP, HIU or both, under a bridge or as the simulator's own.

    `generation`: that of its callbacks if not its bridge's.
    """
    if generation is not None:
        _check_generation(generation)
    if not schemas.definition("ServiceId").is_valid(service_id):
        raise PatientMistake("A service id has letters and digits, with _ or - inside.")
    if not types or not set(types) <= ROLES:
        raise PatientMistake(f"The types of a service are among {', '.join(sorted(ROLES))}.")
    with simulator.state.changed:
        if client_id is not None and client_id not in simulator.state.bridges:
            raise NotFound(f"There is no bridge {client_id}; register it first.")
        simulator.state.services[service_id] = Service(
            service_id, name, list(types), client_id, generation=generation
        )


def add_patient(
    simulator: Simulator,
    abha_address: str,
    abha_number: str | None,
    name: str,
    gender: str,
    year_of_birth: int,
    mobile: str,
    deactivated: bool = False,
) -> None:
    """Register an invented person; the ABHA number with or without dashes."""
    number = re.sub(r"\D", "", abha_number or "") or None
    digits = re.sub(r"\D", "", mobile)
    fits = {
        "AbhaAddressWide": abha_address,
        "Gender": gender,
        "YearOfBirth": year_of_birth,
    }
    wrong = [kind for kind, value in fits.items() if not schemas.definition(kind).is_valid(value)]
    if wrong:
        raise PatientMistake(f"The patient does not fit the contract's {', '.join(wrong)}.")
    if number is not None and len(number) != 14:
        raise PatientMistake("An ABHA number has 14 digits.")
    if len(digits) < 10:
        raise PatientMistake("A mobile number has at least 10 digits.")
    patient = Patient(
        abha_address, number, name, gender, int(year_of_birth), digits[-10:], deactivated
    )
    with simulator.state.changed:
        simulator.state.patients[abha_address] = patient
    link_folder(simulator, abha_address)


def configure(simulator: Simulator, settings: dict[str, Any]) -> None:
    """Change settings until the next reset."""
    simulator.config = simulator.config.changed(**settings)


def _add_person(simulator: Simulator, abha: dict[str, Any] | None = None, **person: Any) -> None:
    aadhaar = abha_people.add_person(simulator, **person)
    if abha is not None:
        abha_people.add_account(simulator, aadhaar, **abha)


def load(simulator: Simulator, contents: dict[str, Any]) -> None:
    """Everything of a seed file."""
    unknown = set(contents) - {*_LISTS, "settings"}
    if unknown:
        raise PatientMistake(f"A seed file has no member {', '.join(sorted(unknown))}.")
    configure(simulator, contents.get("settings", {}))
    try:
        for bridge in contents.get("bridges", []):
            add_bridge(simulator, **bridge)
        for service in contents.get("services", []):
            add_service(simulator, **{"client_id": None, **service})
        for patient in contents.get("patients", []):
            add_patient(simulator, **{"abha_number": None, **patient})
        for facility in contents.get("facilities", []):
            registry.add_facility(simulator, **facility)
        for person in contents.get("people", []):
            _add_person(simulator, **person)
    except TypeError as error:
        raise PatientMistake(f"An entry of the seed file does not fit: {error}.") from error
