"""Protocol messages as bytes for the outbox, and back.

The message is stored, not its wire form: encoding happens at send (architecture 10). The bytes hold
personal data and credentials; whoever stores them seals them first.
"""

from __future__ import annotations

from dataclasses import is_dataclass
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from adapter.protocol import messages


@cache
def _adapter(name: str) -> TypeAdapter[Any]:
    cls = getattr(messages, name, None)
    if not (isinstance(cls, type) and is_dataclass(cls)):
        raise KeyError(f"no message is called {name}")
    return TypeAdapter(cls)


def dump(message: Any) -> bytes:
    """The message as JSON bytes. Raises KeyError for what is no message of `messages.py`."""
    return _adapter(type(message).__name__).dump_json(message)


def load(class_name: str, data: bytes) -> Any:
    """The message `class_name` again; equal to the one dumped. Raises KeyError, ValueError."""
    return _adapter(class_name).validate_json(data)
