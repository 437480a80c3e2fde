"""Invented Aadhaar holders and their ABHA accounts: registered, created, published, described.

Every account is a patient of the consent manager too, under each of its addresses. Source: M0/M1
document, sections 3 (identifiers) and 9 (creation).
"""

import itertools
import random
import re
from datetime import date
from typing import Any

from conformance import schemas
from conformance.simulator.abha_state import Account, Person
from conformance.simulator.core import Simulator
from conformance.simulator.lookups import NotFound, PatientMistake
from conformance.simulator.state import Patient
from conformance.simulator.times import now

AADHAAR_PREFIX = "9999"  # the range that UIDAI leaves to developers
_SUGGESTIONS = 13
_PERMUTED = "1576283094"  # Verhoeff's permutation of the digits 0 to 9


def verhoeff_fits(digits: str) -> bool:
    """Whether the last digit is the Verhoeff check digit of those before it."""
    check = 0
    for place, digit in enumerate(reversed(digits)):
        number = int(digit)
        for _ in range(place % 8):
            number = int(_PERMUTED[number])
        check = _times(check, number)
    return check == 0


def _times(left: int, right: int) -> int:
    """The product of two symmetries of a pentagon: 0 to 4 turn it, 5 to 9 mirror it."""
    turned = (left - right) if left >= 5 else (left + right)
    return turned % 5 + (5 if (left >= 5) != (right >= 5) else 0)


def invented_aadhaar(serial: int) -> str:
    """The serial-th clearly invented Aadhaar number, with a right check digit."""
    body = f"{AADHAAR_PREFIX}{serial:07d}"
    return next(body + str(digit) for digit in range(10) if verhoeff_fits(body + str(digit)))


def is_aadhaar(text: str) -> bool:
    """12 digits, the last one right."""
    return re.fullmatch(r"[0-9]{12}", text) is not None and verhoeff_fits(text)


# -- setting up ------------------------------------------------------------------------------


def add_person(
    simulator: Simulator,
    first_name: str,
    last_name: str,
    gender: str,
    born: str,
    mobile: str,
    *,
    middle_name: str = "",
    aadhaar: str | None = None,
    address: str = "4 Hill Road",
    district_code: str = "482",
    district: str = "MUMBAI",
    state_code: str = "27",
    state: str = "MAHARASHTRA",
    pincode: str = "400050",
    photo: str = "",
) -> str:
    """Register an invented Aadhaar holder and return the Aadhaar number; `born` is YYYY-MM-DD."""
    if aadhaar is not None and not (is_aadhaar(aadhaar) and aadhaar.startswith(AADHAAR_PREFIX)):
        raise PatientMistake(
            f"An invented Aadhaar number has 12 digits, begins with {AADHAAR_PREFIX} "
            "and ends with its Verhoeff check digit."
        )
    if gender not in ("M", "F", "O"):
        raise PatientMistake("The gender in an Aadhaar is M, F or O.")
    if mobile and not _is_mobile(mobile):
        raise PatientMistake("A mobile number has 10 digits and does not begin with 0.")
    with simulator.state.changed:
        abha = simulator.state.abha
        number = aadhaar or invented_aadhaar(next(abha.serials))
        abha.people[number] = Person(
            number, first_name, middle_name, last_name, gender, date.fromisoformat(born), mobile,
            address, district_code, district, state_code, state, pincode, photo,
        )  # fmt: skip
    return number


def add_account(
    simulator: Simulator,
    aadhaar: str,
    abha_number: str | None = None,
    abha_address: str | None = None,
    mobile: str | None = None,
    status: str = "ACTIVE",
) -> str:
    """Give an Aadhaar holder an ABHA and return its number.

    `abha_address` is a full address, perhaps that of a patient registered with the same number;
    without one only the number serves as address. The verified
    mobile is that of the Aadhaar unless one is given.
    """
    with simulator.state.changed:
        person = person_named(simulator, aadhaar)
        if account_of(simulator, aadhaar) is not None:
            raise PatientMistake("This person has an ABHA already.")
        if abha_address is not None:
            _refuse_address(simulator, abha_address, abha_number)
        account = create_account(simulator, person, mobile or person.mobile or None, abha_number)
        account.status = status
        if abha_address is not None:
            add_address(simulator, account, abha_address)
        publish(simulator, account)
        return account.number


def _refuse_address(simulator: Simulator, address: str, abha_number: str | None) -> None:
    if not schemas.definition("AbhaAddress", "v3-m1").is_valid(address):
        raise PatientMistake("An ABHA address is a name, @, and a suffix.")
    known = simulator.state.patients.get(address)
    same = known is not None and known.abha_number == (abha_number or "").replace("-", "")
    if not same and address_taken(simulator, address):
        raise PatientMistake(f"{address} is taken.")


def set_status(simulator: Simulator, abha_number: str, status: str) -> None:
    """Deactivate an account ("DEACTIVATED") or make it "ACTIVE" again."""
    if status not in ("ACTIVE", "DEACTIVATED"):
        raise PatientMistake("The status of an ABHA is ACTIVE or DEACTIVATED.")
    with simulator.state.changed:
        account = account_named(simulator, abha_number)
        account.status = status
        publish(simulator, account)


