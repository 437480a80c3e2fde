"""The ABHA service (M1): enrolment, login, profile, card; called by name, answering at once.

Aadhaar numbers, OTPs and the other protected values are encrypted here, with the key the service
publishes; what leaves this module of them is ciphertext. No exception text holds a value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from adapter.config import Config
from adapter.crypto.errors import PublishedKeyInvalid
from adapter.crypto.rsa import PublishedKey, read_key
from adapter.protocol import abha
from adapter.protocol.abha import Account, Enrolled, LoginWay, OtpSent, UserTokens, Verified
from adapter.protocol.abha_refusals import AbhaRefused, Reason, judged
from adapter.protocol.errors import Rejected, RetryLater, UpstreamError
from adapter.protocol.messages import ErrorObject
from adapter.protocol.refusals import read_refusal
from adapter.upstream import http
from adapter.upstream.abha_client import KeptKey
from adapter.upstream.gateway import Gateway
from adapter.upstream.rest import Service

Result = TypeVar("Result")

_WHO = "The ABHA service"
_MOBILE_SCOPE = ("abha-enrol", "mobile-verify")


class AbhaService:
    """Every method may be called by any thread and raises UpstreamError (`AbhaRefused` with its
    reason where the service said no)."""

    consent_version = abha.CONSENT_VERSION
    ways: Mapping[tuple[str, str], LoginWay] = abha.LOGIN_WAYS

    def __init__(self, config: Config, gateway: Gateway, clock: Callable[[], datetime]) -> None:
        self._service = Service(
            _WHO,
            config.abha_url,
            cm_id=config.x_cm_id,
            gateway=gateway,
            clock=clock,
            judge=_judge,
        )
        self._key = KeptKey(self._fetch_key, clock, _old_key)

    # --- encryption -------------------------------------------------------------------------

    def protected(self, _what: str, value: str) -> str:
        """`value` encrypted: V3 takes nothing else."""
        return self._key.encrypted(value)

    def protecting(
        self, _what: str, value: str, call: Callable[[str], Result]
    ) -> tuple[str, Result]:
        """(ciphertext, result) of `call` with `value` encrypted."""
        return self._key.protecting(value, call)

    def _fetch_key(self) -> PublishedKey:
        data = self._ask("PublicCertificate", "GET", abha.CERTIFICATE_PATH)
        try:
            return read_key(
                str(data.get("publicKey", "")), str(data.get("encryptionAlgorithm", ""))
            )
        except PublishedKeyInvalid as error:
            raise RetryLater(str(error)) from None

    # --- enrolment --------------------------------------------------------------------------

    def send_aadhaar_otp(self, protected: str, transaction: str = "") -> OtpSent:
        """An OTP to the mobile of an Aadhaar number; `transaction`: to send it again."""
        body = abha.enrol_otp_body(protected, transaction, mobile=False)
        return _sent(self._ask("EnrolOtpAadhaar", "POST", abha.ENROL_OTP_PATH, body))

    def enrol(self, transaction: str, otp: str, mobile: str) -> Enrolled:
        """Create the ABHA of whoever holds the OTP, or show the one that is there."""

        def call(encrypted: str) -> Mapping[str, Any]:
            body = abha.enrol_body(transaction, encrypted, mobile)
            return self._ask("EnrolByAadhaar", "POST", abha.ENROL_PATH, body)

        _, data = self.protecting("otp", otp, call)
        profile, held = data.get("ABHAProfile"), abha.tokens(data)
        if not isinstance(profile, Mapping) or held is None:
            raise RetryLater(f"{_WHO} answered without a profile.")
        return Enrolled(
            str(data.get("txnId") or transaction), held, profile, data.get("isNew") is True
        )

    def create(self, transaction: str, mobile: str | None) -> Enrolled | OtpSent:
        """Never needed: `enrol` has made the ABHA."""
        raise Rejected(f"{_WHO} makes an ABHA with the one-time password; start again.")

    def send_mobile_otp(self, transaction: str, mobile: str) -> OtpSent:
        """An OTP to the mobile number for communication."""

        def call(encrypted: str) -> OtpSent:
            body = abha.enrol_otp_body(encrypted, transaction, mobile=True)
            return _sent(self._ask("EnrolOtpMobile", "POST", abha.ENROL_OTP_PATH, body))

        return self.protecting("mobile", mobile, call)[1]

    def verify_mobile(self, transaction: str, otp: str) -> None:
        """Return if the OTP was that of the mobile number."""

        def call(encrypted: str) -> Mapping[str, Any]:
            body = abha.verify_body(_MOBILE_SCOPE, transaction, encrypted)
            return self._ask("EnrolVerifyMobile", "POST", abha.ENROL_MOBILE_PATH, body)

        self.protecting("otp", otp, call)

    def suggestions(self, transaction: str) -> tuple[str, ...]:
        """Free ABHA addresses, without their suffix."""
        headers = {"Transaction_Id": transaction}
        data = self._ask("EnrolSuggestion", "GET", abha.SUGGESTION_PATH, headers=headers)
        return tuple(str(each) for each in data.get("abhaAddressList") or ())

    def set_address(self, transaction: str, local: str) -> str:
        """Give the ABHA this address; the full address."""
        body = {"txnId": transaction, "abhaAddress": local, "preferred": 1}
        data = self._ask("EnrolSetAddress", "POST", abha.ADDRESS_PATH, body)
        address = data.get("preferredAbhaAddress")
        if not isinstance(address, str) or "@" not in address:
            raise RetryLater(f"{_WHO} answered without the address.")
        return address

    # --- login ------------------------------------------------------------------------------

    def search_number(self, abha_number: str) -> Mapping[str, Any]:
        """What is known of an ABHA number (dashed): status, methods offered and blocked."""
        body = {"ABHANumber": abha_number}
        return self._ask("LoginSearch", "POST", abha.SEARCH_PATH, body)

    def search_address(self, address: str) -> Mapping[str, Any]:
        """What is known of an ABHA address; asked with its suffix, then without (section 21)."""
        try:
            body = {"abhaAddress": address}
            return self._ask("AddressSearch", "POST", abha.ADDRESS_SEARCH_PATH, body)
        except AbhaRefused as error:
            if error.reason not in (Reason.NOT_FOUND, Reason.OTHER) or "@" not in address:
                raise
        body = {"abhaAddress": address.partition("@")[0]}
        return self._ask("AddressSearch", "POST", abha.ADDRESS_SEARCH_PATH, body)

    def search_mobile(self, mobile: str) -> tuple[str, tuple[Account, ...]]:
        """(transaction, masked accounts) of a mobile number; one is chosen by its index."""

        def call(encrypted: str) -> Mapping[str, Any]:
            body = {"scope": ["search-abha"], "mobile": encrypted}
            return self._ask("MobileSearch", "POST", abha.MOBILE_SEARCH_PATH, body)

        _, data = self.protecting("mobile", mobile, call)
        return str(data.get("txnId") or ""), abha.accounts(data)

    def send_login_otp(self, way: LoginWay, protected: str, transaction: str = "") -> OtpSent:
        """An OTP for logging in; `transaction`: to send it again, or from a search by mobile."""
        body = abha.login_otp_body(way, protected, transaction)
        return _sent(self._ask("LoginOtp", "POST", way.otp_path, body))

    def verify_login(self, way: LoginWay, transaction: str, otp: str) -> Verified:
        """Tokens and accounts of whoever holds the OTP."""

        def call(encrypted: str) -> Mapping[str, Any]:
            body = abha.verify_body(way.scope, transaction, encrypted)
            return self._ask("LoginVerify", "POST", way.verify_path, body)

        _, data = self.protecting("otp", otp, call)
        held = abha.tokens(data)
        if held is None:
            raise RetryLater(f"{_WHO} answered without a token.")
        return Verified(data.get("txnId") or transaction, held, abha.accounts(data))

    def choose(self, transfer_token: str, abha_number: str, transaction: str) -> UserTokens:
        """The tokens of one account (dashed number) of a login by mobile number."""
        body = {"ABHANumber": abha_number, "txnId": transaction}
        headers = {"T-token": f"Bearer {transfer_token}"}
        data = self._ask("VerifyUser", "POST", abha.VERIFY_USER_PATH, body, headers=headers)
        held = abha.tokens(data)
        if held is None:
            raise RetryLater(f"{_WHO} answered without a token.")
        return held

    # --- what a logged-in patient may see ------------------------------------------------------

    def refresh(self, refresh_token: str) -> UserTokens:
        """New tokens for a refresh token."""
        headers = {"R-token": f"Bearer {refresh_token}"}
        held = abha.tokens(self._ask("TokenRefresh", "GET", abha.REFRESH_PATH, headers=headers))
        if held is None:
            raise RetryLater(f"{_WHO} answered without a token.")
        return held

    def profile(self, token: str, *, of_address: bool = False) -> Mapping[str, Any]:
        """The account's profile; `of_address`: of a login by ABHA address."""
        path = abha.PROFILE_PATHS[of_address]["profile"]
        return self._ask("ProfileGet", "GET", path, headers=_user(token))

    def image(self, token: str, what: str, *, of_address: bool = False) -> tuple[bytes, str]:
        """(bytes, content type) of the "card" or the "qr" code.

        ABDM answers 200 or 202, whatever the documents say.
        """
        path = abha.PROFILE_PATHS[of_address][what]
        answer = self._service.call(
            "ProfileImage", "GET", path, headers=_user(token), accepts=range(200, 300)
        )
        kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if not answer.body or kind not in ("image/png", "image/jpeg", "application/pdf"):
            raise RetryLater(f"{_WHO} answered without an image.")
        return answer.body, kind

    def _ask(
        self,
        operation: str,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> Mapping[str, Any]:
        answer = self._service.call(operation, method, path, body, headers=headers)
        data = abha.one(self._service.json(answer))
        words = abha.failed(data)
        if words is not None:
            raise _failed(operation, words)
        return data


def _judge(operation: str, answer: http.Answer, now: datetime) -> UpstreamError:
    return judged(
        operation,
        read_refusal(answer.body, answer.status),
        status=answer.status,
        retry_after=answer.retry_after(now),
    )


def _old_key(error: AbhaRefused) -> bool:
    # A replaced key looks like bad data (section 4).
    return error.reason is Reason.DATA and error.status == 400


def _failed(operation: str, words: str) -> UpstreamError:
    """A refusal that came with HTTP 200: an OTP that is wrong or has expired."""
    error = judged(operation, ErrorObject("", words), status=200)
    if isinstance(error, AbhaRefused) and error.reason is Reason.OTHER:
        return judged(operation, ErrorObject("", "Invalid OTP"), status=200)
    return error


def _sent(data: Mapping[str, Any]) -> OtpSent:
    transaction = data.get("txnId")
    if not isinstance(transaction, str) or not transaction:
        raise RetryLater(f"{_WHO} answered without a transaction id.")
    return OtpSent(transaction, str(data.get("message") or "The OTP has been sent."))


def _user(token: str) -> dict[str, str]:
    return {"X-token": f"Bearer {token}"}
