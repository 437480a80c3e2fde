"""The SMS sink: takes what a hospital sends to its SMS provider, so that tests can read OTPs."""

import re
from typing import Any

from conformance.simulator.core import Simulator
from conformance.simulator.times import now

_TO = ("to", "mobile", "phoneNo", "phone")
_TEXT = ("text", "message", "otp")


def receive(simulator: Simulator, body: Any) -> tuple[int, Any]:
    """Keep one message; any JSON object with a number and a text will do."""
    if not isinstance(body, dict):
        return 400, {"error": "Send a JSON object with `to` and `text`."}
    to = next((str(body[name]) for name in _TO if body.get(name)), "")
    text = next((str(body[name]) for name in _TEXT if body.get(name)), "")
    if not to or not text:
        return 400, {"error": "The message needs `to` and `text`."}
    kept = {"to": to, "text": text, "purpose": str(body.get("purpose", "")), "at": now()}
    with simulator.state.changed:
        simulator.state.sms.append(kept)
        simulator.state.changed.notify_all()
    return 202, {"status": "accepted"}


def otps_to(simulator: Simulator, mobile: str) -> list[str]:
    """The six-digit codes sent to a number, oldest first; prefixes of the country are ignored."""
    digits = re.sub(r"\D", "", mobile)[-10:]
    with simulator.state.changed:
        texts = [
            message["text"]
            for message in simulator.state.sms
            if re.sub(r"\D", "", message["to"])[-10:] == digits
        ]
    return [code for text in texts for code in re.findall(r"(?<!\d)\d{6}(?!\d)", text)[:1]]
