"""Runs whose process was killed: Dagster believes them to be going on, and its queue keeps their place for up to a day.

Looked for whenever a run is about to be asked for, by a command or by the sensor of late data.
"""

from __future__ import annotations

from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

from churn_assets.assets.step import Deployment

AT_WORK = [DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]


def fail_runs_that_died(instance: DagsterInstance, deployment: Deployment) -> list[str]:
    """Report each such run as failed; gives their ids. A run that nobody can be sure of is left alone."""
    signs = deployment.signs_of_life
    died = [run for run in instance.get_runs(RunsFilter(statuses=AT_WORK)) if signs.died(run.run_id)]
    for run in died:
        instance.report_run_failed(
            run, "The process of this run ended without a word: killed, or the machine went down."
        )
        signs.forget(run.run_id)
    return [run.run_id for run in died]
