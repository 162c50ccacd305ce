"""parsing: one value in, one value out, whatever stands beside it, and never more than the declared format allows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import oracles
from churn_assets.transforms import parsing
from frames import records
from sizes import examples

PROPERTY = settings(max_examples=examples(40), deadline=None, derandomize=True)
ZONES = ["UTC", "Europe/Berlin", "America/New_York"]
NEIGHBOURS = ["junk", "\u00e9 1", "2026-01-05T10:00:00+01:00"]
"""Each makes the fast way of casting a whole column fail."""
numberlike = st.text("0123456789.+-eE_, \tinfNa\u0661", max_size=8) | st.text(max_size=4)
timelike = st.from_regex(r"\A ?2026-(03-29|10-25|02-3\d|1)[T ]?\d?\d?(:\d\d){0,2}(\.\d{1,9})?(Z|[+-]0[0-9]:?\d0)? ?\Z")


def texts(*values: str | None) -> pd.Series:
    return pd.Series(list(values), dtype=parsing.TEXT)


def parsed(parse: Callable[[pd.Series], Any], *values: str | None) -> list[Any]:
    """Plain values of the first result of `parse`."""
    result = parse(texts(*values))
    column = pd.Series(result[0] if isinstance(result, tuple) else result)
    return [row["value"] for row in records(pd.DataFrame({"value": column}))]


def instants(zone: str, timestamp_format: str = "iso8601") -> Callable[[pd.Series], pd.Series]:
    return lambda values: parsing.instants(values, timestamp_format=timestamp_format, zone=zone)


def days(zone: str, timestamp_format: str = "iso8601") -> Callable[[pd.Series], pd.Series]:
    return lambda values: parsing.days(values, timestamp_format=timestamp_format, zone=zone, timezone="UTC")


EVERY = [parsing.numbers, parsing.integer_ids, parsing.text_ids, *(instants(zone) for zone in ZONES)]
EVERY += [days("Europe/Berlin"), instants("UTC", "epoch_ms"), instants("UTC", "%d/%m/%Y"), days("UTC", "%d/%m/%Y")]


@PROPERTY
@given(numberlike | timelike)
def test_a_value_is_read_the_same_alone_and_beside_any_other(text: str) -> None:
    for parse in EVERY:
        alone = parsed(parse, text)[0]
        for neighbour in NEIGHBOURS:
            assert parsed(parse, text, neighbour, None)[0] == alone


@PROPERTY
@given(numberlike)
@example("9223372036854775807")
@example("9223372036854775808.0")
@example("1e12")
@example("1000000000000.1")
def test_ids_and_numbers_are_read_as_the_oracle_reads_them(text: str) -> None:
    number = oracles.number(text)
    _, bad = parsing.numbers(texts(text))
    assert (bad[0], parsed(parsing.numbers, text)) == (number is oracles.BAD, [None if bad[0] else number])
    whole, decimal = parsing.integer_ids(texts(text))
    expected, is_decimal = oracles.whole_id(text)
    assert (whole[0] or None) == expected
    assert bool(decimal[0]) == is_decimal or expected is None


@PROPERTY
@given(timelike, st.sampled_from(ZONES))
@example("2026-03-29T02:00:00", "Europe/Berlin")
@example("2026-03-29T01:59:59.999999", "Europe/Berlin")
@example("2026-10-25T03:00:00", "Europe/Berlin")
@example("2026-11-01 01:30:00-05:00", "America/New_York")
def test_times_are_read_as_the_oracle_reads_them(text: str, zone: str) -> None:
    expected = oracles.instant(text, zone)
    assert parsed(instants(zone), text) == [expected]
    assert parsed(instants(zone), text, "2026-01-05T10:00:00Z")[0] == expected


@pytest.mark.parametrize("zone", ZONES)
def test_a_column_with_offsets_throughout_is_read_without_the_zone(zone: str) -> None:
    given_ = ["2026-03-29T02:30:00Z", "2026-03-29 02:30:00+05:30", None]
    assert parsed(instants(zone), *given_) == [datetime(2026, 3, 29, 2, 30), datetime(2026, 3, 28, 21, 0), None]


@pytest.mark.parametrize("word", ["now", "today", "NaT", "nan", "", "  "])
@pytest.mark.parametrize("timestamp_format", ["iso8601", "epoch_s", "%d/%m/%Y", "%Y-%m-%d %H:%M"])
def test_no_word_stands_for_a_time_least_of_all_the_clocks(word: str, timestamp_format: str) -> None:
    assert parsed(instants("UTC", timestamp_format), word) == [None]
    assert parsed(days("UTC", timestamp_format), word) == [None]


def test_a_pattern_with_an_offset_is_read_by_the_offset_and_one_without_in_the_zone() -> None:
    berlin = "Europe/Berlin"
    assert parsed(instants(berlin, "%d/%m/%Y %H:%M%z"), "05/01/2026 10:00+0530") == [datetime(2026, 1, 5, 4, 30)]
    assert parsed(instants(berlin, "%d/%m/%Y %H:%M"), "05/01/2026 10:00") == [datetime(2026, 1, 5, 9, 0)]
    assert parsed(instants(berlin, "%d/%m/%Y %H:%M"), "29/03/2026 02:30") == [None]


def test_an_epoch_of_another_unit_than_declared_is_no_time_where_that_can_be_told() -> None:
    """1767607200 s is 2026-01-05 10:00 UTC; the same in milliseconds, read as seconds, lies past the year 9999."""
    assert parsed(instants("UTC", "epoch_s"), "1767607200", "1767607200.5", "1767607200000", "1e400", "x") == [
        datetime(2026, 1, 5, 10),
        datetime(2026, 1, 5, 10, 0, 0, 500_000),
        *[None] * 3,
    ]


def test_a_bare_day_beside_a_timestamp_stays_that_day() -> None:
    values = days("Europe/Berlin")(texts("2026-01-05", "2026-01-05T00:30:00", None))
    assert [None if pd.isna(value) else value.date() for value in values] == [date(2026, 1, 5), date(2026, 1, 4), None]


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_nul_byte_is_found_where_it_is_and_in_a_slice_too(at: int) -> None:
    values = ["a", None, "", "b"]
    values.insert(at, "x\x00")
    assert parsing.holds_nul(texts(*values)).tolist() == [n == at for n in range(5)]
    assert not parsing.holds_nul(texts(*values)[at + 1 :]).any()
    assert parsing.holds_nul(texts()).tolist() == [] and parsing.holds_nul(texts(None, "")).tolist() == [False, False]


def test_labels_are_cleaned_once_per_value_and_say_which_rows_changed() -> None:
    values, changed = parsing.labels(texts("a", " a", None, "", "b"), parsing.normalised, missing="?")
    assert values.tolist() == ["a", "a", "?", "?", "b"]
    assert changed.tolist() == [False, True, True, True, False]
    values, changed = parsing.labels(texts("a", None, " "), parsing.normalised, missing=None)
    assert values.codes.tolist() == [0, -1, -1] and changed.tolist() == [False, False, False]


def test_a_value_map_names_trimmed_values_and_leaves_the_rest() -> None:
    values = parsing.mapped(texts(" video ", "Video", None), {"video": "video_watch"})
    assert values.tolist()[:2] == ["video_watch", "Video"] and pd.isna(values[2])


# --- days of clocks that skip or repeat their midnight ---


def midnights_skipped_or_repeated() -> list[tuple[str, date]]:
    """Every zone's days from 2018 to 2026 whose midnight its clock does not show, or shows twice."""
    found = []
    for name in sorted(available_timezones()):
        zone = ZoneInfo(name)
        for number in range((date(2027, 1, 1) - date(2018, 1, 1)).days):
            at = datetime(2018, 1, 1) + timedelta(days=number)
            offsets = {at.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1)}
            if len(offsets) == 2:
                found.append((name, at.date()))
    return found


