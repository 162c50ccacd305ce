"""Runs whose process was killed: Dagster believes them to be going on, and its queue keeps their place for up to a day.

Looked for whenever work is about to be asked for, by a command or by the sensor of late data.
"""

from __future__ import annotations

from dagster import DagsterInstance

from churn_assets.assets.step import Deployment


def fail_runs_that_died(instance: DagsterInstance, deployment: Deployment) -> list[str]:
    """Report each such run as failed; gives their ids. A run that gave no sign of life yet is left alone."""
    failed = []
    for run_id in deployment.signs_of_life.dead():
        if (run := instance.get_run_by_id(run_id)) is None:
            continue  # Of another Dagster home.
        if not run.is_finished:
            instance.report_run_failed(run, "The process of this run ended without a word: killed, or the machine did.")
            failed.append(run_id)
        deployment.signs_of_life.forget(run_id)
    return failed
