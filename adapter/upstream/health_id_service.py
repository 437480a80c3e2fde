"""The Health ID service (V1, V2) behind the calls of the ABHA service; answers at once.

Aadhaar numbers and OTPs are encrypted here; mobile numbers and ABHA identifiers go in the clear, as
the service wants them. It verifies the Aadhaar OTP first, then asks for the mobile number, and
makes the account last: an `enrol` here only proves, and `create` follows. No exception text holds a
value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from adapter.config import Config
from adapter.crypto.errors import PublishedKeyInvalid
from adapter.crypto.rsa import PublishedKey, read_older_key
from adapter.protocol import health_id
from adapter.protocol.abha import (
    Account,
    Enrolled,
    LoginWay,
    OtpSent,
    Proven,
    UserTokens,
    Verified,
)
from adapter.protocol.abha_refusals import AbhaRefused, Reason
from adapter.protocol.errors import RetryLater, SessionExpired, UpstreamError
from adapter.protocol.health_id_refusals import judged, user_refused
from adapter.upstream import http
from adapter.upstream.abha_client import KeptKey
from adapter.upstream.gateway import Gateway
from adapter.upstream.rest import Service

Result = TypeVar("Result")

_WHO = "The Health ID service"
_NO_MASKED_SEARCH = (
    "The Health ID service shows nobody's ABHA for a mobile number alone; log in by mobile number, "
    "then choose."
)


class HealthIdService:
    """As `AbhaClient`, whose methods these are."""

    consent_version = health_id.CONSENT_VERSION
    ways: Mapping[tuple[str, str], LoginWay] = health_id.LOGIN_WAYS

    def __init__(self, config: Config, gateway: Gateway, clock: Callable[[], datetime]) -> None:
        self._suffix = config.x_cm_id
        self._service = Service(
            _WHO,
            config.health_service_api_url,
            cm_id=config.x_cm_id,
            gateway=gateway,
            clock=clock,
            judge=_judge,
            generation="v0.5",
        )
        self._key = KeptKey(self._fetch_key, clock, _old_key)

    # --- encryption -------------------------------------------------------------------------

    def protected(self, what: str, value: str) -> str:
        """Encrypted, or as it is where the service takes it so."""
        return value if what in health_id.CLEAR else self._key.encrypted(value)

    def protecting(
        self, what: str, value: str, call: Callable[[str], Result]
    ) -> tuple[str, Result]:
        """(`value` as it went out, result) of `call`."""
        if what in health_id.CLEAR:
            return value, call(value)
        return self._key.protecting(value, call)

    def _fetch_key(self) -> PublishedKey:
        answer = self._service.call("HealthIdCert", "GET", health_id.CERTIFICATE_PATH)
        try:
            return read_older_key(answer.body)
        except PublishedKeyInvalid as error:
            raise RetryLater(str(error)) from None

    # --- enrolment --------------------------------------------------------------------------

    def send_aadhaar_otp(self, protected: str, transaction: str = "") -> OtpSent:
        """An OTP to the mobile of an Aadhaar number; `transaction`: to send it again."""
        if transaction:
            body = {"txnId": transaction}
            data = self._post("HealthIdAadhaarOtpAgain", health_id.AADHAAR_OTP_AGAIN_PATH, body)
        else:
            body = {"aadhaar": protected}
            data = self._post("HealthIdAadhaarOtp", health_id.AADHAAR_OTP_PATH, body)
        return _sent(data, transaction)

    def enrol(self, transaction: str, otp: str, _mobile: str) -> Proven:
        """The Aadhaar number is its holder's; nothing is made yet."""

        def call(encrypted: str) -> Mapping[str, Any]:
            body = {"otp": encrypted, "txnId": transaction}
            return self._post("HealthIdVerifyAadhaar", health_id.VERIFY_AADHAAR_PATH, body)

        _, data = self.protecting("otp", otp, call)
        return Proven(str(data.get("txnId") or transaction))

    def create(self, transaction: str, mobile: str | None) -> Enrolled | OtpSent:
        """The account of a proven Aadhaar number, once the mobile is the one at Aadhaar or proven.

        One that is there already is given again, so this may be repeated after a lost answer.
        """
        if mobile is not None:
            body = {"mobile": mobile, "txnId": transaction}
            data = self._post("HealthIdCheckMobile", health_id.CHECK_MOBILE_PATH, body)
            transaction = str(data.get("txnId") or transaction)
            if data.get("mobileLinked") is not True:
                return OtpSent(transaction, mobile)
        data = self._post(
            "HealthIdCreate", health_id.CREATE_PATH, health_id.create_body(transaction)
        )
        held = health_id.tokens(data)
        if held is None or not data.get("healthIdNumber"):
            raise RetryLater(f"{_WHO} answered without an account; try again in a moment.")
        return Enrolled(transaction, held, health_id.profile(data), data.get("new") is not False)

    def send_mobile_otp(self, transaction: str, mobile: str) -> OtpSent:
        """Never needed: `create` has the number proven before there is an account."""
        raise AbhaRefused(
            f"{_WHO} takes a mobile number only before the ABHA is made.", Reason.OTHER
        )

    def verify_mobile(self, transaction: str, otp: str) -> None:
        """Return if the OTP was that of the mobile number."""

        def call(encrypted: str) -> Mapping[str, Any]:
            body = {"otp": encrypted, "txnId": transaction}
            return self._post("HealthIdVerifyMobile", health_id.VERIFY_MOBILE_PATH, body)

        self.protecting("otp", otp, call)

    def suggestions(self, _transaction: str) -> tuple[str, ...]:
        """None: the service offers no addresses, so the person thinks of one."""
        return ()

    def set_address(self, transaction: str, local: str) -> str:
        """Give the account this address and confirm it; the full address."""
        body = {"phrAddress": local, "txnId": transaction}
        self._post("HealthIdAddress", health_id.ADDRESS_PATH, body)
        confirmed = self._post("HealthIdConfirm", health_id.CONFIRM_PATH, {"txnId": transaction})
        return health_id.address(confirmed, local, self._suffix)

    # --- login ------------------------------------------------------------------------------

    def search_number(self, abha_number: str) -> Mapping[str, Any]:
        """What is known of an ABHA number."""
        body = {"healthId": abha_number}
        return health_id.found(self._post("HealthIdSearch", health_id.SEARCH_PATH, body))

    def search_address(self, address: str) -> Mapping[str, Any]:
        """What is known of an ABHA address."""
        return self.search_number(address)

    def search_mobile(self, mobile: str) -> tuple[str, tuple[Account, ...]]:
        """Refused: the service has no such search."""
        raise AbhaRefused(_NO_MASKED_SEARCH, Reason.METHOD)

    def send_login_otp(self, way: LoginWay, protected: str, transaction: str = "") -> OtpSent:
        """An OTP for logging in; `transaction`: to send it again."""
        if transaction:
            path, body = health_id.login_again(way, transaction)
            return _sent(self._post("HealthIdLoginOtpAgain", path, body), transaction)
        body = health_id.login_otp_body(way, protected)
        return _sent(self._post("HealthIdLoginOtp", way.otp_path, body))

    def verify_login(self, way: LoginWay, transaction: str, otp: str) -> Verified:
        """Tokens and accounts of whoever holds the OTP."""

        def call(encrypted: str) -> Mapping[str, Any]:
            body = {"otp": encrypted, "txnId": transaction}
            return self._post("HealthIdLoginVerify", way.verify_path, body)

        _, data = self.protecting("otp", otp, call)
        held = _given(data)
        return Verified(
            str(data.get("txnid") or data.get("txnId") or transaction),
            held,
            health_id.accounts(data),
        )

    def choose(self, transfer_token: str, abha_number: str, transaction: str) -> UserTokens:
        """The tokens of one account of a login by mobile number."""
        body = {"healthId": abha_number, "txnId": transaction}
        headers = {"T-Token": f"Bearer {transfer_token}"}
        call = self._as_user("HealthIdChoose", "POST", health_id.CHOOSE_PATH, body, headers)
        return _given(self._object(call))

    # --- what a logged-in patient may see ------------------------------------------------------

    def refresh(self, refresh_token: str) -> UserTokens:
        """A new token; the refresh token stays the one there is."""
        body = {"refreshToken": refresh_token}
        try:
            answer = self._as_user("HealthIdRefresh", "POST", health_id.REFRESH_PATH, body)
        except AbhaRefused as error:
            if error.reason is not Reason.OTHER:
                raise
            raise user_refused() from error  # 422 without a known code: "not possible"
        return _given(self._object(answer))

    def profile(self, token: str, *, of_address: bool = False) -> Mapping[str, Any]:
        """The account's profile, by V3's names."""
        headers = {"X-Token": f"Bearer {token}"}
        answer = self._as_user("HealthIdProfile", "GET", health_id.PROFILE_PATH, None, headers)
        return health_id.profile(self._object(answer))

    def image(self, token: str, what: str, *, of_address: bool = False) -> tuple[bytes, str]:
        """(bytes, content type) of the "card" or the "qr" code."""
        headers = {"X-Token": f"Bearer {token}"}
        path = health_id.IMAGE_PATHS[what]
        answer = self._as_user("HealthIdImage", "GET", path, None, headers)
        kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if not answer.body or kind not in ("image/png", "image/jpeg"):
            raise RetryLater(f"{_WHO} answered without an image.")
        return answer.body, kind

    # --- calls --------------------------------------------------------------------------------

    def _post(self, operation: str, path: str, body: Any) -> Mapping[str, Any]:
        return self._object(self._service.call(operation, "POST", path, body))

    def _as_user(
        self,
        operation: str,
        method: str,
        path: str,
        body: Any,
        headers: Mapping[str, str] | None = None,
    ) -> http.Answer:
        """A call with a patient's token: a 401 that our new session too has met is about that."""
        try:
            return self._service.call(operation, method, path, body, headers=headers)
        except SessionExpired as error:
            raise user_refused() from error

    def _object(self, answer: http.Answer) -> Mapping[str, Any]:
        data = self._service.json(answer)
        return data if isinstance(data, Mapping) else {}  # several calls answer with `true`


def _judge(operation: str, answer: http.Answer, now: datetime) -> UpstreamError:
    return judged(operation, answer.body, status=answer.status, retry_after=answer.retry_after(now))


def _old_key(error: AbhaRefused) -> bool:
    return error.code == "HIS-1047"


def _sent(data: Mapping[str, Any], known: str = "") -> OtpSent:
    transaction = data.get("txnId") or known
    if not isinstance(transaction, str) or not transaction:
        raise RetryLater(f"{_WHO} answered without a transaction id.")
    return OtpSent(transaction, str(data.get("mobileNumber") or ""))


def _given(data: Mapping[str, Any]) -> UserTokens:
    held = health_id.tokens(data)
    if held is None:
        raise RetryLater(f"{_WHO} answered without a token.")
    return held
