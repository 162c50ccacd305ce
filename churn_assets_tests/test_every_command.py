"""Every command in every state that a person can put right: it ends well, or in one sentence that says what is wrong, and nowhere else."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from churn_assets.cli import cli
from worlds import SHORT_LABELS, day, deliver, held_elsewhere, run_plainly, write_settings

Arguments = Callable[[Path], list[str]]
USERS, EVENTS = "user_id,signup_date\n1,2026-01-01\n", "event_id,user_id,event_time,event_type\n1,1,2026-01-01,login\n"


def dumped(data: Path) -> list[str]:
    """A small dump beside the data folder."""
    paths = []
    for name, text in (("u.csv", USERS), ("e.csv", EVENTS)):
        paths.append(data.parent / name)
        paths[-1].write_text(text)
    return [str(path) for path in paths]


ARGUMENTS: Mapping[str, Arguments] = {
    "backfill": lambda _: ["2026-01-03"],
    "backup": lambda data: [str(data.parent / "backup.duckdb")],
    "data-docs": lambda data: ["--out", str(data.parent / "docs")],
    "demo": lambda _: ["--users", "20", "--days", "3"],
    "erase": lambda _: ["1", "--yes"],
    "export": lambda data: ["user_daily", "--out", str(data.parent / "daily.csv")],
    "feast export": lambda data: [str(data.parent / "repository")],
    "generate": lambda _: ["--users", "20", "--days", "3"],
    "init": dumped,
    "land": dumped,
    "online publish": lambda _: [],
    "online status": lambda _: [],
    "product check": lambda _: [],
    "product docs": lambda _: [],
    "product show": lambda _: [],
    "quarantine list": lambda _: [],
    "quarantine release": lambda _: ["--dry-run"],
    "report": lambda data: ["--out", str(data.parent / "report")],
    "restate": lambda _: [],
    "restore": lambda data: [str(data.parent / "none.duckdb")],
    "scores": lambda _: [],
    "serve": lambda _: ["--port", "0"],
    "status": lambda _: [],
    "verify": lambda _: [],
}
"""What each is given, by its name."""


def broken_toml(data: Path) -> None:
    (data / "churn.toml").write_text("start_date = \n")


def unknown_key(data: Path) -> None:
    write_settings(data, colour=1)


def wrong_zone(data: Path) -> None:
    write_settings(data, timezone='"Mars/Base"')


def wrong_format(data: Path) -> None:
    write_settings(data, labels='[sources.events]\ntimestamp_format = "DD/MM/YYYY"\n')


def no_product(data: Path) -> None:
    write_settings(data, product='"nowhere"')


def future(data: Path) -> None:
    write_settings(data, start_date="2099-01-01", end_date="2099-02-01")


def no_settings(data: Path) -> None:
    (data / "churn.toml").unlink()


def no_warehouse(data: Path) -> None:
    (data / "warehouse.duckdb").write_text("a letter, and no database\n" * 1000)


def torn_file(data: Path) -> None:
    deliver(data, "events", day(3), 'event_id,user_id,event_time,event_type\n1,1,"s3cr3t', name="torn.csv")


def lost_erasures(data: Path) -> None:
    (data / "erasures.json").write_text("{")


def relative_home(data: Path) -> None:
    """Said by $DAGSTER_HOME."""


def home_that_is_a_file(data: Path) -> None:
    (data.parent / "home").write_text("")


STATES: tuple[Callable[[Path], None], ...] = (
    *(broken_toml, unknown_key, wrong_zone, wrong_format, no_product, future, no_settings, no_warehouse, torn_file),
    *(lost_erasures, relative_home, home_that_is_a_file),
)
HOMES = {"relative_home": "somewhere/else", "home_that_is_a_file": "{parent}/home"}


def commands() -> Iterator[str]:
    """By their names, those of groups with the group's."""
    for name, command in sorted(cli.commands.items()):
        if isinstance(command, click.Group):
            yield from (f"{name} {sub}" for sub in sorted(command.list_commands(click.Context(command))))
        else:
            yield name


def test_each_command_is_tried() -> None:
    assert [*commands()] == sorted(ARGUMENTS)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three days of two users, computed."""
    data = tmp_path_factory.mktemp("tiny") / "data"
    for number in (1, 2, 3):
        deliver(data, "users", day(number), f"user_id,signup_date\n{number},{day(number)}\n")
        rows = f"{number},1,{day(number)}T08:00:00,login\n{number + 10},1,x,login\n"
        deliver(data, "events", day(number), f"event_id,user_id,event_time,event_type\n{rows}")
    write_settings(data, SHORT_LABELS, end_date=day(3))
    run_plainly(data)
    return data


def ends_well_or_in_a_sentence(data: Path, name: str) -> None:
    arguments = ["--data", str(data), *name.split(), *ARGUMENTS[name](data)]
    result = CliRunner().invoke(cli, arguments)
    shown = result.stdout + result.stderr
    assert "Traceback" not in shown and "was not expected here" not in shown and "s3cr3t" not in shown, shown
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    errors = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert (result.exit_code == 0) == (not errors) and len(errors) <= 2, (result.exit_code, shown)
    for error in errors:
        assert error.endswith(".") and error.isprintable() and len(error) > 30, error


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
@pytest.mark.parametrize("name", [*commands()])
def test_a_command_in_a_state_that_a_person_can_put_right(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, state: Callable[[Path], None]
) -> None:
    data = Path(shutil.copytree(tiny, tmp_path / "data"))
    state(data)
    if state.__name__ in HOMES:
        monkeypatch.setenv("DAGSTER_HOME", HOMES[state.__name__].format(parent=tmp_path))
    ends_well_or_in_a_sentence(data, name)


@pytest.mark.parametrize("name", [*commands()])
def test_a_command_where_nothing_is(tmp_path: Path, name: str) -> None:
    ends_well_or_in_a_sentence(tmp_path / "data", name)


@pytest.mark.parametrize("name", [*commands()])
def test_a_command_whose_data_folder_is_a_file(tmp_path: Path, name: str) -> None:
    (tmp_path / "data").write_text("")
    ends_well_or_in_a_sentence(tmp_path / "data", name)


@pytest.fixture(scope="module")
def held(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A deployment whose warehouse another process has open."""
    data = Path(shutil.copytree(tiny, tmp_path_factory.mktemp("held") / "data"))
    write_settings(data, SHORT_LABELS, end_date=day(3), lock_timeout_seconds=0.2)
    with held_elsewhere(data / "warehouse.duckdb"):
        yield data


@pytest.mark.parametrize("name", [*commands()])
def test_a_command_while_another_process_holds_the_warehouse(held: Path, name: str) -> None:
    ends_well_or_in_a_sentence(held, name)
