"""`timestamp_format`: what is accepted is read back by the parser, what cannot work is refused when the settings are read."""

from __future__ import annotations

import string
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churn_assets.errors import ChurnError
from churn_assets.settings import Settings
from churn_assets.time_formats import EPOCHS, NAMES, known_format
from churn_assets.transforms import parsing

NEW_YEAR = datetime(2026, 1, 1, tzinfo=timezone.utc)
UNITS = {"epoch_s": 1, "epoch_ms": 10**3, "epoch_us": 10**6, "epoch_ns": 10**9}


def read(texts: list[str | None], *formats: str, zone: str = "UTC") -> list[datetime | None]:
    found = parsing.instants(pd.Series(texts, dtype=parsing.TEXT), timestamp_format=formats, zone=zone)
    return [None if pd.isna(at) else at.to_pydatetime().replace(tzinfo=timezone.utc) for at in found]


def settings_of(data: Path, events: str, more: str = "") -> Settings:
    (data / "churn.toml").write_text(f"{more}\n[sources.events]\n{events}\n")
    return Settings.load(data)


@pytest.mark.parametrize("directive", [*(f"%{letter}" for letter in string.ascii_letters + "%-#"), "%-d", "%"])
@pytest.mark.parametrize("around", ["%Y-%m-%d {}", "{}", "%d.%m.{} %H:%M"])
def test_a_directive_is_read_back_or_refused(directive: str, around: str) -> None:
    pattern = around.format(directive)
    try:
        known_format(pattern)
    except ValueError as refused:
        assert pattern in str(refused) and "\n" not in str(refused)
        return
    at = datetime(2026, 4, 30, 21, 7, 8, 123456, timezone.utc)
    (found,) = read([at.strftime(pattern)], pattern)
    assert found and found.date() == at.date() and found.strftime(pattern) == at.strftime(pattern)


@pytest.mark.parametrize(
    "wrong",
    [
        *("mixed", "ISO8601", "iso", "DD/MM/YYYY", "", "epoch", "%H:%M", "%d/%m", "%Y-%m", "%-d.%-m.%Y %H:%M", "%s"),
        *("%Y-%m-%d %H:%M:%S %Z", "%Y-%m-%d %I:%M", "%Q", "%Y-%m-%d %", "%Y-%W"),
    ],
)
def test_what_cannot_work_is_refused_when_the_settings_are_read(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(ChurnError, match=r"sources\.events\.timestamp_format") as refused:
        settings_of(tmp_path, f'timestamp_format = "{wrong}"')
    assert f"'{wrong}'" in str(refused.value)


@pytest.mark.parametrize("name", [*NAMES, "%d/%m/%Y %H:%M", "%d/%m/%Y", "%Y-%m-%dT%H:%M:%S.%f%z", "%b %d %Y %I:%M%p"])
def test_what_works_is_accepted(tmp_path: Path, name: str) -> None:
    assert settings_of(tmp_path, f'timestamp_format = "{name}"').sources.events.timestamp_format == name


@pytest.mark.parametrize("pattern", ["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S.%fZ", "%Y-%m-%d %H:%M:%S UTC"])
def test_letters_that_say_utc_are_not_read_in_another_zone(tmp_path: Path, pattern: str) -> None:
    berlin = 'timezone = "Europe/Berlin"'
    with pytest.raises(ChurnError, match="but its times would be read in Europe/Berlin"):
        settings_of(tmp_path, f'timestamp_format = "{pattern}"', berlin)
    assert settings_of(tmp_path, f'timestamp_format = "{pattern}"\ntimezone = "UTC"', berlin)
    assert settings_of(tmp_path, f'timestamp_format = "{pattern}"')


@pytest.mark.parametrize("name", EPOCHS)
def test_a_zone_beside_an_epoch_has_no_effect_and_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ChurnError, match="timezone 'Asia/Tokyo' has no effect on epoch_"):
        settings_of(tmp_path, f'timestamp_format = "{name}"\ntimezone = "Asia/Tokyo"')
    assert settings_of(tmp_path, f'timestamp_format = "{name}"', 'timezone = "Asia/Tokyo"')
    assert settings_of(tmp_path, f'timestamp_format = ["{name}", "iso8601"]\ntimezone = "Asia/Tokyo"')


@pytest.mark.parametrize("encoding", ["utf-99", "hex", "base64", "rot13", ""])
def test_an_encoding_that_is_none_is_refused(tmp_path: Path, encoding: str) -> None:
    with pytest.raises(ChurnError, match=r"sources\.events\.encoding: '.*' is no encoding of text"):
        settings_of(tmp_path, f'encoding = "{encoding}"')


def test_of_several_formats_the_first_that_reads_a_value_counts(tmp_path: Path) -> None:
    formats = ("%Y-%m-%d %H:%M:%S UTC", "%Y-%m-%d %H:%M:%S.%f UTC", "%d/%m/%Y", "%m/%d/%Y")
    texts = ["2026-03-29 10:00:00 UTC", "2026-03-29 10:00:00.5 UTC", "02/04/2026", "12/25/2026", "soon", None]
    at = datetime(2026, 3, 29, 10, tzinfo=timezone.utc)
    days = [datetime(2026, 4, 2, tzinfo=timezone.utc), datetime(2026, 12, 25, tzinfo=timezone.utc)]
    assert read(texts, *formats) == [at, at + timedelta(milliseconds=500), *days, None, None]
    listed = ", ".join(f'"{name}"' for name in formats)
    assert settings_of(tmp_path, f"timestamp_format = [{listed}]").sources.events.timestamp_format == formats
    with pytest.raises(ChurnError, match="timestamp_format"):
        settings_of(tmp_path, "timestamp_format = []")


def test_one_format_and_several_by_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "CHURN_SOURCES__EVENTS__TIMESTAMP_FORMAT"
    monkeypatch.setenv(name, "epoch_ms")
    assert settings_of(tmp_path, "").sources.events.timestamp_format == "epoch_ms"
    monkeypatch.setenv(name, '["epoch_ms", "iso8601"]')
    assert settings_of(tmp_path, "").sources.events.timestamp_format == ("epoch_ms", "iso8601")


@given(st.integers(-(10**8), 4 * 10**9), st.integers(0, 999_999_999))
def test_an_epoch_is_read_to_the_microsecond(second: int, nanosecond: int) -> None:
    at = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=second, microseconds=nanosecond // 1000)
    assert read([str(second * 10**9 + nanosecond)], "epoch_ns") == [at]
    assert read([str((second * 10**9 + nanosecond) // 1000)], "epoch_us") == [at]


@pytest.mark.parametrize(("name", "unit"), UNITS.items())
def test_an_epoch_of_a_day_of_ours(name: str, unit: int) -> None:
    assert read([str(int(NEW_YEAR.timestamp()) * unit), "x", None], name) == [NEW_YEAR, None, None]
