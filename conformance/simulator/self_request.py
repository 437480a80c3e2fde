"""What the patient's app does after a linked record got new content: it fetches it by itself.

Off unless `self_request_after` is set. Source: V3 contract 6.3 (5 to 10 s, purpose PATRQT).
"""

from datetime import timedelta
from typing import Any

from conformance.simulator import consent_manager, counterparts
from conformance.simulator.consent_manager import Narrowing
from conformance.simulator.core import Simulator
from conformance.simulator.times import now

PHR_APP = "PHR-APP"


def after_context_notify(simulator: Simulator, hip_id: str, notification: dict[str, Any]) -> None:
    """Grant the app a consent for the named care context and ask for the data."""
    delay = simulator.config.self_request_after
    if delay is None:
        return

    def fetch() -> None:
        request = consent_manager.raise_request(
            simulator,
            PHR_APP,
            notification["patient"]["id"],
            notification["hiTypes"],
            now() - timedelta(days=20 * 365),
            now(),
            now() + timedelta(days=1),
            "PATRQT",
            hip_id,
        )
        context = notification["careContext"]["careContextReference"]
        narrowing = Narrowing(care_contexts=[context])
        for artefact in consent_manager.grant(simulator, request.id, narrowing):
            counterparts.request_data(simulator, artefact.id)

    simulator.scheduler.after(delay, fetch)
