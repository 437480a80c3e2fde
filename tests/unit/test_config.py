"""Settings: read once, every wrong value named together, secrets never shown."""

import pytest

from adapter.config import ConfigError, ServedFacility, load_config

GOOD = {
    "abdm_client_id": "SBXID_1",
    "abdm_client_secret": "canary-secret",
    "abdm_facilities": "IN1,IN2=IN2_1",
    "seal_keys": "a" * 44,
}


def config(**changes: object):  # type: ignore[no-untyped-def]
    return load_config(_env_file=None, **{**GOOD, **changes})


def test_defaults_are_the_specifications() -> None:
    settings = config()
    assert settings.abdm_url == "https://dev.abdm.gov.in"
    assert settings.abdm_facility_url == "https://apihspsbx.abdm.gov.in/v4/int"
    assert settings.abha_url == "https://abhasbx.abdm.gov.in"
    assert settings.x_cm_id == "sbx"
    assert settings.abdm_api_version == "v3"


def test_hip_service_id_may_differ_from_the_hfr_id() -> None:
    assert config().abdm_facilities == (
        ServedFacility("IN1", "IN1"),
        ServedFacility("IN2", "IN2_1"),
    )


def test_every_missing_setting_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as failed:
        load_config(_env_file=None, port="none")
    text = "\n".join(failed.value.problems)
    for name in (
        "ABDM_CLIENT_ID",
        "ABDM_CLIENT_SECRET",
        "SEAL_KEYS",
        "PORT",
    ):
        assert name in text


def test_facilities_may_be_added_later_by_call_or_command() -> None:
    assert config(abdm_facilities="").abdm_facilities == ()


def test_without_abdm_nothing_of_abdm_is_needed() -> None:
    assert load_config(_env_file=None, enable_abdm=False).enable_abdm is False


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("port", "99999", "PORT"),
        ("abdm_url", "dev.abdm.gov.in", "ABDM_URL"),
        ("hims_api_keys", "short", "HIMS_API_KEYS"),
        ("abdm_facilities", "IN1,IN1", "ABDM_FACILITIES"),
        ("abdm_api_version", "v9", "ABDM_API_VERSION"),
        ("callback_token_claims", "iss", "CALLBACK_TOKEN_CLAIMS"),
        ("facility_api_versions", "IN1=v2", "FACILITY_API_VERSIONS"),
        ("facility_api_versions", "v0.5", "FACILITY_API_VERSIONS"),
        ("hims_timezone", "India", "HIMS_TIMEZONE: is no time zone"),
        ("hims_timezone", "../etc/passwd", "HIMS_TIMEZONE: is no time zone"),
        ("hims_timezone", "", "HIMS_TIMEZONE: is no time zone"),
        ("max_entity_bytes", "1", "MAX_ENTITY_BYTES"),
    ],
)
def test_wrong_value_is_named_by_its_setting(name: str, value: str, word: str) -> None:
    with pytest.raises(ConfigError) as failed:
        config(**{name: value})
    assert [problem for problem in failed.value.problems if problem.startswith(word)]
    assert "canary-secret" not in str(failed.value)


def test_redis_needs_postgresql() -> None:
    with pytest.raises(ConfigError, match="PostgreSQL"):
        config(redis_url="redis://127.0.0.1/0")


def test_api_key_may_be_limited_to_facilities() -> None:
    keys = config(hims_api_keys="a" * 16 + "," + "b" * 16 + ":IN1+IN2").hims_api_keys
    assert keys[0].facilities is None
    assert keys[1].facilities == {"IN1", "IN2"}


def test_secrets_do_not_show_in_repr() -> None:
    assert "canary-secret" not in repr(config())


def test_a_facility_may_speak_another_generation_and_its_sender_is_another() -> None:
    settings = config(
        facility_api_versions="HIP-1=v0.5", callback_token_claims="azp=g,v0.5:azp=older"
    )
    assert settings.api_version_of("HIP-1") == "v0.5"
    assert settings.api_version_of("HIP-2") == "v3"
    assert settings.api_versions == {"v3", "v0.5"}
    assert settings.token_claims_of("v3") == {"azp": "g"}
    assert settings.token_claims_of("v0.5") == {"azp": "older"}


def test_the_headers_of_the_sms_provider_are_secrets_and_must_be_json() -> None:
    settings = config(otp_headers='{"authkey": "canary-secret"}')
    assert settings.otp_headers["authkey"].get_secret_value() == "canary-secret"
    assert "canary-secret" not in repr(settings)
    with pytest.raises(ConfigError, match="OTP_HEADERS"):
        config(otp_headers="authkey: canary-secret")


def test_a_template_that_would_send_nobody_or_nothing_is_refused() -> None:
    config(otp_url="https://sms.example/{mobile}", otp_body="{text}")
    for body in ("{text}", "{mobile}"):
        with pytest.raises(ConfigError, match="OTP_BODY"):
            config(otp_url="https://sms.example/", otp_body=body)
    with pytest.raises(ConfigError, match="OTP_BODY"):
        config(otp_url="https://sms.example/", otp_method="GET")
