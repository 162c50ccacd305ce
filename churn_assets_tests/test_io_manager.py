"""The IO manager, through Dagster itself: frames in and out by day, range and window, and never a lock left behind."""

from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from dagster import (
    AssetExecutionContext,
    AssetIn,
    AssetRecordsFilter,
    AssetsDefinition,
    DagsterInstance,
    DailyPartitionsDefinition,
    ExecuteInProcessResult,
    HourlyPartitionsDefinition,
    PartitionKeyRange,
    PartitionsDefinition,
    StaticPartitionsDefinition,
    TimeWindowPartitionMapping,
    asset,
    materialize,
)
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from churn_assets.calendar import DayRange
from churn_assets.contracts import contracts
from churn_assets.errors import ChurnError, RefusedFrame
from churn_assets.settings import Settings
from churn_assets.warehouse import Ledger, Warehouse, read_days
from churn_assets.warehouse.io_manager import ChurnIOManager

# Clipped partition mappings are marked beta in the Dagster this is pinned to.
pytestmark = pytest.mark.filterwarnings("ignore::dagster.BetaWarning", "ignore::dagster.PreviewWarning")

DAILY = DailyPartitionsDefinition(start_date="2026-01-01", end_date="2026-01-11")
CLEAN_USERS = contracts(Settings())["clean_users"]
FIRST = "2026-01-01"


def users(day: str, count: int = 1, **columns: Any) -> pd.DataFrame:
    """`count` versions landed on `day`; ids tell the day."""
    landed = np.full(count, np.datetime64(day, "us"))
    frame = {
        "user_id": 100 * int(day[-2:]) + np.arange(count),
        "signup_date": landed,
        "plan": ["pro"] * count,
        "is_paid": True,
        "country": ["DE"] * count,
        "marketing_source": ["ads"] * count,
        "landing_date": landed,
        "source_file": [f"users/date={day}/a.csv"] * count,
        "source_row": np.arange(1, count + 1),
    }
    return CLEAN_USERS.typed(pd.DataFrame(frame | columns))


def users_of(days: list[str]) -> pd.DataFrame:
    """As many rows on each day as its day of the month."""
    return CLEAN_USERS.typed(pd.concat([users(day, int(day[-2:])) for day in days]).astype({"source_file": "category"}))


@asset(
    key="clean_users",
    partitions_def=DAILY,
    metadata={"partition_expr": "landing_date"},
)
def clean_users(context: AssetExecutionContext) -> pd.DataFrame:
    return users_of(list(context.partition_keys))


class Runner:
    """One deployment and one Dagster instance."""

    def __init__(self, folder: Path) -> None:
        self.warehouse = Warehouse(folder / "warehouse.duckdb", lock_timeout_seconds=5)
        self._resources = {"io_manager": ChurnIOManager(database=str(self.warehouse.path), data_dir=str(folder))}
        self.instance = DagsterInstance.ephemeral()

    def run(
        self, *assets: AssetsDefinition, selection: str | None = None, through: str | None = None, **options: Any
    ) -> ExecuteInProcessResult:
        if through:
            tags = {ASSET_PARTITION_RANGE_START_TAG: options.pop("since"), ASSET_PARTITION_RANGE_END_TAG: through}
            options |= {"tags": tags}
        selected = [selection] if selection else None
        return materialize(
            list(assets), selection=selected, resources=self._resources, instance=self.instance, **options
        )

    def stored(self) -> pd.DataFrame:
        with self.warehouse.reading() as connection:
            return read_days(connection, CLEAN_USERS)

    def ledger(self) -> dict[date, tuple[int, str]]:
        with self.warehouse.reading() as connection:
            return {day: (e.rows, e.content_hash) for day, e in Ledger.read(connection).of("clean_users").items()}

    def metadata(self, day: str) -> dict[str, Any]:
        of_the_day = AssetRecordsFilter(asset_key=clean_users.key, asset_partitions=[day])
        (record, *_) = self.instance.fetch_materializations(of_the_day, limit=1).records
        assert record.asset_materialization is not None
        return {name: value.value for name, value in record.asset_materialization.metadata.items()}


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


def sink(name: str = "report", **options: Any) -> tuple[AssetsDefinition, list[pd.DataFrame]]:
    """A downstream asset that asks for a frame and stores nothing; and what it was given."""
    given: list[pd.DataFrame] = []

    @asset(name=name, **options)
    def report(clean_users: pd.DataFrame) -> None:
        given.append(clean_users)

    return report, given


