"""Every setting of the adapter, read once from the environment.

`Config` is frozen; nothing else in the adapter reads environment variables. Names and defaults of
the first group are those of the specification (CARE's ABDM module), the rest are our own.
A start-up with wrong values names all of them together (`ConfigError`), never only the first.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

MIB = 1024 * 1024

#: The generations of the gateway's interface.
API_VERSIONS = ("v3", "v0.5")


class ConfigError(Exception):
    """One or more settings are missing or wrong; `problems` has one sentence for each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class ServedFacility:
    """A facility this adapter answers for: HFR id, and the HIP service id its callbacks carry."""

    hfr_id: str
    hip_id: str


@dataclass(frozen=True)
class ApiKey:
    """A HIMS API key and the HFR ids it may act for (`None`: every facility served)."""

    key: SecretStr
    facilities: frozenset[str] | None


def _items(value: Any) -> list[Any]:
    """The parts of a comma-separated setting; a list or tuple given by code stays as it is."""
    if not isinstance(value, str):
        return list(value or [])
    return [item.strip() for item in value.split(",") if item.strip()]


def _is_sqlite(database_url: SecretStr) -> bool:
    return database_url.get_secret_value().startswith("sqlite")


class Config(BaseSettings):
    """Settings by environment variable (upper case) or `.env` file; see README, "Settings"."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        extra="ignore",
        frozen=True,
        validate_default=True,
    )

    # The specification's own names and defaults; but no Health ID service, which NHA has retired.
    enable_abdm: bool = True
    abdm_client_id: str = ""
    abdm_client_secret: SecretStr = SecretStr("")
    abdm_url: str = "https://dev.abdm.gov.in"
    health_service_api_url: str = ""
    abdm_facility_url: str = "https://apihspsbx.abdm.gov.in/v4/int"
    abha_url: str = "https://abhasbx.abdm.gov.in"
    phr_url: str = ""
    x_cm_id: str = "sbx"
    hip_name_prefix: str = ""
    hip_name_suffix: str = ""
    abdm_username: str = "abdm_user_internal"
    fidelius_url: str = ""

    # Our own.
    port: int = Field(default=8080, ge=0, le=65535)
    public_url: str = ""
    fhir_base_url: str = "http://127.0.0.1:8090/fhir"
    fhir_token: SecretStr = SecretStr("")
    database_url: SecretStr = SecretStr("sqlite:///var/adapter.db")
    redis_url: SecretStr = SecretStr("")
    seal_keys: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    hims_api_keys: Annotated[tuple[ApiKey, ...], NoDecode] = ()
    otp_url: SecretStr = SecretStr("")
    otp_method: Literal["POST", "GET", "PUT"] = "POST"
    otp_headers: Annotated[dict[str, SecretStr], NoDecode] = Field(default_factory=dict)
    otp_body: str = ""
    abdm_facilities: Annotated[tuple[ServedFacility, ...], NoDecode] = ()
    abdm_api_version: Literal["v3", "v0.5"] = "v3"
    facility_api_versions: Annotated[dict[str, str], NoDecode] = Field(default_factory=dict)
    allow_local_push: bool = False
    push_token_hosts: Annotated[frozenset[str], NoDecode] = frozenset()
    callback_token_leeway: int = Field(default=1800, ge=0, le=86400)
    callback_token_claims: Annotated[dict[str, str], NoDecode] = Field(default_factory=dict)
    link_token_pacing_seconds: int = Field(default=420, ge=1, le=86400)
    link_refusals_per_day: int = Field(default=10, ge=1, le=19)
    answer_seconds: int = Field(default=60, ge=1, le=3600)
    fidelius_service: bool = False
    link_update_seconds: int = Field(default=300, ge=0, le=86400)
    sms_notify: bool = False
    sms_notify_days: int = Field(default=7, ge=1, le=365)
    discovery_age_band: int = Field(default=5, ge=0, le=20)
    validate_before_push: Literal["off", "warn", "block"] = "warn"
    transfer_deadline: int = Field(default=1200, ge=1, le=7200)
    receive_deadline: int = Field(default=1800, ge=60, le=86400)
    push_quiet_s: int = Field(default=10, ge=0, le=600)
    max_page_bytes: int = Field(default=128 * MIB, ge=1024, le=1024 * MIB)
    viewer_dir: Path = Path("var/viewer")
    archive_retention_days: int = Field(default=30, ge=0, le=3650)
    max_callback_bytes: int = Field(default=4 * MIB, ge=1024)
    watch_records: bool = True
    watch_sweep_seconds: int = Field(default=60, ge=1, le=3600)
    watch_overlap_seconds: int = Field(default=900, ge=0, le=86400)
    watch_hook_url: str = ""
    watch_statuses: Annotated[frozenset[str], NoDecode] = frozenset()
    watch_classes: Annotated[frozenset[str], NoDecode] = frozenset()
    watch_facilities: Annotated[frozenset[str], NoDecode] = frozenset()
    watch_max_age_days: int = Field(default=0, ge=0, le=36500)
    hims_timezone: str = "Asia/Kolkata"
    max_entity_bytes: int = Field(default=64 * MIB, ge=1024)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("seal_keys", mode="before")
    @classmethod
    def _seal_keys(cls, value: Any) -> tuple[SecretStr, ...]:
        return tuple(SecretStr(item) if isinstance(item, str) else item for item in _items(value))

    @field_validator("push_token_hosts", mode="before")
    @classmethod
    def _hosts(cls, value: Any) -> frozenset[str]:
        return frozenset(item.lower() for item in _items(value))

    @field_validator("watch_statuses", "watch_classes", "watch_facilities", mode="before")
    @classmethod
    def _codes(cls, value: Any) -> frozenset[str]:
        return frozenset(_items(value))

    @field_validator("hims_api_keys", mode="before")
    @classmethod
    def _api_keys(cls, value: Any) -> tuple[ApiKey, ...]:
        keys = []
        for item in _items(value):
            if isinstance(item, ApiKey):
                keys.append(item)
                continue
            key, _, facilities = item.partition(":")
            if len(key) < 16:
                raise ValueError("each key needs at least 16 characters")
            allowed = frozenset(f for f in facilities.split("+") if f) if facilities else None
            keys.append(ApiKey(SecretStr(key), allowed))
        return tuple(keys)

    @field_validator("abdm_facilities", mode="before")
    @classmethod
    def _facilities(cls, value: Any) -> tuple[ServedFacility, ...]:
        facilities = []
        for item in _items(value):
            if isinstance(item, ServedFacility):
                facilities.append(item)
                continue
            hfr_id, _, hip_id = item.partition("=")
            facilities.append(ServedFacility(hfr_id.strip(), (hip_id or hfr_id).strip()))
        if len({f.hip_id for f in facilities}) != len(facilities):
            raise ValueError("a HIP service id stands there twice")
        return tuple(facilities)

    @field_validator("callback_token_claims", mode="before")
    @classmethod
    def _claims(cls, value: Any) -> dict[str, str]:
        if isinstance(value, dict):
            return value
        pairs = [item.partition("=") for item in _items(value)]
        if any(not (name and sep and claim) for name, sep, claim in pairs):
            raise ValueError("write it as claim=value, for example iss=https://…,azp=…")
        return {name.strip(): claim.strip() for name, _, claim in pairs}

    @field_validator("facility_api_versions", mode="before")
    @classmethod
    def _versions(cls, value: Any) -> dict[str, str]:
        if isinstance(value, dict):
            return value
        pairs = [item.partition("=") for item in _items(value)]
        if any(not service or version not in API_VERSIONS for service, _, version in pairs):
            known = " or ".join(API_VERSIONS)
            raise ValueError(f"write it as HIP service id=version, where version is {known}")
        return {service.strip(): version for service, _, version in pairs}

    @field_validator(
        "abdm_url",
        "fhir_base_url",
        "public_url",
        "abdm_facility_url",
        "abha_url",
        "health_service_api_url",
        "phr_url",
        "watch_hook_url",
    )
    @classmethod
    def _url(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return value.rstrip("/")

    @field_validator("otp_headers", mode="before")
    @classmethod
    def _otp_headers(cls, value: Any) -> dict[str, Any]:
        if isinstance(value, dict):
            return value
        try:
            found = json.loads(value or "{}")
        except ValueError:
            found = None
        if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
            raise ValueError('write it as JSON, for example {"Authorization": "Bearer …"}')
        return found

    @field_validator("otp_body")
    @classmethod
    def _otp_body(cls, value: str, info: ValidationInfo) -> str:
        url: SecretStr | None = info.data.get("otp_url")
        places = value + (url.get_secret_value() if url else "")
        templated = value or info.data.get("otp_method") == "GET"
        if templated and not ("{mobile}" in places and ("{otp}" in places or "{text}" in places)):
            raise ValueError("OTP_URL and OTP_BODY need {mobile} and {otp} or {text} between them")
        return value

    @field_validator("hims_timezone")
    @classmethod
    def _timezone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(
                "is no time zone known here; write its IANA name, for example Asia/Kolkata"
            ) from None
        return value

    @field_validator("abdm_client_id", "abdm_client_secret", "seal_keys")
    @classmethod
    def _needed(cls, value: Any, info: ValidationInfo) -> Any:
        given = value.get_secret_value() if isinstance(value, SecretStr) else value
        if info.data.get("enable_abdm", True) and not given:
            raise ValueError("not set; ENABLE_ABDM=true needs it")
        return value

    @field_validator("redis_url")
    @classmethod
    def _redis_needs_postgresql(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        database = info.data.get("database_url")
        if value.get_secret_value() and database and _is_sqlite(database):
            raise ValueError(
                "several processes cannot share SQLite: set DATABASE_URL to a PostgreSQL database"
            )
        return value

    @property
    def api_versions(self) -> frozenset[str]:
        """The generations of the gateway's interface that some facility uses."""
        return frozenset({self.abdm_api_version, *self.facility_api_versions.values()})

    def api_version_of(self, service_id: str) -> str:
        """The generation in which the facility with this HIP or HIU service id speaks."""
        return self.facility_api_versions.get(service_id, self.abdm_api_version)

    def token_claims_of(self, generation: str) -> dict[str, str]:
        """What a callback's token of this generation must carry, by CALLBACK_TOKEN_CLAIMS."""
        own = f"{generation}:"
        found = {
            name.removeprefix(own): value
            for name, value in self.callback_token_claims.items()
            if name.startswith(own)
        }
        if generation == self.abdm_api_version:
            others = ("v3:", "v0.5:")
            plain = self.callback_token_claims.items()
            found |= {name: value for name, value in plain if not name.startswith(others)}
        return found

    @property
    def hims_zone(self) -> ZoneInfo:
        """The zone of HIMS times that state none."""
        return ZoneInfo(self.hims_timezone)

    @property
    def sqlite(self) -> bool:
        """Whether the adapter's own tables live in SQLite (one process only)."""
        return _is_sqlite(self.database_url)


def load_config(**overrides: Any) -> Config:
    """Read the settings, `overrides` (by field name) winning over the environment.

    Raises ConfigError with one sentence for every wrong or missing value.
    """
    try:
        return Config(**overrides)
    except ValidationError as error:
        problems = []
        for item in error.errors(include_input=False, include_url=False, include_context=False):
            name = str(item["loc"][0]).upper()
            text = item["msg"].removeprefix("Value error, ")
            problems.append(f"{name}: {text}")
        raise ConfigError(problems) from None
