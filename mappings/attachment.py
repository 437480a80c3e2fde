"""Contents of files in base64: what they are and how large; no contents are changed. Pure."""

from __future__ import annotations

import binascii
import mimetypes
import re
from typing import Any

import pybase64

from mappings.building import present

# How contents begin -> media type (https://mimesniff.spec.whatwg.org/).
_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"ID3", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
)
_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+(;[\w.+=-]+)*\Z", re.ASCII)
# https://www.rfc-editor.org/info/bcp47, loosely.
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*\Z", re.ASCII)
_RIFF = {b"WAVE": "audio/wav", b"WEBP": "image/webp"}


def media_type(stated: str | None, data: str | None, *names: str | None) -> str | None:
    """The media type: as stated, else as the contents begin, else by a file name's ending."""
    if stated and _MEDIA_TYPE.match(stated.strip()):
        return stated.strip()
    if data:
        head = _head(data)
        for signature, found in _SIGNATURES:
            if head.startswith(signature):
                return found
        if head.startswith(b"RIFF") and head[8:12] in _RIFF:
            return _RIFF[head[8:12]]
    for name in names:
        guessed = mimetypes.guess_type(name)[0] if name else None
        if guessed:
            return guessed
    return None


def _head(data: str) -> bytes:
    try:
        return pybase64.b64decode(data[:64].strip())
    except binascii.Error:
        return b""


def base64_text(data: str) -> str | None:
    """The contents as base64 without white space and data URL; None if they aren't base64."""
    if data.startswith("data:") and "," in data[:200]:
        data = data.split(",", 1)[1]
    compact = "".join(data.split())
    try:
        pybase64.b64decode(compact, validate=True)
    except (binascii.Error, ValueError):
        return None
    return compact or None


def attachment(
    data: str | None,
    mime_type: str | None,
    *,
    title: str | None,
    created: str | None,
    url: str | None = None,
    language: str | None = None,
) -> dict[str, Any]:
    """A FHIR Attachment: the contents inline, or in the Binary that `url` names; with their size.

    Args:
        data: base64 as `base64_text` returns it.
    """
    return present(
        contentType=mime_type,
        language=language if language and _LANGUAGE.match(language) else None,
        data=None if url else data,
        url=url if data else None,
        size=len(data) * 3 // 4 - data[-2:].count("=") if data else None,
        title=title,
        creation=created,
    )
