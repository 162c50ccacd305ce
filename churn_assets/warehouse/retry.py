"""Steps of Dagster that wait for a busy warehouse and try again. What is refused is never tried again: it stays refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from churn_assets.errors import WarehouseBusy

RETRIES = 3
RETRY_SECONDS = 60
"""Between two tries, each of which has itself waited for the deployment's lock timeout."""
NO_RETRY_TAG = "churn_assets/no_retry"
"""Of runs that somebody sits and waits for: they fail with the reason."""


@contextmanager
def retried_when_busy(run_tags: Mapping[str, str]) -> Iterator[None]:
    """Ask Dagster for another try of the step if the warehouse is held elsewhere. A RetryPolicy would not ask why."""
    try:
        yield
    except WarehouseBusy as error:
        if NO_RETRY_TAG in run_tags:
            raise
        from dagster import RetryRequested  # Here, because commands that run nothing need not wait for Dagster.

        raise RetryRequested(RETRIES, RETRY_SECONDS) from error
