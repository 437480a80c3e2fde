"""The part of SimulatorClient that knows Aadhaar holders and their ABHA."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from conformance.simulator.control_client import ControlClient


@dataclass(frozen=True)
class AbhaView:
    """An ABHA as ABDM knows it; `mobile` is the verified one, None while there is none."""

    abha_number: str
    addresses: list[str]
    preferred: str
    mobile: str | None
    status: str
    aadhaar: str
    name: str


class AbhaClient(ControlClient):
    """People, accounts, codes and QR texts, over the control calls."""

    def add_person(
        self,
        first_name: str,
        last_name: str,
        gender: str,
        born: str,
        mobile: str,
        **more: str,
    ) -> str:
        """Register an invented Aadhaar holder; returns the Aadhaar number.

        `born` is YYYY-MM-DD, `mobile` the one linked to the Aadhaar ("" for none). `more`:
        middle_name, aadhaar, address, district_code, district, state_code, state, pincode, photo.
        """
        return str(
            self._act(
                "add-person",
                first_name=first_name,
                last_name=last_name,
                gender=gender,
                born=born,
                mobile=mobile,
                **more,
            )
        )

    def add_abha(
        self,
        aadhaar: str,
        abha_number: str | None = None,
        abha_address: str | None = None,
        mobile: str | None = None,
        status: str = "ACTIVE",
    ) -> str:
        """Give an Aadhaar holder an ABHA; returns its number, with dashes."""
        return str(
            self._act(
                "add-abha",
                aadhaar=aadhaar,
                abha_number=abha_number,
                abha_address=abha_address,
                mobile=mobile,
                status=status,
            )
        )

    def abha(self, abha_number: str) -> AbhaView:
        """The account with that number."""
        return AbhaView(**self._act("abha", abha_number=abha_number))

    def abha_of(self, aadhaar: str) -> AbhaView | None:
        """The account of an Aadhaar holder, or None."""
        found: dict[str, Any] | None = self._act("abha-of", aadhaar=aadhaar)
        return None if found is None else AbhaView(**found)

    def set_abha_status(self, abha_number: str, status: str) -> None:
        """Make an account DEACTIVATED or ACTIVE."""
        self._act("abha-status", abha_number=abha_number, status=status)

    def block_abha_methods(self, abha_number: str, methods: Sequence[str]) -> None:
        """Block ways of authentication, for example ["MOBILE_OTP"]; none frees them all."""
        self._act("abha-block-methods", abha_number=abha_number, methods=list(methods))

    def rotate_abha_key(self) -> None:
        """Encrypt with a new key from now on; what the old one encrypted is refused."""
        self._act("abha-rotate-key")

    def abha_otp(self, txn_id: str) -> str:
        """The newest code sent under a txnId (`latest_otp(mobile)` reads the SMS instead)."""
        return str(self._act("abha-otp", txn_id=txn_id))

    def abha_qr(self, abha_number: str, form: str = "card") -> str:
        """The text in a person's QR, in one of `abha_cards.FORMS`, malformed ones included."""
        return str(self._act("abha-qr", abha_number=abha_number, form=form))