def block_methods(simulator: Simulator, abha_number: str, methods: list[str]) -> None:
    """Block ways of authentication, for example ["MOBILE_OTP"]; an empty list frees them."""
    with simulator.state.changed:
        account_named(simulator, abha_number).blocked_methods = list(methods)


# -- accounts --------------------------------------------------------------------------------


def create_account(
    simulator: Simulator, person: Person, mobile: str | None, number: str | None = None
) -> Account:
    """A new account with its number and the address that goes with it. The state is held."""
    abha = simulator.state.abha
    chosen = number or _free_number(simulator)
    if not schemas.definition("AbhaNumber", "v3-m1").is_valid(chosen) or chosen in abha.accounts:
        raise PatientMistake("An ABHA number is 14 digits written 2-4-4-4, and given only once.")
    address = f"{chosen.replace('-', '')}@{simulator.config.cm_id}"
    account = Account(chosen, person, mobile, [address], address, now().date(), photo=person.photo)
    abha.accounts[chosen] = account
    publish(simulator, account)
    return account


def _free_number(simulator: Simulator) -> str:
    # Drawn by lot: hospitals keep their patients when the simulator starts anew.
    while True:
        drawn = f"{random.randrange(10**8):08d}"
        number = f"91-9999-{drawn[:4]}-{drawn[4:]}"
        if number not in simulator.state.abha.accounts:
            return number


def add_address(simulator: Simulator, account: Account, address: str) -> None:
    """Make an address the preferred one; the earlier ones stay valid. The state is held."""
    account.addresses.append(address)
    account.preferred = address
    publish(simulator, account)


def publish(simulator: Simulator, account: Account) -> None:
    """Let the consent manager know the account as a patient, under each of its addresses."""
    person = account.person
    for address in account.addresses:
        simulator.state.patients[address] = Patient(
            address,
            account.number.replace("-", ""),
            person.name,
            person.gender,
            person.born.year,
            account.mobile or person.mobile,
            account.status != "ACTIVE",
        )


def person_named(simulator: Simulator, aadhaar: str) -> Person:
    """The holder of an Aadhaar number, or NotFound."""
    person = simulator.state.abha.people.get(aadhaar)
    if person is None:
        raise NotFound("There is no person with this Aadhaar number; register the person first.")
    return person


def account_named(simulator: Simulator, number: str) -> Account:
    """The account with an ABHA number, or NotFound."""
    account = simulator.state.abha.accounts.get(number)
    if account is None:
        raise NotFound(f"There is no ABHA with the number {number}.")
    return account


def account_of(simulator: Simulator, aadhaar: str) -> Account | None:
    """The account of an Aadhaar holder, if there is one."""
    accounts = simulator.state.abha.accounts.values()
    return next((a for a in accounts if a.person.aadhaar == aadhaar), None)


def account_at(simulator: Simulator, address: str) -> Account | None:
    """The account with an ABHA address, with or without its suffix."""
    full = address if "@" in address else f"{address}@{simulator.config.cm_id}"
    accounts = simulator.state.abha.accounts.values()
    wanted = full.casefold()
    return next((a for a in accounts if wanted in map(str.casefold, a.addresses)), None)


def accounts_with(simulator: Simulator, mobile: str) -> list[Account]:
    """All accounts with that verified mobile."""
    return [a for a in simulator.state.abha.accounts.values() if a.mobile == mobile]


# -- addresses -------------------------------------------------------------------------------


def address_taken(simulator: Simulator, address: str) -> bool:
    """Whether anyone has this full address, in any case."""
    return address.casefold() in {known.casefold() for known in simulator.state.patients}


def suggestions(simulator: Simulator, account: Account) -> list[str]:
    """Free local parts made of the name and digits drawn by lot, as numbers are."""
    person = account.person
    first = re.sub(r"[^a-z0-9]", "", person.first_name.lower())[:10] or "abha"
    last = re.sub(r"[^a-z0-9]", "", person.last_name.lower())[:10]
    stems = [f"{first}{last}", f"{first}.{last}", f"{first}_{last}", f"{last}.{first}", first]
    drawn = (str(random.randrange(10**6, 10**7)) for _ in range(_SUGGESTIONS))
    pairs = zip(itertools.cycle(stems), drawn, strict=False)
    wanted = [f"{stem[:11].strip('._')}{digits}" for stem, digits in pairs]
    suffix = simulator.config.cm_id
    return [local for local in wanted if not address_taken(simulator, f"{local}@{suffix}")]


# -- descriptions ----------------------------------------------------------------------------


def masked_mobile(mobile: str) -> str:
    """******0045"""
    return f"******{mobile[-4:]}"


def masked_words(text: str) -> str:
    """Me*** Jo***"""
    return " ".join(f"{word[:2]}***" for word in text.split())


def methods_of(account: Account) -> list[str]:
    """How its owner can prove to be the owner."""
    usable = {"AADHAAR_OTP": account.person.mobile, "MOBILE_OTP": account.mobile}
    return [method for method, mobile in usable.items() if mobile]


def described(account: Account) -> dict[str, Any]:
    """An account for the control calls."""
    return {
        "abha_number": account.number,
        "addresses": account.addresses,
        "preferred": account.preferred,
        "mobile": account.mobile,
        "status": account.status,
        "aadhaar": account.person.aadhaar,
        "name": account.person.name,
    }


def _is_mobile(text: str) -> bool:
    return re.fullmatch(r"[1-9][0-9]{9}", text) is not None