@pytest.mark.long
def test_a_midnight_that_no_clock_shows_is_its_day_in_every_zone() -> None:
    odd = midnights_skipped_or_repeated()
    assert {"Africa/Cairo", "America/Santiago", "America/Havana", "America/Sao_Paulo"} <= {zone for zone, _ in odd}
    for zone in {zone for zone, _ in odd}:
        own = [str(day) for name, day in odd if name == zone]
        for clock in ("T00:00:00", " 00:00:00.000", " 00:30"):
            read = parsing.days(
                texts(*(day + clock for day in own)), timestamp_format="iso8601", zone=zone, timezone=zone
            )
            assert [str(day.date()) for day in read] == own, zone


@pytest.mark.parametrize("pattern", ["iso8601", "%Y-%m-%d %H:%M:%S"])
@pytest.mark.parametrize(("zone", "day"), [("Africa/Cairo", "2026-04-24"), ("America/Havana", "2025-11-02")])
def test_a_midnight_that_no_clock_shows_or_one_shows_twice_is_its_day(zone: str, day: str, pattern: str) -> None:
    read = parsing.days(texts(f"{day} 00:00:00", None), timestamp_format=pattern, zone=zone, timezone=zone)
    assert str(read[0].date()) == day and pd.isna(read[1])
    instant = parsing.instants(texts(f"{day} 00:00:00"), timestamp_format=pattern, zone=zone)
    assert instant.isna().all(), "an instant needs a single answer, which a day does not"


@PROPERTY
@given(
    st.datetimes(datetime(2026, 10, 24, 12), datetime(2026, 10, 26)),
    st.sampled_from(["UTC", "Asia/Tokyo", "America/New_York", "Europe/Berlin", "Pacific/Apia"]),
)
def test_in_another_zone_a_time_shown_twice_has_the_day_that_both_have(at: datetime, timezone: str) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    both = {at.replace(tzinfo=berlin, fold=fold).astimezone(ZoneInfo(timezone)).date() for fold in (0, 1)}
    if timezone == "Europe/Berlin":
        both = {at.date()}
    (read,) = parsing.days(texts(at.isoformat()), timestamp_format="iso8601", zone="Europe/Berlin", timezone=timezone)
    assert (None if pd.isna(read) else read.date()) == (both.pop() if len(both) == 1 else None)
