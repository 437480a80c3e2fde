"""Settings of the simulator: every published or observed habit of ABDM that varies, as a value.

Defaults follow V3 contract 11 and 14; tests shorten the waits. Must not read the environment.
"""

from dataclasses import dataclass, fields, replace
from typing import Any, Literal

AlreadyLinked = Literal["sync-9999", "sync-1090", "callback-1056"]
ShareSpelling = Literal["spec", "seen"]
ShareVersion = Literal["v1.0", "v0.5"]
WrongLoginOtp = Literal["field", "failed"]
WrongMobileOtp = Literal["failed", "description"]


class SettingError(ValueError):
    """A setting with an unknown name or an unusable value."""


@dataclass(frozen=True)
class SimulatorConfig:
    """Times are seconds; `public_url` is where the adapter reaches the simulator.

    `link_token_uses`, `auth_*` and `share_version` are about bridges of the older generation only.
    """

    public_url: str = "http://127.0.0.1:8090"
    cm_id: str = "sbx"
    session_seconds: int = 1200
    session_status: int = 202
    timestamp_tolerance: int = 300
    certs_need_token: bool = False

    callback_delay_min: float = 0.05
    callback_delay_max: float = 0.2
    callback_timeout: float = 10.0
    callback_repeat_after: float = 960.0
    callback_token_seconds: int = 1200

    link_token_seconds: int = 182 * 86400
    link_token_memory: float = 372.0
    link_token_uses: int = 1
    auth_modes: str = "DEMOGRAPHICS,MOBILE_OTP,AADHAAR_OTP,DIRECT"
    auth_seconds: float = 600.0
    auth_tries: int = 3
    refusals_before_block: int = 20
    block_seconds: float = 86400.0
    already_linked: AlreadyLinked = "sync-9999"
    context_notify_race: float = 0.0
    sms_notify_answered: bool = True
    self_request_after: float | None = None

    link_transaction_seconds: float = 1800.0
    discovery_deadline: float = 10.0
    otp_as_number: bool = False

    consent_request_seconds: float = 48 * 3600.0
    acknowledgement_seconds: float = 60.0
    expiry_notice: bool = True
    hiu_refused_in_callback: bool = True

    on_request_status: int = 200
    push_needs_bearer: bool = False

    share_deadline: float = 30.0
    share_spelling: ShareSpelling = "spec"
    share_version: ShareVersion = "v1.0"

    abha_otp_seconds: float = 600.0
    abha_otp_sends: int = 3
    abha_otp_wrong: int = 3
    abha_lock_seconds: float = 1800.0
    abha_transaction_seconds: float = 1800.0
    abha_token_seconds: float = 1800.0
    abha_refresh_seconds: float = 1_296_000.0
    abha_transfer_seconds: float = 300.0
    abha_per_mobile: int = 6
    abha_creations: int = 100
    abha_wrong_login_otp: WrongLoginOtp = "field"
    abha_wrong_mobile_otp: WrongMobileOtp = "failed"
    abha_search_lists: bool = True
    abha_card_status: int = 200

    def changed(self, **settings: Any) -> "SimulatorConfig":
        """A copy with some settings changed; raises SettingError on unknown names or types."""
        kinds = {field.name: type(getattr(self, field.name)) for field in fields(self)}
        unknown = sorted(set(settings) - set(kinds))
        if unknown:
            raise SettingError(
                f"There is no setting {', '.join(unknown)}; choose from {', '.join(sorted(kinds))}."
            )
        for name, value in settings.items():
            wanted = kinds[name]
            fits = isinstance(value, wanted) or (wanted is float and isinstance(value, int))
            if name == "self_request_after":
                fits = value is None or isinstance(value, int | float)
            if not fits:
                raise SettingError(f"{name} must be of type {wanted.__name__}.")
        return replace(self, **settings)
