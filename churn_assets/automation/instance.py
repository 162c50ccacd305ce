"""The Dagster home of a deployment: the folder and the dagster.yaml that every Dagster process of it reads.

Nothing here starts Dagster or sets DAGSTER_HOME; who does passes the folder this returns. The deployment's own home gets its
file whoever names it; a home of somebody else's is used as it is, with a sentence.
"""

import logging
import os
from functools import cache
from importlib import resources
from pathlib import Path

from filelock import FileLock

from churn_assets.errors import ChurnError

FILE = "dagster.yaml"


def ensure_instance(dagster_home: Path) -> Path:
    """Create the folder and, only where it has none, its `dagster.yaml`. Returns the absolute path for DAGSTER_HOME."""
    home = dagster_home.expanduser().resolve()
    home.mkdir(parents=True, exist_ok=True)
    settings = home / FILE
    if not settings.exists():
        # Under its name only when complete: Dagster takes an empty file for "defaults", telemetry included.
        partial = home / f"{FILE}.{os.getpid()}"
        partial.write_text(resources.files(__package__).joinpath(FILE).read_text("utf-8"), "utf-8")
        partial.replace(settings)
    return home


def home_in_use(own: Path) -> Path:
    """The folder that $DAGSTER_HOME names, or where it names none the deployment's own, with its file; absolute.

    Raises ChurnError where it names another, and not by the absolute path of a folder that is there, which Dagster needs.
    """
    given = os.environ.get("DAGSTER_HOME")
    if not given or _names(own, given):
        return ensure_instance(own)
    if not (Path(given).expanduser().is_absolute() and Path(given).expanduser().is_dir()):
        raise ChurnError(
            f"DAGSTER_HOME is {given}, which is not the absolute path of a folder that exists; name one, or unset it to use {own}."
        )
    _say_once(
        f"DAGSTER_HOME is {given}, which is not this deployment's home: its settings are used as they are, whatever they say of "
        f"telemetry and storage. For those of {own}, unset DAGSTER_HOME."
    )
    return Path(given).expanduser()


def look_after_own_home(own: Path) -> None:
    """To be called where Dagster has opened its instance already: the deployment's own home gets the file that it lacked."""
    given = os.environ.get("DAGSTER_HOME")
    if given and _names(own, given) and not (own / FILE).exists():
        ensure_instance(own)
        os.environ["DAGSTER_DISABLE_TELEMETRY"] = "yes"  # Of this process, which has read that there is no file.
        _say_once(
            f"{own / FILE} was missing and has been written. This process began without it: its settings, a faster event log "
            "among them, count from the next start on."
        )


def _names(own: Path, given: str) -> bool:
    """Whether the text names the folder, through a link or from here."""
    return Path(given).expanduser().resolve() == own.expanduser().resolve()


@cache
def _say_once(sentence: str) -> None:
    logging.getLogger(__name__).warning(sentence)


def opened_alone(home: Path) -> FileLock:
    """To be held while a Dagster instance is opened, which makes its databases where there are none: two processes that
    do so at once leave databases that no Dagster opens again.
    """
    return FileLock(home / ".opening.lock")
