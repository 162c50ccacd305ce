"""Great Expectations' Data Docs of a deployment: what is expected of each table's partitions, and which of them meet it.

The same expectations as the checks judge, over the same figures, in pages that a browser opens from the disk.
"""

from __future__ import annotations

import logging
import os
import shutil
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from churn_assets.assets.step import Deployment
from churn_assets.calendar import DayRange
from churn_assets.checks.expectations import measure
from churn_assets.checks.profile import Expectation, expectations
from churn_assets.checks.verdict import Stored
from churn_assets.errors import ChurnError
from churn_assets.warehouse import Ledger

if TYPE_CHECKING:
    import pandas as pd

SITE = "churn_assets"
INDEX = "index.html"


def write_data_docs(deployment: Deployment, folder: Path) -> Path:
    """Write the pages, in the place of those from before; gives the first. Raises ChurnError where nothing is published."""
    beside = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(beside, ignore_errors=True)
    try:
        context = data_docs_context(beside.resolve())
        profiles = context.data_sources.add_pandas("warehouse")
        for table, profile, suite in _profiles(deployment):
            validated(context, profiles, table, profile, suite)
        context.build_data_docs()
        shutil.rmtree(folder, ignore_errors=True)
        beside.rename(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return folder / INDEX


def _profiles(deployment: Deployment) -> Iterator[tuple[str, pd.DataFrame, Sequence[Expectation]]]:
    """Each table's published days with its figures, and what is expected of them."""
    with deployment.warehouse.reading() as connection:
        stored = Stored(connection, deployment.contracts, deployment.settings)
        ledger = Ledger.read(connection)
        there = {table: sorted(ledger.of(table)) for table in expectations(deployment.settings)}
        if not any(there.values()):
            raise ChurnError("Nothing is published yet; run 'churn-assets backfill' first.")
        for table, suite in expectations(deployment.settings).items():
            if days := there[table]:
                profile = measure(stored, deployment.contracts[table], suite, DayRange(days[0], days[-1]))
                yield table, profile[profile["day"].dt.date.isin(days)].reset_index(drop=True), suite


def data_docs_context(folder: Path) -> Any:
    """Great Expectations in memory, but for the pages; usage reports and progress bars off.

    Imported here because that takes 3 s.
    """
    os.environ["GX_ANALYTICS_ENABLED"] = "False"
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    for site in list(context.get_site_names()):
        context.delete_data_docs_site(site)
    context.add_data_docs_site(
        site_name=SITE,
        site_config={
            "class_name": "SiteBuilder",
            "show_how_to_buttons": False,
            "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder)},
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        },
    )
    return context


def validated(context: Any, profiles: Any, table: str, profile: pd.DataFrame, suite: Sequence[Expectation]) -> Any:
    """What Great Expectations says of a profile with one row per day. `profiles` is a pandas data source of the context."""
    from great_expectations import ExpectationSuite, ValidationDefinition
    from great_expectations import expectations as gxe

    expected = [
        expectation
        for one in suite
        for expectation in (
            gxe.ExpectColumnValuesToNotBeNull(column=one.figure),
            gxe.ExpectColumnValuesToBeBetween(column=one.figure, min_value=one.minimum, max_value=one.maximum),
        )
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        days = profiles.add_dataframe_asset(table).add_batch_definition_whole_dataframe("days")
        meanings = [f"`{one.figure}`: {one.meaning}" for one in suite]
        named = context.suites.add(ExpectationSuite(name=table, expectations=expected, notes=meanings))
        definition = context.validation_definitions.add(ValidationDefinition(name=table, data=days, suite=named))
        return definition.run(
            batch_parameters={"dataframe": profile[["day", *(one.figure for one in suite)]]},
            result_format={"result_format": "COMPLETE", "unexpected_index_column_names": ["day"]},
        )