def test_a_frame_is_published_into_its_own_day(runner: Runner) -> None:
    runner.run(clean_users, partition_key="2026-01-02")
    runner.run(clean_users, partition_key="2026-01-03")
    runner.run(clean_users, partition_key="2026-01-02")
    assert runner.stored()["landing_date"].dt.day.value_counts().to_dict() == {2: 2, 3: 3}
    assert {day.day: rows for day, (rows, _) in runner.ledger().items()} == {2: 2, 3: 3}


def test_a_range_replaces_exactly_its_days_and_describes_each(runner: Runner) -> None:
    runner.run(clean_users, partition_key="2026-01-05")
    runner.run(clean_users, since="2026-01-01", through="2026-01-04")
    assert {day.day: rows for day, (rows, _) in runner.ledger().items()} == {1: 1, 2: 2, 3: 3, 4: 4, 5: 5}
    for day, (rows, content_hash) in runner.ledger().items():
        metadata = runner.metadata(day.isoformat())
        assert metadata["dagster/partition_row_count"] == rows == day.day
        assert metadata["content_hash"] == content_hash
        assert "dagster/row_count" not in metadata


def test_a_downstream_frame_is_the_days_of_its_own_partition(runner: Runner) -> None:
    report, given = sink(partitions_def=DAILY)
    runner.run(clean_users, since="2026-01-01", through="2026-01-04")
    runner.run(clean_users, report, selection="report", partition_key="2026-01-03")
    (frame,) = given
    assert sorted(frame["user_id"]) == [300, 301, 302]
    assert frame.dtypes.drop(["plan", "country", "marketing_source", "source_file"]).equals(
        CLEAN_USERS.empty().dtypes.drop(["plan", "country", "marketing_source", "source_file"])
    )


@pytest.mark.parametrize(("day", "seen"), [("2026-01-04", {2, 3, 4}), ("2026-01-01", {1})])
def test_a_downstream_frame_is_the_window_of_its_mapping_clipped_at_the_calendars_start(
    runner: Runner, day: str, seen: set[int]
) -> None:
    back_two = TimeWindowPartitionMapping(start_offset=-2, allow_nonexistent_upstream_partitions=True)
    report, given = sink(partitions_def=DAILY, ins={"clean_users": AssetIn(partition_mapping=back_two)})
    runner.run(clean_users, since="2026-01-01", through="2026-01-06")
    runner.run(clean_users, report, selection="report", partition_key=day)
    assert set(given[0]["landing_date"].dt.day) == seen


def test_a_window_wholly_before_the_calendar_is_no_rows_and_not_the_whole_table(runner: Runner) -> None:
    yesterday = TimeWindowPartitionMapping(start_offset=-1, end_offset=-1, allow_nonexistent_upstream_partitions=True)
    report, given = sink(partitions_def=DAILY, ins={"clean_users": AssetIn(partition_mapping=yesterday)})
    runner.run(clean_users, since="2026-01-01", through="2026-01-03")
    runner.run(clean_users, report, selection="report", partition_key=FIRST)
    assert given[0].empty
    assert list(given[0].columns) == CLEAN_USERS.column_names


def test_a_downstream_frame_without_partitions_is_the_whole_table(runner: Runner) -> None:
    report, given = sink()
    runner.run(clean_users, since="2026-01-01", through="2026-01-03")
    runner.run(clean_users, report, selection="report")
    assert len(given[0]) == 1 + 2 + 3


def test_an_input_may_ask_for_some_columns(runner: Runner) -> None:
    report, given = sink(partitions_def=DAILY, ins={"clean_users": AssetIn(metadata={"columns": ["plan", "user_id"]})})
    runner.run(clean_users, partition_key="2026-01-02")
    runner.run(clean_users, report, selection="report", partition_key="2026-01-02")
    assert list(given[0].columns) == ["plan", "user_id"]


def test_an_untyped_input_is_a_frame(runner: Runner) -> None:
    given: list[Any] = []

    @asset
    def report(clean_users) -> None:  # type: ignore[no-untyped-def]
        given.append(clean_users)

    runner.run(clean_users, partition_key="2026-01-02")
    runner.run(clean_users, report, selection="report")
    assert isinstance(given[0], pd.DataFrame)


def test_an_input_before_the_first_publication_says_what_to_run(runner: Runner) -> None:
    report, _ = sink(partitions_def=DAILY)
    with pytest.raises(ChurnError, match="does not exist yet; run 'churn-assets backfill' first"):
        runner.run(clean_users, report, selection="report", partition_key=FIRST)
    assert not runner.warehouse.path.exists()


