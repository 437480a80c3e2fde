"""The frame of a page: the same JSON with its long texts taken out, however the bytes arrive."""

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.protocol.errors import MalformedRequest
from adapter.protocol.page_frame import (
    LARGEST_FRAME,
    LONGEST_TEXT,
    PageFrame,
    Span,
    span_of,
    unescaped,
)

TEXTS = st.text(max_size=30) | st.builds(lambda t, n: t * n, st.text(max_size=3), st.just(3000))
VALUES = st.recursive(
    TEXTS | st.integers() | st.none() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


def framed(raw: bytes, part: int) -> bytes:
    frame = PageFrame()
    for start in range(0, len(raw), part):
        frame.feed(raw[start : start + part])
    return frame.finish()


def restored(value: Any, raw: bytes) -> Any:
    """`value` with each span replaced by the text it stands for."""
    if isinstance(value, list):
        return [restored(each, raw) for each in value]
    if isinstance(value, dict):
        return {restored(k, raw): restored(v, raw) for k, v in value.items()}
    span = span_of(value) if isinstance(value, str) else None
    return value if span is None else json.loads(b'"%b"' % raw[span.start : span.end])


@settings(deadline=None)
@given(VALUES, st.booleans(), st.integers(1, 5000))
def test_any_json_in_any_parts_gives_a_frame_from_which_it_can_be_restored(
    value: Any, ascii_only: bool, part: int
) -> None:
    raw = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    assert restored(json.loads(framed(raw, part)), raw) == json.loads(raw)


@pytest.mark.parametrize("length", [LONGEST_TEXT, LONGEST_TEXT + 1, 10 * LONGEST_TEXT])
def test_only_texts_beyond_the_limit_are_taken_out(length: int) -> None:
    raw = json.dumps({"content": "A" * length}).encode()
    content = json.loads(framed(raw, 1000))["content"]
    assert (span_of(content) is not None) == (length > LONGEST_TEXT)
    assert span_of(content) in (None, Span(13, 13 + length))


def test_a_page_that_ends_within_a_text_is_no_json() -> None:
    with pytest.raises(MalformedRequest, match="not JSON"):
        framed(b'{"content": "AAAA', 4)


def test_a_page_that_is_all_frame_is_refused_before_it_is_held() -> None:
    with pytest.raises(MalformedRequest, match="4 MiB"):
        framed(b'"",' * (LARGEST_FRAME // 3 + 1), 1000)


def test_a_large_content_costs_little_time() -> None:
    raw = b'{"content":"%b"}' % (b"A" * 64_000_000)
    started = time.perf_counter()
    framed(raw, 1024 * 1024)
    assert time.perf_counter() - started < 2


def test_escapes_of_base64_are_undone_and_nothing_else_is_taken() -> None:
    assert unescaped(b"AB\\/C\\u003d") == b"AB/C="
    assert unescaped(b"plain") == b"plain"
    for bad in (b"\\x", b"\\u20ac"):
        with pytest.raises(MalformedRequest):
            unescaped(bad)
