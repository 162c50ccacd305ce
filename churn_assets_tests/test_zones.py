"""Every time zone that a setting may name: it is read, cut into days and counted by one set of rules, or refused."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from zoneinfo import available_timezones

import duckdb
import numpy as np
import pandas as pd
import pytest
from dagster import DailyPartitionsDefinition

from churn_assets.calendar import daily_partitions
from churn_assets.checks.zones import offsets
from churn_assets.errors import ChurnError
from churn_assets.settings import Settings
from churn_assets.source_settings import NO_ZONES
from churn_assets.transforms import parsing

ZONES = sorted(available_timezones() - NO_ZONES)
INSTANTS = pd.Series(pd.date_range("1969-12-31", "2045-01-01", freq="131h", unit="us"))
"""At all hours of the day, through all seasons."""
SOME = pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.long)], ids=["every fifth", "every"])
"""Of the zones, many of which are other names of one."""


def test_every_zone_is_accepted_and_offers_the_days_of_the_calendar(tmp_path: Path) -> None:
    for zone in ZONES:
        settings = Settings(timezone=zone, start_date="2026-01-01", end_date="2026-01-03")  # type: ignore[arg-type]
        partitions = daily_partitions(settings)
        assert isinstance(partitions, DailyPartitionsDefinition)
        now = datetime(2026, 2, 1, tzinfo=timezone.utc)
        assert [*partitions.get_partition_keys(current_time=now)] == ["2026-01-01", "2026-01-02", "2026-01-03"], zone


@pytest.mark.parametrize("zone", sorted(NO_ZONES))
@pytest.mark.parametrize("place", ["", "[sources.events]\n"])
def test_a_zone_that_depends_on_the_machine_or_is_none_is_refused(tmp_path: Path, zone: str, place: str) -> None:
    (tmp_path / "churn.toml").write_text(f'{place}timezone = "{zone}"\n')
    with pytest.raises(ChurnError, match=f"'{zone}' is not an IANA timezone"):
        Settings.load(tmp_path)


@SOME
def test_checks_count_days_by_the_rules_that_the_tables_are_made_by(every: int) -> None:
    """DuckDB's own rules are of another edition, and gave other days in eleven zones."""
    connection = duckdb.connect()
    connection.register("instants", pd.DataFrame({"instant": INSTANTS}))
    for zone in ZONES[::every]:
        found = connection.execute(
            f"""WITH offsets(since, seconds) AS ({offsets(zone)})
            SELECT CAST(instant + to_seconds(seconds) AS DATE) AS day FROM instants ASOF LEFT JOIN offsets ON instant >= since ORDER BY instant"""
        ).fetchnumpy()["day"]
        assert np.array_equal(
            found.astype("datetime64[D]"), parsing.business_days(INSTANTS, zone).to_numpy("datetime64[D]")
        ), zone


@SOME
def test_a_time_in_every_zone_is_the_instant_that_the_zone_says(every: int) -> None:
    """A clock that is shown twice, or skipped, names no instant; any other names the one that shows it."""
    instants = INSTANTS[::4].reset_index(drop=True)
    for zone in ZONES[::every]:
        local = instants.dt.tz_localize("UTC").dt.tz_convert(zone).dt.tz_localize(None)
        texts = local.dt.strftime("%Y-%m-%dT%H:%M:%S.%f").astype(parsing.TEXT)
        read = parsing.instants(texts, timestamp_format="iso8601", zone=zone)
        given = read.notna()
        assert given.mean() > 0.99 and read[given].eq(instants[given]).all(), zone
