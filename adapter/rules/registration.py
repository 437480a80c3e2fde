"""What the facility registry takes and says: ids, service names, the outcome of linking. Pure.

Source: M0 and M1, sections 3 and 8.5.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from adapter.protocol.errors import Rejected
from adapter.protocol.refusals import masked

LONGEST_HIP_NAME = 15

_HFR_ID = re.compile(r"IN[A-Z0-9]{10}", re.ASCII)
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9 ]+")
# "SBX_1 already associated … service id: IN2910004417"
_SERVICE_ID = re.compile(r"service id:?\s*([A-Za-z0-9_.-]+)", re.IGNORECASE)


def is_hfr_id(text: str) -> bool:
    """Whether `text` has the form of a facility id: IN and ten capital letters or digits."""
    return _HFR_ID.fullmatch(text) is not None


def hip_name(prefix: str, name: str, suffix: str) -> str:
    """The name under which a facility is registered: at most 15 letters, digits and blanks.

    The facility's own name is shortened before prefix and suffix, which keep it apart from others.
    Raises ValueError when nothing is left to name it by.
    """
    prefix, name, suffix = (_plain(text) for text in (prefix, name, suffix))
    room = LONGEST_HIP_NAME - sum(len(text) + 1 for text in (prefix, suffix) if text)
    made = " ".join(text for text in (prefix, name[: max(room, 0)].strip(), suffix) if text)
    made = made[:LONGEST_HIP_NAME].strip()
    if not made:
        raise ValueError("a facility's name needs a letter or a digit")
    return made


def _plain(text: str) -> str:
    return " ".join(_NOT_IN_A_NAME.sub(" ", text).split())


def linked_service(answers: Any, bridge_id: str) -> str | None:
    """The service id that a linking answer names, None where it succeeded without naming one.

    The registry answers 200 also when it refuses; "already associated" with our own bridge is
    success. Raises Rejected with the registry's reason.
    """
    found: str | None = None
    for each in answers if isinstance(answers, Sequence) else [answers]:
        linked = each.get("servicesLinked") if isinstance(each, dict) else None
        error = each.get("error") if isinstance(each, dict) else None
        if isinstance(error, dict):
            found = _already_ours(error, bridge_id) or found
        elif isinstance(linked, dict):
            named = linked.get("id")
            found = str(named) if named else found
        else:
            raise Rejected("The facility registry answered in a way that says neither yes nor no.")
    return found


def _already_ours(error: dict[str, Any], bridge_id: str) -> str | None:
    words, code = str(error.get("message", "")), str(error.get("code", "")) or None
    if "already associated" in words.lower() and re.search(
        rf"(?<![\w-]){re.escape(bridge_id)}(?![\w-])", words
    ):
        service = _SERVICE_ID.search(words)
        return service.group(1) if service else None
    raise Rejected(
        f"The facility registry refused: {masked(words).rstrip('.') or 'no reason given'}. "
        "Compare the facility id and ABDM_CLIENT_ID with the registry, then add it again.",
        code=code,
    )
