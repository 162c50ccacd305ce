"""What a killed run leaves: nothing that blocks, and a record in Dagster's books that says so."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from dagster import DagsterInstance, DagsterRunStatus, build_sensor_context
from filelock import FileLock, Timeout

import worlds
from churn_assets.automation.backfill import dagster_instance
from churn_assets.automation.instance import ensure_instance
from churn_assets.automation.leftovers import fail_runs_that_died
from churn_assets.automation.sensors import late_data_sensor
from churn_assets.graph import build_definitions
from churn_assets.warehouse.signs_of_life import SignsOfLife
from other_processes import Child

LONG_SECONDS = 600


def hold(say: Callable[[str], None], folder: Path, run_id: str, seconds: float) -> None:
    """A process that gives a sign of life for a run."""
    with SignsOfLife(folder).living(run_id):
        say("holding")
        time.sleep(seconds)


def killed(folder: Path, run_id: str) -> None:
    child = Child(hold, folder, run_id, LONG_SECONDS)
    child.wait_for("holding")
    child.kill()


def test_a_run_is_dead_if_its_process_was_killed_and_not_while_it_lives_or_once_it_ended(tmp_path: Path) -> None:
    signs = SignsOfLife(tmp_path / "running")
    assert signs.dead() == []
    alive = Child(hold, tmp_path / "running", "alive", 1)
    alive.wait_for("holding")
    assert signs.dead() == []
    killed(tmp_path / "running", "killed")
    with signs.living("own"), signs.living("own"):
        assert signs.dead() == ["killed"]
    alive.finish()
    assert signs.dead() == ["killed"]
    signs.forget("killed")
    assert signs.dead() == []


def started_run(instance: DagsterInstance, data: Path) -> str:
    """A run that Dagster believes to be going on."""
    job = build_definitions(worlds.deployment_of(data).settings).resolve_job_def("label_day")
    run = instance.create_run_for_job(job, status=DagsterRunStatus.STARTED)
    return run.run_id


def test_a_killed_run_is_reported_as_failed_and_a_living_one_is_left_alone(landed: Path) -> None:
    one = worlds.deployment_of(landed)
    with dagster_instance(one) as instance:
        dead, living, silent = (started_run(instance, landed) for _ in range(3))
        killed(one.settings.running_dir, dead)
        with one.signs_of_life.living(living):
            assert fail_runs_that_died(instance, one) == [dead]
        assert fail_runs_that_died(instance, one) == []
        statuses = {run.run_id: run.status for run in instance.get_runs()}
    started = DagsterRunStatus.STARTED
    assert statuses == {dead: DagsterRunStatus.FAILURE, living: started, silent: started}


def test_a_backfill_frees_what_a_killed_run_kept_though_it_has_nothing_to_do_itself(landed: Path) -> None:
    one = worlds.deployment_of(landed)
    with dagster_instance(one) as instance:
        dead = started_run(instance, landed)
        killed(one.settings.running_dir, dead)
    report = worlds.run_with_dagster(landed, tables=set())
    assert report.succeeded and not report.run_ids
    with dagster_instance(one) as instance:
        run = instance.get_run_by_id(dead)
        assert run is not None and run.status == DagsterRunStatus.FAILURE


def test_so_does_the_sensor_of_late_data(landed: Path) -> None:
    one = worlds.deployment_of(landed)
    with dagster_instance(one) as instance:
        dead = started_run(instance, landed)
        killed(one.settings.running_dir, dead)
        late_data_sensor(one).evaluate_tick(build_sensor_context(instance=instance))
        run = instance.get_run_by_id(dead)
        assert run is not None and run.status == DagsterRunStatus.FAILURE


def test_each_run_of_any_surface_gives_a_sign_of_life(landed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen from within: while a table is stored, the run's lock is held; afterwards nothing is left of it."""
    from churn_assets.warehouse import io_manager

    one, seen = worlds.deployment_of(landed), set()
    publish = io_manager.publish

    def looks_first(connection: object, publication: io_manager.Publication) -> object:
        lock = FileLock(one.settings.running_dir / f"{publication.run_id}.lock", timeout=0)
        with pytest.raises(Timeout):
            lock.acquire()
        seen.add(publication.run_id)
        return publish(connection, publication)  # type: ignore[arg-type]

    monkeypatch.setattr(io_manager, "publish", looks_first)
    job = build_definitions(one.settings).resolve_job_def("all_tables")
    with DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(
            instance=instance,
            partition_key=str(worlds.day(1)),
            op_selection=["raw_users"],
        )
    assert result.success and seen == {result.run_id}
    assert list(one.settings.running_dir.glob("[!.]*")) == []


def test_runs_claim_no_pool_whose_slots_a_kill_could_leak(landed: Path) -> None:
    """Dagster gives a killed run's slots back only after a while; the one warehouse has a lock that the system frees."""
    definitions = build_definitions(worlds.deployment_of(landed).settings)
    for name in ("all_tables", "restate_days", "label_day"):
        job = definitions.resolve_job_def(name)
        for node in job.nodes:
            assert not node.definition.pools, node.name
            assert "dagster/concurrency_key" not in {**node.definition.tags, **job.tags}
    with dagster_instance(worlds.deployment_of(landed)) as instance:
        assert instance.event_log_storage.get_concurrency_keys() == set()
        assert instance.get_settings("concurrency") == {"runs": {"max_concurrent_runs": 2}}


def test_two_processes_never_open_a_dagster_home_at_once(landed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its databases are made by the first to open it, and two at once leave them broken for good."""
    home = ensure_instance(landed / "dagster_home")
    opened = DagsterInstance.get

    def while_we_hold_the_lock() -> DagsterInstance:
        with pytest.raises(Timeout):
            FileLock(home / ".opening.lock", timeout=0).acquire()
        return opened()

    monkeypatch.setattr(DagsterInstance, "get", while_we_hold_the_lock)
    with dagster_instance(worlds.deployment_of(landed)) as instance:
        assert list(instance.get_runs()) == []
