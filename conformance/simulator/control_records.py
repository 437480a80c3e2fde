"""The control calls about what the simulator's own HIPs hold and how they push it."""

import base64
import binascii
from collections.abc import Callable
from typing import Any

from conformance.simulator import holdings
from conformance.simulator.core import Simulator
from conformance.simulator.lookups import PatientMistake
from conformance.simulator.push_plan import PEERS, PushStyle
from conformance.simulator.times import parse


def _add_record(simulator: Simulator, content: str, dated_at: str | None, **rest: Any) -> None:
    """`content` is base64; the other arguments are those of holdings.add_record."""
    try:
        document = base64.b64decode(content, validate=True)
    except binascii.Error as error:
        raise PatientMistake("Send the content as base64.") from error
    moment = parse(dated_at) if dated_at else None
    try:
        holdings.add_record(simulator, content=document, dated_at=moment, **rest)
    except TypeError as error:
        raise PatientMistake(f"The arguments of add-record do not fit: {error}.") from error


def _push_style(simulator: Simulator, target: str, like: str | None, style: dict[str, Any]) -> None:
    """Set how a HIP, or a HIP under one artefact, pushes; anew each time."""
    if like is not None and like not in PEERS:
        raise PatientMistake(f"A push can be like {', '.join(PEERS)}.")
    made = PushStyle().changed(**{**PEERS.get(like or "", {}), **style})
    with simulator.state.changed:
        known = target in simulator.state.services or target in simulator.state.artefacts
        if not known and target != holdings.FOLDER_HIP:
            raise PatientMistake(f"There is no HIP or artefact {target}.")
        simulator.state.push_styles[target] = made


ACTIONS: dict[str, Callable[..., Any]] = {
    "add-record": _add_record,
    "hip-documents": holdings.listed,
    "push-style": _push_style,
}
