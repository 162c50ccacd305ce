"""Erasing a user from a deployment: found everywhere first, then taken out step by step, each of which may be done again.

The record comes first and the user's rows are not taken from then on; so a stop at any moment, and the same command again,
end in the same state. docs/erasure.md says what is erased, and what is not ours to erase.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from churn_assets.assets.step import Deployment
from churn_assets.automation import erasure_record
from churn_assets.automation.backfill import Report
from churn_assets.automation.erasure_text import BLOT, blot_out, files_naming, is_unmistakable
from churn_assets.automation.restate import planned_restatement, restate
from churn_assets.errors import ChurnError
from churn_assets.landing.erased import Erased, canonical
from churn_assets.landing.erasing import FoundFile, remove_leftovers, rename_without, rewrite_without, search_landing
from churn_assets.landing.incoming import incoming
from churn_assets.online.erase import count_online, remove_online
from churn_assets.report.write import PAGE, write_report
from churn_assets.settings import SOURCES
from churn_assets.training.erase import remove_versions, versions_with
from churn_assets.warehouse.erase import (
    blot_out_of_file_names,
    count_noted_names,
    count_users_rows,
    remove_users_rows,
)
from churn_assets.warehouse.exported import exports_with
from churn_assets.warehouse.rewrite import rewrite

if TYPE_CHECKING:
    from dagster import Definitions


@dataclass(frozen=True)
class Found:
    """Where a user is. `text` is the id where it can be searched for as text, else None."""

    sought: Erased
    own: str
    """The id as it is written in one way."""
    text: str | None
    files: Sequence[FoundFile]
    undecided: Sequence[Path]
    """Files below the landing folder, none of a day's, that cannot be read for certain."""
    tables: Mapping[str, int]
    training_sets: Sequence[str]
    exports: Sequence[Path]
    online: int
    """Entries of the online store and of the log of what a service gave out."""
    earlier: Mapping[str, Any] | None
    """The record of an erasure of the same user before."""

    @property
    def is_nowhere(self) -> bool:
        return not (self.files or self.tables or self.training_sets or self.exports or self.online)

    @property
    def is_unfinished(self) -> bool:
        return self.earlier is not None and self.earlier["finished_at"] is None

    @property
    def counts(self) -> dict[str, Any]:
        """What the record keeps: numbers, and the versions of the training set that are removed."""
        landed = {source: sum(one.records for one in self.files if one.source == source) for source in SOURCES}
        return {
            "landed_records": landed,
            "landed_files": len(self.files),
            "table_rows": dict(self.tables),
            "training_sets": list(self.training_sets),
            "exports": len(self.exports),
            "online": self.online,
        }


@dataclass
class Outcome:
    """What the restatement after it did, and the files in which the id still stands, other users' rows among them."""

    report: Report = field(default_factory=Report)
    still_named_in: list[Path] = field(default_factory=list)


def find_user(deployment: Deployment, user: str) -> Found:
    """Everything there is of the user. Raises ChurnError for an id of another type, one that nobody has, and a file or a
    table that cannot be read.
    """
    settings = deployment.settings
    id_type = settings.sources.users.id_type
    own = canonical(user, id_type)
    if own is None:
        kind = "whole numbers from 1" if id_type == "integer" else "texts"
        raise ChurnError(f'That is no user id: ids of this deployment are {kind} (id_type = "{id_type}").')
    sought = erasure_record.sought_user(settings, own)

    def is_sought(ids: list[str]) -> list[bool]:
        return sought.holds(ids).tolist()

    text = own if is_unmistakable(own, id_type) else None
    landed = search_landing(settings, sought, own)
    found = Found(
        sought=sought,
        own=own,
        text=text,
        files=landed.found,
        undecided=landed.undecided,
        tables=_tables_with(deployment, sought, text),
        training_sets=versions_with(settings.training_sets_dir, is_sought),
        exports=list(exports_with(settings.data_dir, is_sought, apart=_own_folders(deployment))),
        online=count_online(settings, own),
        earlier=erasure_record.latest(settings, sought),
    )
    if found.is_nowhere and found.earlier is None and not found.undecided:
        raise ChurnError(
            "There is no such user: neither landed, nor in a table, a training set, an export or the online store."
        )
    return found


