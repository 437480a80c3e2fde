"""ABHA at the command line, step by step with prompts: create, find, link, scan; profile and card.

Aadhaar numbers and one-time passwords are typed at prompts that show nothing, never as arguments,
which other users of the machine could read. The same flows as the HIMS API; `--json` prints what
that would answer.
"""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from adapter.commands.operate import open_adapter, show
from adapter.flows import abha_enrolment, abha_linking, abha_login, abha_qr, abha_user
from adapter.flows.abha_desk import Desk, shown
from adapter.flows.abha_enrolment import Consent
from adapter.flows.lookup import served_pairs
from adapter.protocol.errors import AdapterError, RequestError
from adapter.rules import poster
from adapter.rules.abha_steps import Step, next_steps
from adapter.rules.states import AbhaState
from adapter.runtime import Adapter
from adapter.stores import abha_profiles, facilities
from adapter.stores.abha_profiles import ProfileRow
from adapter.stores.abha_transactions import AbhaTransaction

Result = TypeVar("Result")

#: A person may mistype an OTP; more tries than this are ABDM's to refuse.
TRIES = 3

_PROFILE = ("id", "abha_number", "health_id", "name", "gender", "date_of_birth", "patient", "new")
_facility = click.option("--facility", help="HFR id; needed where several are served.")
_user = click.option("--user", default=getpass.getuser, help="Who acts, for the audit trail.")
_json = click.option("--json", "as_json", is_flag=True)
_patient = click.option("--patient", help="Id of the FHIR Patient to link with.")


@click.group()
def abha() -> None:
    """Create and link ABHA numbers, read cards, print a counter's QR code."""


@abha.command("create")
@click.option(
    "--consent",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="File with the consent text that was shown to the person.",
)
@click.option("--language", default="en", show_default=True, help="Language of that text.")
@_patient
@_facility
@_user
@_json
def abha_create(
    consent: Path,
    language: str,
    patient: str | None,
    facility: str | None,
    user: str,
    as_json: bool,
) -> None:
    """Create an ABHA by Aadhaar OTP, and link it."""
    adapter = open_adapter()
    hip_id, desk = _desk(adapter, facility, user)
    text = consent.read_text()
    click.echo(text, err=True)
    if not click.confirm("Has the person agreed to this text?", err=True):
        _fail("No ABHA is created without the person's consent.")
    given = Consent(True, adapter.abha_of(hip_id).consent_version, text, language)
    number = _hidden("Aadhaar number")
    row = _or_exit(
        lambda: abha_enrolment.begin(adapter, desk, hip_id, number, given, patient_id=patient)
    )
    _finish(adapter, desk, _enrolled(adapter, desk, row), patient, as_json)


@abha.command("link")
@click.option("--abha-number", help="14 digits.")
@click.option("--abha-address", help="name@abdm or, in the sandbox, name@sbx.")
@click.option("--mobile", help="The mobile number of the ABHA.")
@click.option("--aadhaar", is_flag=True, help="By Aadhaar number, typed at a prompt.")
@click.option("--otp-to", type=click.Choice(["aadhaar", "mobile"]), default="mobile")
@_patient
@_facility
@_user
@_json
def abha_link(
    abha_number: str | None,
    abha_address: str | None,
    mobile: str | None,
    aadhaar: bool,
    otp_to: str,
    patient: str | None,
    facility: str | None,
    user: str,
    as_json: bool,
) -> None:
    """Link an ABHA that the person has, proven by a one-time password."""
    adapter = open_adapter()
    hip_id, desk = _desk(adapter, facility, user)
    given = {"abha_number": abha_number, "abha_address": abha_address, "mobile": mobile}
    ways = [(by, value) for by, value in given.items() if value]
    if aadhaar:
        ways.append(("aadhaar", _hidden("Aadhaar number")))
        otp_to = "aadhaar"
    if len(ways) != 1:
        raise click.UsageError("Give one of --abha-number, --abha-address, --mobile and --aadhaar.")
    (by, value) = ways[0]
    row = _or_exit(
        lambda: abha_login.begin(adapter, desk, hip_id, by, value, otp_to, patient_id=patient)
    )
    _finish(adapter, desk, _proven(adapter, desk, row), patient, as_json)


@abha.command("find")
@click.argument("mobile")
@click.option("--otp-to", type=click.Choice(["aadhaar", "mobile"]), default="mobile")
@_patient
@_facility
@_user
@_json
def abha_find(
    mobile: str, otp_to: str, patient: str | None, facility: str | None, user: str, as_json: bool
) -> None:
    """Find the ABHA numbers of MOBILE, choose one, and link it."""
    adapter = open_adapter()
    hip_id, desk = _desk(adapter, facility, user)
    row = _or_exit(
        lambda: abha_login.find_by_mobile(adapter, desk, hip_id, mobile, patient_id=patient)
    )
    key = _chosen(row)
    row = _or_exit(lambda: abha_login.choose(adapter, desk, row.id, key, otp_to))
    _finish(adapter, desk, _proven(adapter, desk, row), patient, as_json)


