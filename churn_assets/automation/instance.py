"""The Dagster home of a deployment: the folder and the dagster.yaml that every Dagster process of it reads.

Nothing here starts Dagster or sets DAGSTER_HOME; who does passes the folder this returns.
"""

import os
from importlib import resources
from pathlib import Path

from filelock import FileLock


def ensure_instance(dagster_home: Path) -> Path:
    """Create the folder and, only where it has none, its `dagster.yaml`. Returns the absolute path for DAGSTER_HOME."""
    home = dagster_home.expanduser().resolve()
    home.mkdir(parents=True, exist_ok=True)
    settings = home / "dagster.yaml"
    if not settings.exists():
        # Under its name only when complete: Dagster takes an empty file for "defaults", telemetry included.
        partial = home / f"dagster.yaml.{os.getpid()}"
        partial.write_text(resources.files(__package__).joinpath("dagster.yaml").read_text("utf-8"), "utf-8")
        partial.replace(settings)
    return home


def opened_alone(home: Path) -> FileLock:
    """To be held while a Dagster instance is opened, which makes its databases where there are none: two processes that
    do so at once leave databases that no Dagster opens again.
    """
    return FileLock(home / ".opening.lock")