def erase(definitions: Definitions, deployment: Deployment, found: Found, *, raise_on_error: bool = False) -> Outcome:
    """Do it. Where what depended on the user cannot be computed again, the report says why; the user is gone all the same."""
    settings, outcome = deployment.settings, Outcome()
    with erasure_record.one_at_a_time(settings):
        erasure_record.begin(settings, found.sought, found.counts)
        for step in (erase_from_landing, erase_from_tables, erase_copies, erase_online):
            step(deployment, found)
        todo = planned_restatement(deployment)
        outcome.report = restate(definitions, deployment, todo, raise_on_error=raise_on_error)
        # Once more: a run that was under way when it began may have stored what it had read before.
        for step in (erase_from_tables, erase_online, renew_report, erase_traces):
            step(deployment, found)
        erasure_record.finish(settings, found.sought)
        if found.text:
            outcome.still_named_in = list(files_naming(settings.data_dir, found.text))
    return outcome


def erase_again(deployment: Deployment) -> None:
    """Take everybody who was ever erased out of a warehouse that was made before: a backup that was put back."""
    everybody = Erased.of(deployment.settings)
    if everybody.users:
        with deployment.warehouse.writing() as connection:
            remove_users_rows(connection, deployment.contracts.values(), _in_tables(deployment, everybody), None)
        rewrite(deployment.warehouse)


def erase_from_landing(deployment: Deployment, found: Found) -> None:
    """No import may be under way meanwhile; what a killed one left behind goes, too."""
    settings = deployment.settings
    with incoming(settings.landing_dir):
        remove_leftovers(settings)
        for file in found.files:
            rewrite_without(settings, file, found.sought)
        if found.text:
            rename_without(settings, found.text, BLOT)


def erase_from_tables(deployment: Deployment, found: Found) -> None:
    if deployment.settings.warehouse_path.exists():
        with deployment.warehouse.writing() as connection:
            tables = deployment.contracts.values()
            remove_users_rows(connection, tables, _in_tables(deployment, found.sought), found.text)
            if found.text:
                blot_out_of_file_names(connection, tables, found.text, BLOT)


def erase_copies(deployment: Deployment, found: Found) -> None:
    settings = deployment.settings
    remove_versions(settings.training_sets_dir, found.training_sets, settings.lock_timeout_seconds)
    for path in found.exports:
        path.unlink(missing_ok=True)


def erase_online(deployment: Deployment, found: Found) -> None:
    remove_online(deployment.settings, found.own)


def renew_report(deployment: Deployment, found: Found) -> None:
    """Its figures and pictures count the user. Where none can be made now, there is none. Data Docs are made when asked for."""
    shutil.rmtree(deployment.settings.data_docs_dir, ignore_errors=True)
    folder = deployment.settings.reports_dir
    if (folder / PAGE).exists():
        try:
            write_report(deployment, folder)
        except ChurnError:
            for path in (folder / PAGE, *folder.glob("*.png")):
                path.unlink(missing_ok=True)


def erase_traces(deployment: Deployment, found: Found) -> None:
    """What is left of the user where no row is: logs, free blocks of the warehouse."""
    if found.text:
        blot_out(deployment.settings.dagster_home, found.text)
    rewrite(deployment.warehouse)


def _tables_with(deployment: Deployment, sought: Erased, text: str | None) -> dict[str, int]:
    if not deployment.settings.warehouse_path.exists():
        return {}
    with deployment.warehouse.reading() as connection:
        tables = deployment.contracts.values()
        rows = count_users_rows(connection, tables, _in_tables(deployment, sought), text)
        return rows | (count_noted_names(connection, text) if text else {})


def _in_tables(deployment: Deployment, sought: Erased) -> Callable[[str, list[str]], list[bool]]:
    """Which ids of a table are sought ones. Landed rows have them as the source wrote them."""
    as_written = {
        f"{kind}_{source}": deployment.settings.source(source).values.get("user_id", {})
        for source in SOURCES
        for kind in ("raw", "quarantined")
    }
    return lambda table, ids: sought.holds(ids, as_written.get(table)).tolist()


def _own_folders(deployment: Deployment) -> list[Path]:
    """Of which it is known what lies there: none of it is an export."""
    settings = deployment.settings
    return [
        settings.landing_dir,
        settings.training_sets_dir,
        settings.models_dir,
        settings.dagster_home,
        settings.served_dir,
    ]