@abha.command("scan")
@click.argument("file", type=click.File("r"), default="-")
@click.option("--new", is_flag=True, help="Link with a new patient.")
@_patient
@_facility
@_user
@_json
def abha_scan(
    file: Any, new: bool, patient: str | None, facility: str | None, user: str, as_json: bool
) -> None:
    """Read the text of an ABHA card's QR code from FILE (standard input), and link it."""
    adapter = open_adapter()
    hip_id, desk = _desk(adapter, facility, user)
    row, match = _or_exit(lambda: abha_qr.scan(adapter, desk, hip_id, file.read()))
    if patient or new or match.patient_id:
        row = _or_exit(
            lambda: abha_linking.link_profile(
                adapter, row.id, requester=user, hip_id=hip_id, patient_id=patient, new=new
            )
        )
    elif match.candidates:
        names = ", ".join(f"Patient/{each}" for each in match.candidates)
        click.echo(f"Perhaps {names}: link with --patient, or --new.", err=True)
    else:
        click.echo("Nobody on record fits: link with --new, or --patient.", err=True)
    _print([row], as_json)


@abha.command("profile")
@click.argument("patient")
@click.option("--refresh", is_flag=True, help="Fetch it from ABDM again.")
@_user
@_json
def abha_profile(patient: str, refresh: bool, user: str, as_json: bool) -> None:
    """The ABHA linked to PATIENT (id of the FHIR Patient)."""
    adapter = open_adapter()
    desk = _everywhere(adapter, user)
    row = _or_exit(lambda: abha_user.profile_of_patient(adapter, desk, patient))
    if refresh:
        row = _or_exit(lambda: abha_user.fetched_again(adapter, desk, row.id))
    _print([row], as_json)


@abha.command("card")
@click.argument("patient")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--qr", is_flag=True, help="The QR code alone.")
@_user
def abha_card(patient: str, file: Path, qr: bool, user: str) -> None:
    """Write the ABHA card of PATIENT to FILE, while their session with ABDM lasts."""
    adapter = open_adapter()
    desk = _everywhere(adapter, user)
    row = _or_exit(lambda: abha_user.profile_of_patient(adapter, desk, patient))
    content, kind = _or_exit(lambda: abha_user.image(adapter, desk, row.id, "qr" if qr else "card"))
    file.write_bytes(content)
    click.echo(f"Written: {file} ({kind}, {len(content)} bytes)")


@abha.command("qr")
@click.argument("counter")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@_facility
def abha_counter_qr(counter: str, file: Path, facility: str | None) -> None:
    """Write the QR code that patients scan at COUNTER to FILE (.png, .svg or .html, a poster)."""
    adapter = open_adapter()
    hip_id, _ = _desk(adapter, facility, "")
    url = _or_exit(lambda: abha_qr.counter_url(adapter, hip_id, counter))
    with adapter.db.reading() as tx:
        name = facilities.name_of(tx, hip_id) or hip_id
    if file.suffix == ".png":
        file.write_bytes(poster.png(url))
    elif file.suffix == ".svg":
        file.write_text(poster.svg(url))
    elif file.suffix == ".html":
        file.write_text(poster.page(url, name, counter))
    else:
        raise click.UsageError("FILE must end with .png, .svg or .html.")
    click.echo(f"Written: {file}, for {url}")


# --- the steps at the prompt ------------------------------------------------------------------


def _enrolled(adapter: Adapter, desk: Desk, row: AbhaTransaction) -> AbhaTransaction:
    """From the OTP on its way to an ABHA with address."""
    click.echo(row.sentence or row.secret.hint, err=True)
    mobile = click.prompt("Mobile number for communication", err=True)
    row = _with_otp(
        adapter, desk, row, lambda otp: abha_login.verify_any(adapter, desk, row.id, otp, mobile)
    )
    if Step.FETCH_PROFILE in next_steps(row.facts):
        row = _or_exit(lambda: abha_login.fetch_profile(adapter, desk, row.id))
    if row.state is AbhaState.VERIFIED and row.mobile_pending:
        row = _or_exit(lambda: abha_enrolment.send_mobile_otp(adapter, desk, row.id))
    if row.state is AbhaState.MOBILE_OTP_SENT:
        click.echo(row.sentence or row.secret.hint, err=True)
        row = _with_otp(
            adapter, desk, row, lambda otp: abha_enrolment.verify_mobile(adapter, desk, row.id, otp)
        )
    if Step.FETCH_PROFILE in next_steps(row.facts):
        row = _or_exit(lambda: abha_login.fetch_profile(adapter, desk, row.id))
    return _addressed(adapter, desk, row)


