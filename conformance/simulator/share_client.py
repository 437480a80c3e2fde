"""The part of SimulatorClient that knows facilities, and patients who share at a counter."""

from dataclasses import dataclass
from typing import Any

from conformance.simulator.control_client import ControlClient


@dataclass(frozen=True)
class ShareView:
    """A shared profile; `status` SENT, ACCEPTED, FAILED or UNANSWERED, times as text."""

    id: str
    abha_address: str
    hip_id: str
    counter: str
    status: str
    token_number: str | None
    sent_at: str
    answered_at: str | None
    expires_at: str | None
    error: dict[str, Any] | None


class ShareClient(ControlClient):
    """The registry's facilities and scan-and-share, over the control calls."""

    def add_facility(self, facility_id: str, name: str, **more: str) -> None:
        """Put a facility into the registry; `more`: address, status, service_id."""
        self._act("add-facility", facility_id=facility_id, name=name, **more)

    def scan_qr(self, abha_address: str, text: str, intent: str = "PROFILE_SHARE") -> str:
        """The patient's app scans the text of a counter's QR and shares; returns the share's id."""
        return str(self._act("scan-qr", abha_address=abha_address, text=text, intent=intent))

    def share(self, share_id: str) -> ShareView:
        """One share as it stands."""
        return ShareView(**self._act("share", share_id=share_id))

    def wait_share(self, share_id: str, timeout: float | None = None) -> ShareView:
        """Wait until the facility has answered a share, or its time is over."""
        return self._await(
            f"on-share of {share_id}",
            lambda: self.share(share_id),
            lambda found: found.status != "SENT",
            timeout,
        )

    def replay_share(self, share_id: str) -> None:
        """Deliver a share's callback again under the same REQUEST-ID."""
        self._act("replay-share", share_id=share_id)
