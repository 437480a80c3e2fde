"""What a log may say about an exception that nobody foresaw.

An exception's text can hold what it stumbled over (a name, a search URL, a row's parameters), so
only its class and the places in our code are told, never its message.
"""

from __future__ import annotations

import traceback
from typing import Any


def failure(error: BaseException) -> dict[str, Any]:
    """Log fields for `error`: class names of it and its causes, and the innermost 12 frames."""
    chain, cause = [type(error).__name__], error.__cause__ or error.__context__
    while cause is not None and len(chain) < 5:
        chain.append(type(cause).__name__)
        cause = cause.__cause__ or cause.__context__
    frames = [
        f"{frame.filename}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)[-12:]
    ]
    return {"error": " <- ".join(chain), "places": frames}
