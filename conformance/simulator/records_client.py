"""The part of SimulatorClient for records that our hospital asks other hospitals for.

It puts documents into the simulator's own HIPs, says how they push, and watches what the HIU
under test asks, acknowledges and reports.
"""

import base64
from collections.abc import Callable
from datetime import datetime
from typing import Any

from conformance.simulator.control_client import ControlClient
from conformance.simulator.results import (
    ConsentRequestView,
    HeldDocument,
    NoticeView,
    Transfer,
)
from conformance.simulator.times import timestamp


class RecordsClient(ControlClient):
    """What the other hospitals hold, and the HIU's side of consent and data."""

    # -- the other hospitals -----------------------------------------------------------------

    def add_record(
        self,
        hip_id: str,
        abha_address: str,
        care_context: str,
        hi_type: str,
        content: bytes,
        display: str = "Visit",
        patient_reference: str = "P-1",
        dated_at: datetime | None = None,
    ) -> None:
        """Put a document into a HIP of the simulator's own and link its care context.

        Without `dated_at` it falls under every date range.
        """
        self._act(
            "add-record",
            hip_id=hip_id,
            abha_address=abha_address,
            patient_reference=patient_reference,
            care_context=care_context,
            hi_type=hi_type,
            display=display,
            content=base64.b64encode(content).decode(),
            dated_at=timestamp(dated_at) if dated_at else None,
        )

    def hip_documents(self, hip_id: str | None = None) -> list[HeldDocument]:
        """What the simulator's own HIPs hold, or one of them."""
        return [HeldDocument(**one) for one in self._act("hip-documents", hip_id=hip_id)]

    def push_style(self, target: str, like: str | None = None, **style: Any) -> None:
        """How a HIP (by service id) or one artefact's HIP (by artefact id) pushes from now on.

        `style` are fields of PushStyle, `like` a name of push_plan.PEERS; what neither names is as
        NHA wants it.
        """
        self._act("push-style", target=target, like=like, style=style)

    # -- the HIU's side ----------------------------------------------------------------------

    def consent_request(self, request_id: str) -> ConsentRequestView:
        """A consent request with the notices of it."""
        return ConsentRequestView.read(self._act("consent-request", request_id=request_id))

    def wait_consent_request(
        self, abha_address: str, hiu_id: str, timeout: float | None = None
    ) -> ConsentRequestView:
        """Wait until an HIU asks a patient; returns its newest request that is unanswered."""

        def read() -> list[ConsentRequestView]:
            found = self._act("consent-requests", abha_address=abha_address)
            views = [ConsentRequestView.read(item) for item in found]
            return [v for v in views if v.hiu_id == hiu_id and v.status == "REQUESTED"]

        what = f"a consent request of {hiu_id} to {abha_address}"
        return self._await(what, read, bool, timeout)[-1]

    def wait_hiu_acknowledged(
        self,
        request_id: str,
        status: str,
        artefact_id: str | None = None,
        timeout: float | None = None,
    ) -> NoticeView:
        """Wait until the HIU acknowledged a notice, of one artefact if that is named."""

        def read() -> list[NoticeView]:
            return [
                notice
                for notice in self.consent_request(request_id).notices
                if notice.status == status
                and artefact_id in (None, *notice.artefacts)
                and notice.acknowledgement in ("OK", "ERROR")
            ]

        what = f"the HIU's acknowledgement of {status} for the request {request_id}"
        return self._await(what, read, bool, timeout)[0]

    def wait_data_request(self, artefact_id: str, timeout: float | None = None) -> Transfer:
        """Wait until somebody asked for the data of an artefact; returns the newest request."""
        return self._wait_transfer_that(
            artefact_id, f"a data request under {artefact_id}", lambda _: True, timeout
        )

    def wait_reported(self, artefact_id: str, timeout: float | None = None) -> Transfer:
        """Wait until the HIU reported on the newest data request of an artefact."""
        return self._wait_transfer_that(
            artefact_id,
            f"the HIU's report on the data of {artefact_id}",
            lambda transfer: bool(transfer.hiu_notifications),
            timeout,
        )

    def _wait_transfer_that(
        self,
        artefact_id: str,
        what: str,
        ready: Callable[[Transfer], bool],
        timeout: float | None,
    ) -> Transfer:
        def read() -> Transfer | None:
            found = self._act("transfers", artefact_id=artefact_id)
            if not found:
                return None
            return Transfer.read(self._act("transfer", transaction_id=found[-1]))

        seen = self._await(what, read, lambda one: one is not None and ready(one), timeout)
        assert seen is not None  # noqa: S101 - `_await` returns only what is ready
        return seen
