"""The graph: the same bytes however one gets there, and what Dagster shows of each table and partition."""

from __future__ import annotations

import random
from datetime import date
from pathlib import Path

import pytest
from dagster import AssetKey, AssetRecordsFilter, DagsterInstance, Definitions, TimeWindowPartitionMapping

from churn_assets.assets.graph import build_assets
from churn_assets.assets.scoring_steps import CHURN_MODEL, CHURN_TRANSFORMER
from churn_assets.assets.step import Deployment
from churn_assets.assets.steps import all_steps
from churn_assets.assets.training_step import contract_now
from churn_assets.assets.wiring import AnyStep
from churn_assets.automation.backfill import backfill, dagster_instance, planned, range_tags
from churn_assets.automation.plan import Work
from churn_assets.automation.verify import verify
from churn_assets.calendar import LONGEST_HISTORY_DAYS, DayRange
from churn_assets.contracts.training import TRAINING_SET
from churn_assets.graph import build_definitions
from churn_assets.report.asset import CHURN_REPORT
from churn_assets.settings import Settings
from churn_assets.warehouse import io_manager
from worlds import (
    CALENDAR,
    DAYS,
    LATENESS,
    Hashes,
    bring_back,
    day,
    days,
    deliver,
    deployment_of,
    differing,
    hashes,
    publish_plainly,
    query,
    run_plainly,
    run_with_dagster,
    withdraw,
    write_settings,
)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")


# --- the world these tests stand on is not a trivial one ---

STORED_NOWHERE = (CHURN_MODEL, CHURN_TRANSFORMER, CHURN_REPORT)
"""Assets of which figures and pictures are shown, and no table is made."""


def test_the_small_world_has_late_events_plan_changes_and_rows_of_every_fate(computed: Path) -> None:
    late = "SELECT count(*) FROM churn.clean_events WHERE landing_date > event_date"
    changed = "SELECT count(*) FROM (FROM churn.clean_users SELECT user_id GROUP BY 1 HAVING count(DISTINCT plan) > 1)"
    assert query(computed, late)[0][0] > 20 and query(computed, changed)[0][0] >= 1
    reasons = dict(query(computed, "SELECT reason, count(*) FROM churn.quarantined_events GROUP BY 1"))
    assert reasons == {
        "negative_minutes": 1,
        "future": 1,
        "too_late": 1,
        "conflict": 1,
        "malformed_row": 1,
        "bad_event_time": 1,
    }
    assert query(computed, "SELECT reason, count(*) FROM churn.unmatched_events GROUP BY 1") == [("unknown_user", 1)]
    assert query(computed, "SELECT reason, count(*) FROM churn.quarantined_users GROUP BY 1") == [
        ("bad_signup_date", 1)
    ]


# --- the same bytes ---


def test_one_range_run_publishes_what_a_plain_loop_over_the_steps_does(landed: Path, expected: Hashes) -> None:
    assert run_with_dagster(landed).succeeded
    assert not differing(hashes(landed), expected)
    assert not [finding for _, _, findings in verify(deployment_of(landed)) for finding in findings]


@pytest.mark.long
def test_day_by_day_each_day_restates_what_it_touches_so_that_nothing_is_left_to_do(
    landed: Path, expected: Hashes
) -> None:
    run_plainly(landed, days(1, 10))
    for number in (11, 12):
        assert run_with_dagster(landed, days(number)).succeeded
    assert not planned(deployment_of(landed)).works
    assert not differing(hashes(landed), expected)


@pytest.mark.long
def test_each_day_as_if_alone_and_in_any_order_then_backfill(landed: Path, expected: Hashes) -> None:
    shuffled = list(days(1, 6))
    random.Random(1).shuffle(shuffled)
    for at in shuffled:
        one_day_alone(landed, at)
    assert differing(hashes(landed), expected), "days computed without their look-ahead are not final yet"
    run_plainly(landed)
    assert not differing(hashes(landed), expected)


@pytest.mark.long
@pytest.mark.parametrize("chunk", [1, 5])
def test_chunks(landed: Path, expected: Hashes, chunk: int) -> None:
    write_settings(landed, backfill_chunk_days=chunk)
    run_plainly(landed)
    assert not differing(hashes(landed), expected)