def _addressed(adapter: Adapter, desk: Desk, row: AbhaTransaction) -> AbhaTransaction:
    offered = _or_exit(lambda: abha_enrolment.suggestions(adapter, desk, row.id))
    if offered:
        click.echo("Free ABHA addresses: " + ", ".join(offered[:8]), err=True)
    while True:
        wanted = click.prompt("ABHA address (empty: none now)", default="", err=True)
        if not wanted:
            return shown(adapter, desk, row.id)
        try:
            return abha_enrolment.set_address(adapter, desk, row.id, wanted)
        except AdapterError as error:
            click.echo(str(error), err=True)


def _proven(adapter: Adapter, desk: Desk, row: AbhaTransaction) -> AbhaTransaction:
    """From the OTP on its way to a profile."""
    if row.state is AbhaState.NOT_FOUND:
        _fail("ABDM knows no ABHA of this person; create one with `abdm-adapter abha create`.")
    click.echo(row.sentence or row.secret.hint, err=True)
    row = _with_otp(
        adapter, desk, row, lambda otp: abha_login.verify_any(adapter, desk, row.id, otp)
    )
    if row.state is AbhaState.NOT_FOUND:
        _fail("ABDM knows no ABHA of this person; create one with `abdm-adapter abha create`.")
    if row.state is AbhaState.CHOOSING:
        key = _chosen(row)
        row = _or_exit(lambda: abha_login.choose(adapter, desk, row.id, key))
    if Step.FETCH_PROFILE in next_steps(row.facts):
        row = _or_exit(lambda: abha_login.fetch_profile(adapter, desk, row.id))
    return row


def _with_otp(
    adapter: Adapter,
    desk: Desk,
    row: AbhaTransaction,
    verify: Callable[[str], AbhaTransaction],
) -> AbhaTransaction:
    """Ask for the OTP, again where it was wrong."""
    for attempt in range(1, TRIES + 1):
        otp = _hidden("One-time password")
        try:
            return verify(otp)
        except AdapterError as error:
            present = shown(adapter, desk, row.id)
            steps = set(next_steps(present.facts))
            if Step.FETCH_PROFILE in steps:
                return present  # the OTP was right; what came after it is tried again
            waiting = {Step.VERIFY_OTP, Step.VERIFY_MOBILE_OTP} & steps
            if attempt == TRIES or not waiting:
                _fail(str(error))
            click.echo(str(error), err=True)
    raise AssertionError("unreachable: the last try returns or exits")


def _chosen(row: AbhaTransaction) -> str:
    accounts = row.secret.accounts
    for number, each in enumerate(accounts, 1):
        named = " ".join(filter(None, (each.abha_number, each.abha_address, each.name)))
        click.echo(f"{number}. {named}", err=True)
    choice = click.prompt("Which one", type=click.IntRange(1, len(accounts)), default=1, err=True)
    return accounts[int(choice) - 1].key


def _finish(
    adapter: Adapter, desk: Desk, row: AbhaTransaction, patient: str | None, as_json: bool
) -> None:
    """Link, or say whom it may be and leave it to be linked."""
    try:
        row = abha_login.link(adapter, desk, row.id, patient_id=patient)
    except RequestError as error:
        click.echo(f"Not linked: {error}", err=True)
        click.echo(f"The profile is kept: {row.profile_id}", err=True)
        sys.exit(1)
    except AdapterError as error:
        _fail(str(error))
    with adapter.db.reading() as tx:
        found = abha_profiles.by_id(tx, adapter, row.profile_id or "")
    _print([found] if found else [], as_json)


def _print(rows: Sequence[ProfileRow], as_json: bool) -> None:
    made = [abha_user.described(row) for row in rows]
    if as_json:
        for each in made:
            click.echo(json.dumps(each, ensure_ascii=False))
        return
    show([{name: each[name] or "" for name in _PROFILE} for each in made], _PROFILE, False)


def _desk(adapter: Adapter, facility: str | None, user: str) -> tuple[str, Desk]:
    pairs = dict(served_pairs(adapter))
    if facility is None and len(pairs) == 1:
        facility = next(iter(pairs))
    if facility not in pairs:
        raise click.UsageError(
            f"Give --facility, one of: {', '.join(sorted(pairs)) or 'none yet'}."
        )
    return pairs[facility], Desk(user, frozenset(pairs.values()))


def _everywhere(adapter: Adapter, user: str) -> Desk:
    return Desk(user, frozenset(hip_id for _, hip_id in served_pairs(adapter)))


def _hidden(what: str) -> str:
    return str(click.prompt(what, hide_input=True, err=True))


def _or_exit(do: Callable[[], Result]) -> Result:
    try:
        return do()
    except AdapterError as error:
        _fail(str(error))


def _fail(sentence: str) -> NoReturn:
    click.echo(sentence, err=True)
    sys.exit(1)
