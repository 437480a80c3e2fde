"""What the flows ask of an ABHA service, whichever one answers, and the key that each publishes.

Two services keep the same accounts: ABHA's of V3 (`abha_service`) and the older Health ID's
(`health_id_service`). Which one a facility uses is decided in `runtime`, once; what differs between
them (who wants what encrypted, in which order an account is made) stays inside them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from adapter.crypto.rsa import PublishedKey
from adapter.protocol.abha import (
    Account,
    Enrolled,
    LoginWay,
    OtpSent,
    Proven,
    UserTokens,
    Verified,
)
from adapter.protocol.abha_refusals import AbhaRefused

Result = TypeVar("Result")

KEY_LIFE = timedelta(hours=6)


class AbhaClient(Protocol):
    """Every method may be called by any thread and raises UpstreamError (`AbhaRefused` with its
    reason where the service said no, or has no such call)."""

    @property
    def consent_version(self) -> str:
        """The version of the consent text that the service takes."""

    @property
    def ways(self) -> Mapping[tuple[str, str], LoginWay]:
        """The ways to log in by one-time password, by (what is known, where the OTP goes)."""

    def protected(self, what: str, value: str, /) -> str:
        """`value` as it goes out and may wait: an Aadhaar number or OTP for ABDM alone.

        `what`: aadhaar, otp, mobile, abha_number, abha_address, index.
        """

    def protecting(
        self, what: str, value: str, call: Callable[[str], Result], /
    ) -> tuple[str, Result]:
        """(`value` as it went out, result) of `call` with it; once more where the key was old."""

    def send_aadhaar_otp(self, protected: str, transaction: str = "") -> OtpSent:
        """An OTP to the mobile of an Aadhaar number; `transaction`: to send it again."""

    def enrol(self, transaction: str, otp: str, mobile: str) -> Enrolled | Proven:
        """Whoever holds the OTP has an ABHA, or has only proven their Aadhaar number: `create`."""

    def create(self, transaction: str, mobile: str | None) -> Enrolled | OtpSent:
        """The ABHA of whoever has proven their Aadhaar number; may be repeated.

        `mobile`: the number for communication, unless it is proven. OtpSent: it has to be, first.
        """

    def send_mobile_otp(self, transaction: str, mobile: str) -> OtpSent:
        """An OTP to the mobile number for communication of an ABHA that is there."""

    def verify_mobile(self, transaction: str, otp: str) -> None:
        """Return if the OTP was that of the mobile number."""

    def suggestions(self, transaction: str) -> tuple[str, ...]:
        """Free ABHA addresses, without their suffix; none where the service offers none."""

    def set_address(self, transaction: str, local: str) -> str:
        """Give the ABHA this address; the full address."""

    def search_number(self, abha_number: str) -> Mapping[str, Any]:
        """What is known of an ABHA number (dashed): status, methods offered and blocked."""

    def search_address(self, address: str) -> Mapping[str, Any]:
        """What is known of an ABHA address."""

    def search_mobile(self, mobile: str) -> tuple[str, tuple[Account, ...]]:
        """(transaction, masked accounts) of a mobile number; one is chosen by its index."""

    def send_login_otp(self, way: LoginWay, protected: str, transaction: str = "") -> OtpSent:
        """An OTP for logging in; `transaction`: to send it again, or from a search by mobile."""

    def verify_login(self, way: LoginWay, transaction: str, otp: str) -> Verified:
        """Tokens and accounts of whoever holds the OTP."""

    def choose(self, transfer_token: str, abha_number: str, transaction: str) -> UserTokens:
        """The tokens of one account (dashed number) of a login by mobile number."""

    def refresh(self, refresh_token: str) -> UserTokens:
        """New tokens for a refresh token."""

    def profile(self, token: str, *, of_address: bool = False) -> Mapping[str, Any]:
        """The account's profile, by V3's names; `of_address`: of a login by ABHA address."""

    def image(self, token: str, what: str, *, of_address: bool = False) -> tuple[bytes, str]:
        """(bytes, content type) of the "card" or the "qr" code."""


class KeptKey:
    """A service's key for encrypting, kept for hours and fetched again once where it may be old.

    `fetch` raises UpstreamError; `stale`: whether a refusal may mean that the key was replaced.
    """

    def __init__(
        self,
        fetch: Callable[[], PublishedKey],
        clock: Callable[[], datetime],
        stale: Callable[[AbhaRefused], bool],
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._stale = stale
        self._lock = threading.Lock()
        self._key: tuple[PublishedKey, datetime] | None = None

    def encrypted(self, value: str) -> str:
        """`value` for ABDM alone, with the key in force."""
        return self._present().encrypt(value)

    def protecting(self, value: str, call: Callable[[str], Result]) -> tuple[str, Result]:
        """(ciphertext, result) of `call` with `value` encrypted; once more with a new key where
        the old one may be the fault."""
        encrypted = self.encrypted(value)
        try:
            return encrypted, call(encrypted)
        except AbhaRefused as error:
            if not self._stale(error):
                raise
            used = self._present()
            with self._lock:
                self._key = None
            if self._present().key.public_numbers() == used.key.public_numbers():
                raise
        encrypted = self.encrypted(value)
        return encrypted, call(encrypted)

    def _present(self) -> PublishedKey:
        with self._lock:
            if self._key is None or self._clock() - self._key[1] >= KEY_LIFE:
                self._key = (self._fetch(), self._clock())
            return self._key[0]
