"""Drives a running simulator over HTTP, for the demo and the tests.

Methods that start something and return its outcome poll until it is there and raise
SimulatorTimeout, naming what they waited for. Times are aware datetimes.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from conformance.simulator.abha_client import AbhaClient
from conformance.simulator.control_client import SimulatorError, SimulatorTimeout
from conformance.simulator.records_client import RecordsClient
from conformance.simulator.refcrypto import KeyForm
from conformance.simulator.results import (
    ArtefactView,
    ConsentRequestView,
    Discovery,
    ErrorObject,
    LinkChallenge,
    LinkedEntry,
    LinkOutcome,
    NoticeView,
    PatientEntry,
    Transfer,
)
from conformance.simulator.share_client import ShareClient
from conformance.simulator.times import timestamp

__all__ = ["SimulatorClient", "SimulatorError", "SimulatorTimeout"]

ENDED = ("REFUSED", "TRANSFERRED", "FAILED")


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else timestamp(moment)


class SimulatorClient(RecordsClient, AbhaClient, ShareClient):
    """Everything a patient and a remote HIU do, over the control calls."""

    # -- linking -----------------------------------------------------------------------------

    def discover(
        self,
        abha_address: str,
        hip_id: str,
        unverified: Sequence[tuple[str, str]] = (),
        timeout: float | None = None,
    ) -> Discovery:
        """Discover at a HIP and wait for its on-discover."""
        transaction_id = self._act(
            "discover",
            abha_address=abha_address,
            hip_id=hip_id,
            unverified=[list(pair) for pair in unverified],
        )
        found = self._linking(transaction_id, "discovery", f"on-discover of {hip_id}", timeout)
        body = found["discovery"]
        return Discovery(
            transaction_id,
            [PatientEntry.read(entry) for entry in body.get("patient") or []],
            body.get("matchedBy") or [],
            ErrorObject.read(body),
            found["warnings"],
        )

    def link_init(
        self, transaction_id: str, references: Sequence[str] = (), timeout: float | None = None
    ) -> LinkChallenge:
        """Choose care contexts (none: all offered) and wait for on-init."""
        self._act("link-init", transaction_id=transaction_id, references=list(references))
        body = self._linking(transaction_id, "challenge", "on-init", timeout)["challenge"]
        link = body.get("link") or {}
        meta = link.get("meta") or {}
        return LinkChallenge(
            transaction_id,
            link.get("referenceNumber", ""),
            meta.get("communicationMedium", ""),
            meta.get("communicationHint") or "",
            meta.get("communicationExpiry", ""),
            ErrorObject.read(body),
        )

    def latest_otp(self, mobile: str, timeout: float | None = None) -> str:
        """The newest six-digit code sent to a number; waits for the first one."""
        codes = self._await(
            "an SMS with a code", lambda: list(self._act("otps", mobile=mobile)), bool, timeout
        )
        return str(codes[-1])

    def link_confirm(self, reference: str, otp: str, timeout: float | None = None) -> LinkOutcome:
        """Send the OTP and wait for on-confirm: what is linked now, or the error."""
        transaction_id = self._act("link-confirm", reference=reference, otp=otp)
        found = self._linking(transaction_id, "confirmation", "on-confirm", timeout)
        body = found["confirmation"]
        entries = [PatientEntry.read(entry) for entry in body.get("patient") or []]
        return LinkOutcome(entries, ErrorObject.read(body))

    def _linking(
        self, transaction_id: str, part: str, what: str, timeout: float | None
    ) -> dict[str, Any]:
        return self._await(
            f"{what} of the transaction {transaction_id}",
            lambda: dict(self._act("link-transaction", transaction_id=transaction_id)),
            lambda found: found[part] is not None,
            timeout,
        )

    def links(self, abha_address: str) -> list[LinkedEntry]:
        """What is linked to an ABHA address."""
        names = ("hip_id", "patient_reference", "care_context", "hi_type", "display")
        return [
            LinkedEntry(*(link[name] for name in names))
            for link in self._act("links", abha_address=abha_address)
        ]

    def auths(self, abha_address: str) -> list[dict[str, str]]:
        """What facilities ask a patient to allow in the app (v0.5, DIRECT), oldest first."""
        return list(self._act("auths", abha_address=abha_address))

    def decide_auth(self, auth_id: str, *, granted: bool = True) -> None:
        """The patient allows or denies it."""
        self._act("decide-auth", auth_id=auth_id, granted=granted)

    def patient_status(self, abha_address: str, status: str) -> None:
        """An account is DEACTIVATED, REACTIVATED or DELETED; linked v0.5 facilities are told."""
        self._act("patient-status", abha_address=abha_address, status=status)

    # -- consent -----------------------------------------------------------------------------

    def raise_consent_request(
        self,
        hiu_id: str,
        abha_address: str,
        hi_types: Sequence[str],
        date_from: datetime,
        date_to: datetime,
        erase_at: datetime,
        purpose: str = "CAREMGT",
        hip_id: str | None = None,
    ) -> str:
        """The remote HIU asks; returns the request id. An unknown HIU is registered."""
        request = self._act(
            "raise-consent-request",
            hiu_id=hiu_id,
            abha_address=abha_address,
            hi_types=list(hi_types),
            date_from=_text(date_from),
            date_to=_text(date_to),
            erase_at=_text(erase_at),
            purpose=purpose,
            hip_id=hip_id,
        )
        return str(request["id"])

    def consent_requests(self, abha_address: str) -> list[ConsentRequestView]:
        """All requests to a patient."""
        found = self._act("consent-requests", abha_address=abha_address)
        return [ConsentRequestView.read(item) for item in found]

    def grant(
        self,
        request_id: str,
        hi_types: Sequence[str] | None = None,
        date_from: datetime | None = None,
        date_to: datetime | None = None,
        erase_at: datetime | None = None,
        care_contexts: Sequence[str] | None = None,
        hip_ids: Sequence[str] | None = None,
        per_hip: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> list[str]:
        """Grant, narrowed where given; returns the artefact ids, one per HIP.

        `per_hip` gives other arguments of these names for single HIPs; what it leaves out is as
        asked there.
        """
        granted = self._act(
            "grant",
            request_id=request_id,
            hi_types=None if hi_types is None else list(hi_types),
            date_from=_text(date_from),
            date_to=_text(date_to),
            erase_at=_text(erase_at),
            care_contexts=None if care_contexts is None else list(care_contexts),
            hip_ids=None if hip_ids is None else list(hip_ids),
            per_hip={
                hip_id: {
                    name: timestamp(value) if isinstance(value, datetime) else value
                    for name, value in allowed.items()
                }
                for hip_id, allowed in (per_hip or {}).items()
            },
        )
        return [str(artefact_id) for artefact_id in granted]

    def deny(self, request_id: str) -> None:
        """Deny a consent request."""
        self._act("deny", request_id=request_id)

    def revoke(self, artefact_id: str) -> None:
        """Revoke a granted consent."""
        self._act("revoke", artefact_id=artefact_id)

    def artefact(self, artefact_id: str) -> ArtefactView:
        """An artefact with its state and the HIP's acknowledgements."""
        found = self._act("artefact", artefact_id=artefact_id)
        notices = [NoticeView.read(notice) for notice in found["notices"]]
        names = ("id", "request_id", "hip_id", "status", "detail")
        return ArtefactView(**{name: found[name] for name in names}, acknowledgements=notices)

    def wait_acknowledged(
        self, artefact_id: str, status: str, timeout: float | None = None
    ) -> NoticeView:
        """Wait until the HIP acknowledged the notice GRANTED, REVOKED or EXPIRED."""

        def notice() -> NoticeView | None:
            found = self.artefact(artefact_id).acknowledgements
            return next((n for n in found if n.status == status), None)

        found = self._await(
            f"the acknowledgement of {status} for the artefact {artefact_id}",
            notice,
            lambda one: one is not None and one.acknowledgement in ("OK", "ERROR"),
            timeout,
        )
        assert found is not None  # noqa: S101 - `_await` returns only what is ready
        return found

    # -- data --------------------------------------------------------------------------------

    def request_data(
        self,
        artefact_id: str,
        date_from: datetime | None = None,
        date_to: datetime | None = None,
        key_form: KeyForm = "raw",
        push_url: str | None = None,
        key_material: dict[str, Any] | None = None,
        *,
        hip_id: str | None = None,
        wait: bool = True,
        timeout: float | None = None,
    ) -> str:
        """The remote HIU asks for data; returns the transaction id.

        With `wait`, only once the transfer has ended one way or the other.
        """
        transaction_id = str(
            self._act(
                "request-data",
                artefact_id=artefact_id,
                date_from=_text(date_from),
                date_to=_text(date_to),
                key_form=key_form,
                push_url=push_url,
                key_material=key_material,
                hip_id=hip_id,
            )
        )
        if wait:
            self.wait_transfer(transaction_id, timeout)
        return transaction_id

    def transfer(self, transaction_id: str) -> Transfer:
        """A data request as it stands."""
        return Transfer.read(self._act("transfer", transaction_id=transaction_id))

    def wait_on_request(self, transaction_id: str, timeout: float | None = None) -> Transfer:
        """Wait until the HIP said whether it will serve a data request."""
        statuses = ("ACKNOWLEDGED", *ENDED)
        return self.wait_transfer(transaction_id, timeout, statuses)

    def transfers(self, artefact_id: str) -> list[str]:
        """The transaction ids of all data requests under an artefact, oldest first."""
        return [str(found) for found in self._act("transfers", artefact_id=artefact_id)]

    def wait_transfer(
        self,
        transaction_id: str,
        timeout: float | None = None,
        statuses: Sequence[str] = ENDED,
    ) -> Transfer:
        """Wait until a transfer is REFUSED, TRANSFERRED or FAILED, or in another given state."""
        self._await(
            f"the transfer {transaction_id} to be {' or '.join(statuses)}",
            lambda: str(self._act("transfer-status", transaction_id=transaction_id)),
            lambda status: status in statuses,
            timeout,
        )
        return self.transfer(transaction_id)