@pytest.mark.long
def test_checks_pass_in_chunks_because_what_they_read_is_made_before(landed: Path) -> None:
    write_settings(landed, backfill_chunk_days=3)
    report = run_with_dagster(landed, days(1, 6))
    assert report.succeeded and report.partitions == 6 * len(deployment_of(landed).contracts)


@pytest.mark.long
def test_a_gap_and_its_refill(landed: Path, expected: Hashes) -> None:
    withdraw(landed, day(6))
    report = run_with_dagster(landed)
    assert [f"date={day(6)}" in sentence for sentence in report.failures] == [True, True]
    assert not report.blocking and report.partitions == (DAYS - 1) * len(deployment_of(landed).contracts)
    assert report.warnings["user_daily.window_of_clean_events"] == LATENESS, "the days whose window lacks day 6"
    bring_back(landed, day(6))
    run_plainly(landed)
    assert not differing(hashes(landed), expected)


@pytest.mark.long
def test_refused_files_are_all_named_and_every_other_day_is_published(landed: Path, expected: Hashes) -> None:
    torn = 'event_id,user_id,event_time,event_type\n1,1,"secret-value'
    bad = [deliver(landed, "events", day(n), torn, name=f"torn-{n}.csv") for n in (3, 4)]
    bad += [
        deliver(landed, "users", day(8), "", name="empty.csv"),
        deliver(landed, "events", day(4), "x", name="b.csv"),
    ]
    report = run_with_dagster(landed, days(1, 9))
    assert sorted(path.name for path in bad for sentence in report.failures if path.name in sentence) == sorted(
        path.name for path in bad
    )
    assert len(report.failures) == len(bad) and not report.blocking
    there = {(table, at) for table, at in expected if at <= day(9) and at not in {day(3), day(4), day(8)}}
    assert hashes(landed).keys() == there, "as if nothing had been delivered on these days"
    for path in bad:
        path.unlink()
    run_plainly(landed)
    assert not differing(hashes(landed), expected)


@pytest.mark.long
def test_tiny_blocks_that_split_days_into_key_buckets(landed: Path, expected: Hashes) -> None:
    write_settings(landed, block_rows=25)
    run_plainly(landed)
    assert not differing(hashes(landed), expected)


def test_an_empty_day_is_published_as_a_day_without_rows(landed: Path) -> None:
    for source in ("users", "events"):
        for file in (landed / "landing" / source / f"date={day(1)}").iterdir():
            file.write_text(file.read_text().splitlines()[0] + "\n")
    report = run_with_dagster(landed, days(1))
    assert not report.failures and not report.blocking
    assert set(hashes(landed)) == {(table, day(1)) for table in deployment_of(landed).contracts}
    assert query(landed, "SELECT count(*) FROM churn.user_daily") == [(0,)]


@pytest.mark.long
def test_partitions_computed_are_counted_from_what_was_published(landed: Path) -> None:
    (landed / "landing/events" / f"date={day(3)}" / "events.csv").write_bytes(b"")
    report = run_with_dagster(landed, days(1, 5))
    published = hashes(landed)
    assert report.partitions == len(published) and ("user_daily", day(4)) in published
    assert ("raw_events", day(3)) not in published and ("user_daily", day(3)) not in published
    assert len(report.failures) == 1 and f"events/date={day(3)}/events.csv" in report.failures[0]


@pytest.mark.long
@pytest.mark.parametrize(
    "step", [step for step in all_steps(Settings()) if len(step.outputs) > 1], ids=lambda step: step.name
)
def test_each_table_of_a_step_can_be_asked_for_alone_and_all_are_computed(
    computed: Path, expected: Hashes, step: AnyStep
) -> None:
    deployment = deployment_of(computed)
    definitions = build_definitions(deployment.settings)
    with dagster_instance(deployment) as instance:
        for table in step.outputs:
            job = definitions.get_repository_def().get_implicit_job_def_for_assets([AssetKey(table)])
            assert job is not None
            result = job.execute_in_process(
                instance=instance, asset_selection=[AssetKey(table)], tags=range_tags(days(5, 6))
            )
            assert result.success
            shown = [(event.asset_key, event.partition) for event in result.all_events if event.is_step_materialization]
            assert sorted(shown) == sorted((AssetKey(own), str(at)) for own in step.outputs for at in days(5, 6))
            runs = query(
                computed,
                "SELECT DISTINCT table_name FROM churn.publish_ledger "
                f"WHERE run_id = '{result.run_id}' AND partition_date IN ('{day(5)}', '{day(6)}')",
            )
            assert {own for (own,) in runs} == set(step.outputs)
    assert not differing(hashes(computed), expected)


