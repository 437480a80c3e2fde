from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.protocol import timestamps

NOON = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-23T12:00:00Z", NOON),
        ("2026-11-23T12:00:00", NOON),
        ("2026-11-23T12:00:00.000Z", NOON),
        ("2026-11-23T17:30:00+05:30", NOON),
        ("2026-11-23T17:30:00.0+0530", NOON),
        ("2026-11-23T12:00:00.123456789Z", NOON.replace(microsecond=123456)),
        ("2026-11-23t12:00:00.5z", NOON.replace(microsecond=500000)),
        (" 2026-11-23 12:00:00 ", NOON),
    ],
)
def test_every_form_that_peers_send_is_read_as_utc(text: str, expected: datetime) -> None:
    assert timestamps.parse(text) == expected
    assert timestamps.parse(text).utcoffset() == timedelta()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-24",
        "23/11/2026 12:00",
        "2026-02-30T12:00:00Z",
        "2026-11-23T25:00:00Z",
        "2026-11-23T12:00:00+25:00",
        "0001-01-01T00:00:00+05:30",
        "1764244800",
        "२०२६-११-२३T12:00:00Z",
    ],
)
def test_what_is_no_time_is_refused_without_its_value(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(not a time|an offset)") as caught:
        timestamps.parse(text)
    assert not text or text not in str(caught.value)


def test_written_form_is_utc_with_three_fraction_digits() -> None:
    india = timezone(timedelta(hours=5, minutes=30))
    local = datetime(2026, 11, 23, 17, 30, 0, 7999, tzinfo=india)
    assert timestamps.format(local) == "2026-11-23T12:00:00.007Z"


def test_time_without_zone_is_never_written() -> None:
    with pytest.raises(ValueError, match="zone"):
        timestamps.format(datetime(2026, 11, 23))


@given(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.timezones()))
def test_what_is_written_is_read_back_to_the_millisecond(moment: datetime) -> None:
    read = timestamps.parse(timestamps.format(moment))
    assert timedelta() <= moment - read < timedelta(milliseconds=1)
