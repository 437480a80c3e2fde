"""Logging: one JSON object a line (or columns on a terminal), with nothing secret in it.

Code logs ids and class names only (architecture 1, rule 7); the redaction here is the second line:
it blanks fields with telling names and texts that look like a credential or a person's identifier,
and replaces an exception's text, which may quote what it stumbled over, by class and places.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from adapter.faults import failure

BLANK = "…"
LONGEST_TEXT = 2000

_SECRET_NAMES = re.compile(
    r"(authorization|secret|password|passwd|token|otp|api_?key|private_?key|nonce|cookie|body)$",
    re.IGNORECASE,
)
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?i)\b(bearer|basic)\s+\S+"), rf"\1 {BLANK}"),
    (re.compile(r"\beyJ[\w-]{8,}(\.[\w-]*){0,2}"), BLANK),
    # The one credential in a URL of ours, and any password in one.
    (re.compile(r"(/push/)[^\s/?\"']+"), rf"\1{BLANK}"),
    (re.compile(r"(\w://)[^\s/@]+@"), rf"\1{BLANK}@"),
    (re.compile(r"[\w.+!-]+@(abdm|sbx)\b"), BLANK),
    # ABHA numbers, mobile numbers; not the digits inside a UUID.
    (re.compile(r"(?<![\w-])\+?\d{2}-?\d{4}-?\d{4}-?\d{0,4}(?![\w-])"), BLANK),
)
# What every pattern needs to find something: most texts have none of it, and each callback writes a
# line, so that one look instead of six is a tenth of its time.
_SUSPECT = re.compile(r"(?i)bearer|basic|eyJ|/push/|://|@|\d{4}")
_NEVER_BELOW_WARNING = ("urllib3", "sqlalchemy", "alembic", "werkzeug", "requests", "fhirpy")


def configure(level: str) -> None:
    """Set up structlog and the standard library's logging alike, on standard error."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _failures,
        redact,
    ]
    terminal = sys.stderr.isatty()
    renderer: Processor = (
        structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer(_json)
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    # gunicorn writes through handlers of its own, and names the address of a request that failed.
    for own in logging.getLogger("gunicorn.error").handlers:
        own.setFormatter(handler.formatter)
    for name in _NEVER_BELOW_WARNING:
        # Their lower levels print URLs and SQL parameters.
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level)))


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Blank what must not be logged, in place; a processor of structlog."""
    for name, value in event.items():
        if _SECRET_NAMES.search(name):
            event[name] = BLANK
        else:
            event[name] = _clean(value)
    return event


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        value = value[:LONGEST_TEXT]
        if _SUSPECT.search(value) is None:
            return value
        for pattern, replacement in _PATTERNS:
            value = pattern.sub(replacement, value)
        return value
    if isinstance(value, Mapping):
        return {
            name: BLANK if _SECRET_NAMES.search(str(name)) else _clean(item)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(item) for item in value]
    return value


def _failures(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """An exception as its class and places in the code, never its text."""
    raised = event.pop("exc_info", None)
    if raised is True:
        raised = sys.exc_info()
    error = raised[1] if isinstance(raised, tuple) else raised
    if isinstance(error, BaseException):
        event.update(failure(error))
    return event


def _json(event: Any, **_options: Any) -> str:
    return orjson.dumps(event, default=str).decode()