def test_a_table_without_its_input_of_the_day_is_refused_and_not_published_empty(landed: Path) -> None:
    definitions = build_definitions(deployment_of(landed).settings)
    job = definitions.get_repository_def().get_implicit_job_def_for_assets([AssetKey("user_daily")])
    assert job is not None
    result = job.execute_in_process(
        instance=DagsterInstance.ephemeral(),
        asset_selection=[AssetKey("user_daily")],
        partition_key=str(day(2)),
        raise_on_error=False,
    )
    assert not result.success and not hashes(landed)


def test_after_a_stop_only_what_is_missing_is_done(landed: Path, expected: Hashes) -> None:
    deployment = deployment_of(landed)
    definitions = build_definitions(deployment.settings)
    whole = planned(deployment)
    assert backfill(definitions, deployment, planned(deployment, tables={"raw_users", "raw_events"})).succeeded
    rest = planned(deployment)
    assert rest.partitions == whole.partitions - 4 * DAYS
    assert backfill(definitions, deployment, rest).succeeded
    assert not differing(hashes(landed), expected)


def one_day_alone(data: Path, at: date) -> None:
    """What `dagster asset materialize --partition` does: the day, and no day that it touches."""
    deployment = deployment_of(data)
    publish_plainly(deployment, Work(all_steps(deployment.settings), DayRange(at, at)))


# --- what Dagster shows ---


@pytest.fixture(scope="module")
def definitions() -> Definitions:
    return build_definitions(settings_of_the_calendar())


def settings_of_the_calendar() -> Settings:
    return Settings(start_date=CALENDAR.first, end_date=CALENDAR.last)


def test_the_definitions_load(definitions: Definitions) -> None:
    Definitions.validate_loadable(definitions)


