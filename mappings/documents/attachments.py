"""Files of a visit: attachments as documents can carry them, inline.

The NRCeS DocumentReference profile wants `contentType` and `data` on every attachment; a URL into
the hospital's own server is of no use to anybody else. Pure: the store has read the Binaries.
"""

from __future__ import annotations

from typing import Any

from mappings.documents.visit import Visit
from mappings.resources import Resource, as_list, label, reference_key


def readable(visit: Visit) -> tuple[tuple[Resource, ...], tuple[str, ...]]:
    """The visit's DocumentReferences with their files inline, and a line for each file that
    can't travel (not on the server, or of unknown type)."""
    documents, unread = [], []
    for record in visit.of("DocumentReference"):
        document = with_files(record, visit)
        if document is not None:
            documents.append(document)
        for content in as_list(record.get("content")):
            attachment = content.get("attachment") or {}
            if inline(attachment, visit) is None:
                title = attachment.get("title") or label(record)
                unread.append(f"{title}: the file is kept at the facility.")
    return tuple(documents), tuple(unread)


def with_files(record: Resource, visit: Visit) -> Resource | None:
    """A DocumentReference with those of its files that can travel, inline; None if none can."""
    contents = []
    for content in as_list(record.get("content")):
        attachment = inline(content.get("attachment") or {}, visit)
        if attachment is not None:
            contents.append({**content, "attachment": attachment})
    return {**record, "content": contents} if contents else None


def inline(attachment: dict[str, Any], visit: Visit) -> dict[str, Any] | None:
    """An attachment with its data inside; None if the data or its type is unknown."""
    url = reference_key(attachment.get("url"))
    binary = visit.binaries.get(url or "", {})
    data = attachment.get("data") or binary.get("data")
    content_type = attachment.get("contentType") or binary.get("contentType")
    if not data or not content_type:
        return None
    kept = {k: v for k, v in attachment.items() if k != "url"}
    return {**kept, "contentType": content_type, "data": data}
