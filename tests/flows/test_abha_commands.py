"""ABHA at the command line: prompts step by step, secrets never shown, JSON for scripts."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from adapter.cli import main
from tests.flows.abha import Front, new_mobile
from tests.flows.wire import only

GENERATIONS = ("v3", "v0.5")

Line = str | Callable[[], str]


class Typed(io.RawIOBase):
    """What a person types, line by line; a line may be looked up when it is asked for."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self._lines = iter(lines)

    def readable(self) -> bool:
        return True

    def read1(self, size: int = -1) -> bytes:
        if size == 0:
            return b""  # only asked whether these are bytes
        line = next(self._lines, None)
        if line is None:
            return b""
        return f"{line() if callable(line) else line}\n".encode()

    def read(self, size: int = -1) -> bytes:
        return self.read1(size)


def run(front: Front, *arguments: str, typed: Sequence[Line] = ()) -> Result:
    """`abdm-adapter abha …` with the desk's settings, as a person types."""
    config = front.adapter.config
    environment = {
        "ABDM_CLIENT_ID": config.abdm_client_id,
        "ABDM_CLIENT_SECRET": config.abdm_client_secret.get_secret_value(),
        "ABDM_FACILITIES": config.abdm_facilities[0].hfr_id,
        "ABDM_URL": config.abdm_url,
        "ABHA_URL": config.abha_url,
        "ABDM_API_VERSION": config.abdm_api_version,
        "HEALTH_SERVICE_API_URL": config.health_service_api_url,
        "DATABASE_URL": config.database_url.get_secret_value(),
        "FHIR_BASE_URL": config.fhir_base_url,
        "FHIR_TOKEN": config.fhir_token.get_secret_value(),
        "SEAL_KEYS": config.seal_keys[0].get_secret_value(),
    }
    stream: Any = Typed(typed)
    return CliRunner().invoke(main, ["abha", *arguments], input=stream, env=environment)


def answer(result: Result) -> dict[str, Any]:
    """The JSON line that a command printed."""
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout.strip().splitlines()[-1])
    return found


@pytest.fixture
def consent(tmp_path: Path) -> str:
    path = tmp_path / "consent.txt"
    path.write_text("I agree to create my ABHA.")
    return str(path)


def test_an_abha_is_created_at_the_prompt_and_no_secret_is_shown(
    front: Front, consent: str
) -> None:
    person, other = front.person(), new_mobile()
    otps: list[str] = []

    def otp(mobile: str) -> Callable[[], str]:
        def look() -> str:
            otps.append(front.otp(mobile))
            return otps[-1]

        return look

    local = f"asha_{new_mobile()}"
    typed: list[Line] = [
        "y",
        person.aadhaar,
        other,
        "000000",
        otp(person.mobile),
        otp(other),
        local,
    ]
    result = run(front, "create", "--consent", consent, "--json", typed=typed)
    profile = answer(result)
    assert (profile["health_id"], profile["mobile"]) == (f"{local}@sbx", other)
    assert profile["new"] is True
    assert front.fhir_patient(profile["patient"])
    assert "wrong" in result.output
    for secret in (person.aadhaar, *otps):
        assert secret not in result.output


def test_without_agreement_nothing_is_asked_for_and_nothing_sent(
    front: Front, consent: str
) -> None:
    calls = len(front.abdm.exchanges())
    result = run(front, "create", "--consent", consent, typed=["n", front.person().aadhaar])
    assert result.exit_code == 1
    assert "consent" in result.output
    assert "Aadhaar" not in result.output
    assert len(front.abdm.exchanges()) == calls


def test_an_abha_is_linked_with_a_patient_and_shown_again(front: Front, tmp_path: Path) -> None:
    person, number, _ = front.holder()
    own = front.patient()
    arguments = ("link", "--abha-number", number, "--patient", own, "--json")
    profile = answer(run(front, *arguments, typed=[lambda: front.otp(person.mobile)]))
    assert (profile["abha_number"], profile["patient"]) == (number, own)
    again = answer(run(front, "profile", own, "--refresh", "--json"))
    assert again["id"] == profile["id"]
    card = tmp_path / "card.png"
    assert run(front, "card", own, str(card)).exit_code == 0
    assert card.read_bytes().startswith(b"\x89PNG")


def test_one_of_several_accounts_of_a_mobile_is_chosen(front: Front) -> None:
    mobile = new_mobile()
    front.holder(mobile=mobile)
    front.holder(mobile=mobile, first_name="Usha")
    typed: list[Line] = [lambda: front.otp(mobile), "1"]
    linked = answer(run(front, "link", "--mobile", mobile, "--json", typed=typed))
    assert linked["name"] == "Asha Verma"


@only("v3")
def test_one_of_several_masked_accounts_of_a_mobile_is_chosen(front: Front) -> None:
    mobile = new_mobile()
    front.holder(mobile=mobile)
    front.holder(mobile=mobile, first_name="Usha")
    typed: list[Line] = ["2", lambda: front.otp(mobile)]
    profile = answer(run(front, "find", mobile, "--json", typed=typed))
    assert profile["name"] == "Usha Verma"


@only("v0.5")
def test_what_fails_after_an_otp_is_gone_on_with_at_the_prompt(front: Front, consent: str) -> None:
    person, other = front.person(), new_mobile()
    front.abdm.fault("server-error", message="HealthIdCheckMobile", times=1)
    front.abdm.fault("server-error", message="HealthIdCreate", times=1)
    typed: list[Line] = [
        "y",
        person.aadhaar,
        other,
        lambda: front.otp(person.mobile),
        lambda: front.otp(other),
        "",
    ]
    result = run(front, "create", "--consent", consent, "--json", typed=typed)
    assert answer(result)["mobile"] == other


def test_a_card_is_read_from_standard_input(front: Front) -> None:
    _, number, _ = front.holder()
    typed = [front.abdm.abha_qr(number)]
    shown = run(front, "scan", "--json", typed=typed)
    assert answer(shown)["patient"] is None
    assert "--new" in shown.stderr
    assert answer(run(front, "scan", "--new", "--json", typed=typed))["patient"]
    refused = run(front, "scan", typed=["nonsense"])
    assert (refused.exit_code, "ABHA card or app" in refused.stderr) == (1, True)


@pytest.mark.parametrize("ending", [".png", ".svg", ".html"])
def test_a_counters_qr_is_written_to_a_file(front: Front, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"opd3{ending}"
    result = run(front, "qr", "OPD3", str(path))
    assert result.exit_code == 0, result.output
    assert "counter-id=OPD3" in result.output
    assert path.stat().st_size > 500


def test_a_way_that_is_not_clear_is_a_usage_error(front: Front) -> None:
    assert run(front, "link").exit_code == 2
    assert run(front, "qr", "OPD3", "x.gif").exit_code == 2
    assert run(front, "find", "9811044170", "--facility", "IN0000000000").exit_code == 2