def test_every_asset_has_a_description_owner_kinds_group_and_code_version(definitions: Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    assert len(graph.get_all_asset_keys()) == 21 + len([TRAINING_SET, *STORED_NOWHERE])
    for key in graph.get_all_asset_keys():
        spec = graph.get(key)
        assert spec.description and "Key: " in spec.description and "Partition: " in spec.description
        stored_in = {"duckdb"} if key.to_user_string() not in STORED_NOWHERE else set()
        assert spec.owners and spec.kinds >= {"pandas", *stored_in}
        assert spec.group_name in {"landing", "cleaned", "user_days", "metrics", "learning", "scores"}
        assert spec.code_version and len(spec.code_version) == 12


def test_every_asset_shows_each_column_of_its_contract_with_type_and_description(definitions: Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    deployment = Deployment(settings_of_the_calendar())
    contracts = {**deployment.contracts, TRAINING_SET: contract_now(deployment)}
    assert {key.to_user_string() for key in graph.get_all_asset_keys()} == {*contracts, *STORED_NOWHERE}
    for table, contract in contracts.items():
        schema = graph.get(AssetKey(table)).metadata["dagster/column_schema"].value
        assert [column.name for column in schema.columns] == contract.column_names
        assert all(column.description and column.type for column in schema.columns)


def test_every_asset_says_what_its_columns_are_made_from(definitions: Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    lineage = graph.get(AssetKey("user_daily")).metadata["dagster/column_lineage"].value.deps_by_column
    assert [(d.asset_key.to_user_string(), d.column_name) for d in lineage["plan"]] == [("user_day_grid", "plan")]
    assert [d.column_name for d in lineage["payment_amount"]] == ["amount", "event_type"]
    columns = graph.get(AssetKey("user_daily")).metadata["dagster/column_schema"].value.columns
    (said,) = (column.description for column in columns if column.name == "payment_amount")
    assert (
        said
        == "Sum of amount over payment_success events [source currency] ← clean_events.amount, clean_events.event_type"
    )


def test_lineage_is_the_windows_the_steps_declare() -> None:
    shown = {}
    for assets in build_assets(Deployment(settings_of_the_calendar())):
        for key in assets.keys:
            for upstream in assets.asset_deps[key]:
                if upstream.to_user_string() == CHURN_MODEL:
                    continue  # of no day
                mapping = assets.get_partition_mapping(upstream)
                assert isinstance(mapping, TimeWindowPartitionMapping)
                shown[key.to_user_string(), upstream.to_user_string()] = (-mapping.start_offset, mapping.end_offset)
    late, ever = LATENESS, LONGEST_HISTORY_DAYS
    assert {
        edge: window for edge, window in shown.items() if not edge[0].startswith(("quar", "users_r", "events_r"))
    } == {
        ("clean_users", "raw_users"): (1, 0),
        ("clean_events", "raw_events"): (late, 0),
        ("user_day_grid", "clean_users"): (ever, late),
        ("user_daily", "user_day_grid"): (0, 0),
        ("user_daily", "clean_events"): (0, late),
        ("user_daily", "unmatched_events"): (0, 0),  # not read, but counted by its conservation check
        ("unmatched_events", "clean_events"): (0, late),
        ("unmatched_events", "clean_users"): (ever, late),
        ("growth_daily", "user_daily"): (59, 0),
        ("growth_daily", "user_day_grid"): (0, 0),
        ("retention_cohorts", "user_daily"): (0, 6),
        ("retention_cohorts", "user_day_grid"): (0, 6),
        **{
            (table, upstream): window
            for table in ("user_features", "feature_catalogue")
            for upstream, window in {
                "user_day_grid": (29, 0),
                "user_daily": (89, 0),
                "clean_events": (29, late),
            }.items()
        },
        ("churn_labels", "user_day_grid"): (0, 0),
        ("churn_labels", "user_daily"): (29, 30),
        **{
            (table, of): (0, 0) for table in ("churn_scores", "score_drift") for of in ("user_features", "churn_labels")
        },
        **{("score_quality", of): (0, 0) for of in ("churn_scores", "churn_labels", "user_day_grid")},
    }


@pytest.mark.long
def test_each_partition_shows_its_own_rows_hash_and_quality_score(landed: Path) -> None:
    run_with_dagster(landed)
    deployment = deployment_of(landed)
    published = hashes(landed)
    with dagster_instance(deployment) as instance:
        for table, contract in deployment.contracts.items():
            counted = dict(query(landed, f"SELECT {contract.day}, count(*) FROM churn.{table} GROUP BY 1"))
            for at in (day(1), day(6), day(DAYS)):
                metadata = latest_metadata(instance, table, at)
                assert metadata["dagster/partition_row_count"].value == counted.get(at, 0)
                assert metadata["content_hash"].value == published[table, at]
        # Landing day 6: of the hand-made rows two of nine are accepted beside those of user 999999 and of the odd type.
        rejected = query(
            landed, f"SELECT sum(rows_quarantined) FROM churn.events_reconciliation WHERE landing_date = '{day(6)}'"
        )
        noted = {name: value.value for name, value in latest_metadata(instance, "clean_events", day(6)).items()}
        assert noted["rows_quarantined"] == rejected[0][0] == 6
        relevant = noted["rows_read"] - noted["rows_duplicate"] - noted["rows_unchanged"]
        assert noted["quality_score"] == pytest.approx(100 * noted["rows_accepted"] / relevant, abs=0.01)
        assert latest_metadata(instance, "clean_events", day(1))["quality_score"].value == 100


def latest_metadata(instance: DagsterInstance, table: str, at: date) -> dict[str, object]:
    records = instance.fetch_materializations(
        AssetRecordsFilter(asset_key=AssetKey(table), asset_partitions=[str(at)]), limit=1
    ).records
    materialization = records[0].asset_materialization
    assert materialization is not None
    return dict(materialization.metadata)


def test_a_query_that_ctrl_c_stopped_is_no_error_of_the_step(landed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def query(*_: object, **__: object) -> None:
        raise RuntimeError("Query interrupted")  # which is what DuckDB makes of it

    monkeypatch.setattr(io_manager, "publish", query)
    with pytest.raises(KeyboardInterrupt):
        run_with_dagster(landed)