def test_reading_neither_changes_the_file_nor_leaves_a_lock(runner: Runner) -> None:
    report, _ = sink(partitions_def=DAILY)
    runner.run(clean_users, partition_key=FIRST)
    path = runner.warehouse.path
    for leftover in ("lock", "asked"):
        path.with_name(f"warehouse.duckdb.{leftover}").unlink()
    before = path.read_bytes(), path.stat().st_mtime_ns
    runner.run(clean_users, report, selection="report", partition_key=FIRST)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert [one.name for one in path.parent.iterdir() if one.is_file()] == ["warehouse.duckdb"]


def bad_users(frame: pd.DataFrame) -> AssetsDefinition:
    @asset(key="clean_users", partitions_def=DAILY, metadata={"partition_expr": "landing_date"})
    def clean_users() -> pd.DataFrame:
        return frame

    return clean_users


@pytest.mark.parametrize(
    ("frame", "sentence"),
    [
        (users("2026-01-09"), "1 rows lie outside the partition by landing_date"),
        (users(FIRST, 2, user_id=[7, 7]), "1 rows repeat the key"),
        (users(FIRST)[CLEAN_USERS.column_names[::-1]], "not in the contract's order"),
        (users(FIRST).assign(engagement_score=0.5), "1 more than declared"),
    ],
    ids=["another day", "repeated key", "another order", "another column"],
)
def test_a_refused_frame_leaves_the_partition_and_no_lock(runner: Runner, frame: pd.DataFrame, sentence: str) -> None:
    runner.run(clean_users, partition_key=FIRST)
    before = runner.ledger()
    with pytest.raises(RefusedFrame, match=sentence):
        runner.run(bad_users(frame), partition_key=FIRST)
    assert runner.ledger() == before
    assert runner.stored()["user_id"].tolist() == [100]
    with duckdb.connect(runner.warehouse.path) as foreign:
        assert foreign.sql("SELECT count(*) FROM churn.clean_users").fetchall() == [(1,)]
    runner.run(clean_users, partition_key=FIRST)


def test_a_table_without_a_contract_is_refused(runner: Runner) -> None:
    @asset
    def somebody_elses_table() -> pd.DataFrame:
        return pd.DataFrame({"a": [1]})

    with pytest.raises(ChurnError, match=r"somebody_elses_table has no contract; .* an IO manager of its own"):
        runner.run(somebody_elses_table)


@pytest.mark.parametrize(
    ("partitions", "key"),
    [
        (None, None),
        (StaticPartitionsDefinition(["2026-01-01"]), "2026-01-01"),
        (HourlyPartitionsDefinition("2026-01-01-00:00"), "2026-01-01-23:00"),
    ],
    ids=["none", "static", "hourly"],
)
def test_a_table_that_is_not_partitioned_by_day_is_refused(
    runner: Runner, partitions: PartitionsDefinition[Any] | None, key: str | None
) -> None:
    @asset(key="clean_users", partitions_def=partitions, metadata={"partition_expr": "landing_date"})
    def other() -> pd.DataFrame:
        return users(FIRST)

    runner.run(clean_users, partition_key=FIRST)
    before = runner.ledger()
    with pytest.raises(ChurnError, match="clean_users is partitioned by day; give its asset the daily partitions"):
        runner.run(other, partition_key=key)
    assert runner.ledger() == before


@pytest.mark.parametrize("day", ["2026-03-28", "2026-03-29", "2026-03-30", "2026-10-25", "2026-10-26"])
def test_days_of_a_calendar_with_summer_time_are_that_calendars_days(runner: Runner, day: str) -> None:
    berlin = DailyPartitionsDefinition(start_date="2026-03-01", timezone="Europe/Berlin", end_date="2026-12-31")

    @asset(key="clean_users", partitions_def=berlin, metadata={"partition_expr": "landing_date"})
    def of_berlin() -> pd.DataFrame:
        return users(day)

    runner.run(of_berlin, partition_key=day)
    assert list(runner.ledger()) == [date.fromisoformat(day)]


def test_nothing_is_recorded_of_a_failed_publication(runner: Runner) -> None:
    result = runner.run(bad_users(users("2026-01-09")), partition_key=FIRST, raise_on_error=False)
    assert not result.success
    assert not runner.instance.get_latest_materialization_event(clean_users.key)
    assert runner.ledger() == {}
    assert runner.stored().empty


def test_what_dagster_calls_a_range_is_what_the_ledger_calls_days(runner: Runner) -> None:
    runner.run(clean_users, since="2026-01-09", through="2026-01-10")
    keys = DAILY.get_partition_keys_in_range(PartitionKeyRange("2026-01-09", "2026-01-10"))
    assert list(runner.ledger()) == list(DayRange(date(2026, 1, 9), date(2026, 1, 10)))
    assert [day.isoformat() for day in runner.ledger()] == list(keys)
