"""What a query, a name or a value must not be able to do, and what is not shown to anybody."""

from __future__ import annotations

import ast
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from dagster import build_init_resource_context, build_input_context

import churn_assets
import worlds
from churn_assets.checks.graph import all_checks, verdicts
from churn_assets.checks.verdict import Stored
from churn_assets.errors import ChurnError, RefusedFile
from churn_assets.landing.delivery import take_delivery
from churn_assets.landing.folder import NOT_READ, Deliveries
from churn_assets.landing.known_digests import KnownDigests
from churn_assets.settings import Settings
from churn_assets.warehouse import Warehouse
from churn_assets.warehouse.connection import CONFIG
from churn_assets.warehouse.frames import create_table, literal
from churn_assets.warehouse.io_manager import ChurnIOManager
from churn_assets.warehouse.publish import delete_days

ROOT = Path(__file__).parents[1]
PACKAGE = Path(churn_assets.__file__).parent

# -- what a connection may reach ---------------------------------------------------------------------------------------


@contextmanager
def through_the_io_manager(data: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    made = ChurnIOManager(database=str(data / "warehouse.duckdb"), data_dir=str(data), schema="churn")
    manager = made.create_io_manager(build_init_resource_context())
    with manager._db_client.connect(build_input_context(), None) as connection:  # type: ignore[arg-type]
        yield connection


CONNECTIONS: dict[str, Callable[[Path], AbstractContextManager[duckdb.DuckDBPyConnection]]] = {
    "reading": lambda data: Warehouse(data / "warehouse.duckdb").reading(),
    "writing": lambda data: Warehouse(data / "warehouse.duckdb").writing(),
    "the IO manager's": through_the_io_manager,
}
FORBIDDEN = {
    "a file": "SELECT * FROM read_csv('{file}')",
    "a file as text": "SELECT * FROM read_text('{file}')",
    "a folder": "SELECT * FROM glob('{folder}/*')",
    "a file to write": "COPY (SELECT 1) TO '{folder}/stolen.csv'",
    "another database": "ATTACH '{folder}/other.duckdb'",
    "an export": "EXPORT DATABASE '{folder}/export'",
    "an extension": "INSTALL httpfs",
    "an extension's code": "LOAD httpfs",
    "the web": "SELECT * FROM read_csv('https://example.com/users.csv')",
}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, computed_template: Path) -> Path:
    """A deployment, and beside it a file that is none of its business."""
    folder = tmp_path_factory.mktemp("scene")
    (folder / "secret.csv").write_text("password\nhunter2\n")
    return Path(shutil.copytree(computed_template, folder / "data"))


@pytest.mark.parametrize("session", CONNECTIONS)
@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_query_reaches_anything_but_the_warehouse(scene: Path, session: str, what: str) -> None:
    statement = FORBIDDEN[what].format(file=scene.parent / "secret.csv", folder=scene.parent)
    before = sorted(scene.parent.iterdir())
    with pytest.raises(duckdb.Error, match=r"disabled|denied|not allowed"), CONNECTIONS[session](scene) as connection:
        connection.execute(statement).fetchall()
    assert sorted(scene.parent.iterdir()) == before


@pytest.mark.parametrize("session", CONNECTIONS)
@pytest.mark.parametrize("setting", ["enable_external_access", "autoload_known_extensions", "lock_configuration"])
def test_no_query_switches_that_off(scene: Path, session: str, setting: str) -> None:
    opposite = not CONFIG[setting]
    with pytest.raises(duckdb.Error, match="locked"), CONNECTIONS[session](scene) as connection:
        connection.execute(f"SET {setting} = {opposite}").fetchall()


def test_no_query_sees_the_variables_of_the_program(computed: Path) -> None:
    secret = worlds.deployment_of(computed).contracts["user_daily"].empty()
    with pytest.raises(duckdb.Error, match="secret does not exist"), CONNECTIONS["reading"](computed) as connection:
        connection.execute("SELECT * FROM secret").fetchall()
    assert secret.empty


def test_there_is_one_place_that_opens_a_warehouse() -> None:
    opening = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if re.search(r"\bduckdb\.connect\(|\bduckdb\.(sql|query|execute)\(", path.read_text("utf-8"))
    }
    assert opening == {"warehouse/connection.py", "warehouse/rewrite.py"}, "the latter copies one file into another"


# -- how SQL comes about -----------------------------------------------------------------------------------------------

REVIEWED = {
    "assets.online_step": dict.fromkeys(("joined", "of_features", "of_score"), "names of columns, quoted"),
    "online.sqlite_store": {"columns": "written there, with a constant in it", "marks": "question marks"},
    "automation.erasure_text": {"name": "a column SQLite lists, quoted", "table": "a table SQLite lists, quoted"},
    "checks.drift": dict.fromkeys(
        ("one.among", "one.bin", "one.day", "one.table"), "written in that module, event types as literals"
    ),
    "checks.expectations": {
        "day": "quoted",
        "', '.join(figures)": "SQL of the suites, names quoted",
        "', '.join((f'CASE WHEN found.day IS NULL THEN nothing.{n} ELSE found.{n} END AS {n}' "
        "for n in _names(suite)))": "names quoted",
    },
    "checks.scores": {
        "QUALITY_DAYS - 1": "a constant",
        "apart": "names of features, as literals",
        "label": "made of a number: churned_30d",
    },
    "checks.features": dict.fromkeys(
        ("both", "by_day", "counted", "feature", "name", "published", "reach", "what", "width"), "RECOUNTED"
    ),
    "checks.profile": {
        "earliest": "SQL written in this module",
        "'false' if condition.negated else 'true'": "constants",
        "condition": "SQL written in this module",
        "unknown": "event types as literals",
        "values": "values of the declaration as literals",
    },
    "commands.display": {
        "''.join((f', sum({quoted(measure.name)})' for measure in sums))": "a measure's name, quoted",
    },
    "warehouse.change": {"table": "a table of ours, qualified"},
    "checks.invariants": dict.fromkeys(
        ("admitted(stored)", "_since(stored.settings)", "eligible", "source", "table"),
        "names written in this module, and numbers",
    ),
    "checks.labels": {
        "_HIDES_HORIZON.format(day='days.day', reach=reach)": "a constant and a whole number",
        "_HIDES_HORIZON.format(day='t.day', reach=reach)": "a constant and a whole number",
        "_took_part(rules)": "names of properties, quoted, and constants",
        "has_label": "quoted",
        "reach": "a whole number",
        "rules.at_risk_days - 1": "a whole number",
        **dict.fromkeys(("is_open", "must_be_open"), "names written in this module"),
        **dict.fromkeys(("outages(rules)", "published(rules)", "standing(stored.settings)"), "SQL of labels_standing"),
    },
    "checks.labels_recounted": dict.fromkeys(
        ("ahead", "back", "grace", "last", "length", "rules.horizon_days", "rules.reach_days"), "whole numbers"
    )
    | dict.fromkeys(("outages(rules)", "published(rules)", "standing(stored.settings)"), "SQL of labels_standing")
    | dict.fromkeys(("types(rules.event)", "types(rules.renewal_events)", "types(rules.starts)"), "literals")
    | dict.fromkeys(("future", "kinds[rules.kind](stored.settings)", "known", "label"), "written in this module")
    | {
        "churned": "quoted",
        "is_active": "names of measures, quoted",
        "is_at_risk": "names of attributes, quoted, constants and literals",
        "paid_until": "quoted",
        "until": "quoted",
        "offsets(settings.timezone)": "instants and whole numbers",
    },
    "checks.labels_standing": {
        **dict.fromkeys(("outage.first", "outage.last or date.max", "start"), "dates"),
        "decides": "true or false",
        "has_date": "quoted",
        "part": "a whole number, or NULL",
        "table": "a literal",
        "types(rules.state_events)": "literals",
    },
    "checks.metrics": dict.fromkeys(("2 * MONTH_DAYS - 1", "ahead", "later", "width"), "whole numbers")
    | dict.fromkeys(
        (
            "', '.join((f'c.{name} AS {name}_published, counted.{name} AS {name}_counted' for name in published))",
            "', '.join((f'coalesce(sum({name}) OVER (ORDER BY day), 0)::BIGINT AS {name}' for name in (*counts, 'new_users')))",
            *("name", "spans", "totals"),
        ),
        "names written in this module",
    ),
    "checks.shares": {"admitted(stored)": "SQL of invariants", "source": "a SourceName"},
    "automation.intake": {"source": "a SourceName", "on_these": "written there; the days are a parameter"},
    "checks.volume": {"table": "raw_ and a SourceName"},
    "checks.windows": {"files": "the file table of a SourceName"},
    "report.contents": {"source": "a SourceName"},
    "training.as_of": {"names": "quoted", "unseen": "written in that module of constants"},
    "warehouse.erase": {
        "columns": "quoted",
        **dict.fromkeys(("condition", "names", "which[0]"), "written in that module; ids and names are parameters"),
    },
    "warehouse.frames": {"columns_ddl(contract)": "names quoted, and the kinds of the contract"},
    "warehouse.ledger": {"columns": "written there"},
    "warehouse.publish": {"key": "quoted"},
    "warehouse.reading": {"' AND '.join(conditions)": "names quoted, dates", "column": "quoted", "names": "quoted"},
    "warehouse.storing": {"names": "quoted", "self._into": "qualified"},
    "warehouse.rewrite": {"identifier(own)": "quoted"},
    "warehouse.restatements": {
        "column": "quoted",
        "day": "quoted",
        **dict.fromkeys(("labels", "n", "when"), "NO_LABELS"),
        "', '.join((f'{n}: sum(labels_{when}.{n})::BIGINT' for n in NO_LABELS))": "NO_LABELS",
    },
    "report.at_risk": {"places": "columns of the contract"},
}
"""Everything else that is put into SQL text, and why it can be nothing but what was written by us. A value of a row, of a
file or of a command line is never among it: those are parameters.
"""
SHOWN = {"assets.graph", "warehouse.io_manager"}
"""Show a query to people and run none."""
LOOKS_LIKE_SQL = re.compile(
    r"\b(SELECT|INSERT INTO|DELETE FROM|UPDATE \w+ SET|CREATE (TABLE|SCHEMA|VIEW)|DROP|ATTACH|COPY|FILTER \(|BETWEEN)\b"
    r"|\b(count|sum|coalesce)\("
)
ALWAYS_SAFE = {"quoted", "qualified", "literal", "_literal"}
"""The functions that refuse a name, or quote a value."""


def put_into_sql(source: str) -> set[str]:
    """What f-strings that look like SQL interpolate, but for constants, whole numbers and what quotes."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.JoinedStr):
            continue
        parts = [part.value if isinstance(part, ast.Constant) else "x" for part in node.values]
        if not LOOKS_LIKE_SQL.search("".join(map(str, parts))):
            continue
        for part in node.values:
            if not isinstance(part, ast.FormattedValue):
                continue
            value = part.value
            is_constant = isinstance(value, ast.Name) and value.id.isupper()
            is_number = part.format_spec is not None and ast.unparse(part.format_spec) == "f'd'"
            is_quoted = isinstance(value, ast.Call) and ast.unparse(value.func) in ALWAYS_SAFE
            if not (is_constant or is_number or is_quoted):
                found.add(ast.unparse(value))
    return found


def assembled_otherwise(source: str) -> list[str]:
    """SQL put together with `%`, `+` or `.format`, which the rule above would not see."""
    found = []
    for node in ast.walk(ast.parse(source)):
        text = None
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Mod, ast.Add)):
            text = node.left
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
            text = node.func.value
        if isinstance(text, ast.Constant) and isinstance(text.value, str) and LOOKS_LIKE_SQL.search(text.value):
            found.append(ast.unparse(node))
    return found


def modules() -> Iterator[tuple[str, str]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield ".".join(path.relative_to(PACKAGE).with_suffix("").parts), path.read_text("utf-8")


def test_every_name_and_value_in_sql_text_was_looked_at() -> None:
    found = {name: put_into_sql(source) for name, source in modules() if name not in SHOWN}
    new = {name: sorted(found[name] - set(REVIEWED.get(name, {}))) for name in found}
    assert {name: texts for name, texts in new.items() if texts} == {}, (
        "pass it as a parameter, or quote it and say so here"
    )
    gone = {name: sorted(set(REVIEWED[name]) - found.get(name, set())) for name in REVIEWED}
    assert {name: texts for name, texts in gone.items() if texts} == {}, "no longer there"


def test_no_sql_is_put_together_out_of_sight() -> None:
    assert [text for _, source in modules() for text in assembled_otherwise(source)] == []


@pytest.mark.parametrize(
    "line",
    [
        "run(c, f'SELECT * FROM churn.x WHERE day = {row.day}')",
        "c.execute(f'DELETE FROM {table} WHERE true')",
        "query = f'SELECT {names} FROM t'",
    ],
)
def test_the_rule_sees_a_value_in_sql(line: str) -> None:
    assert put_into_sql(line)


@pytest.mark.parametrize(
    "line", ["c.execute('SELECT %s' % name)", "c.execute('SELECT ' + name)", "c.execute('SELECT {}'.format(name))"]
)
def test_the_rule_sees_sql_put_together_otherwise(line: str) -> None:
    assert assembled_otherwise(line)


EVIL = "x'); DROP TABLE churn.user_daily; --"


def test_a_literal_is_the_text_and_nothing_else() -> None:
    with duckdb.connect() as connection:
        for text in (EVIL, "", "'", "''", "\\", "a\nb", "\u2019;--"):
            assert connection.execute(f"SELECT {literal(text)}").fetchall() == [(text,)]


def test_settings_with_sql_in_them_are_values(computed: Path) -> None:
    """An event type and an outage's course are the two settings that reach SQL as text."""
    worlds.write_settings(
        computed,
        labels=f'{worlds.SHORT_LABELS}outages = [{{first = 2026-01-03, course_id = "{EVIL}"}}]\n'
        f'[sources.events]\nevent_types = ["{EVIL}"]\n',
    )
    one = worlds.deployment_of(computed)
    before = worlds.query(computed, "SELECT count(*) FROM churn.user_daily")
    with one.warehouse.reading() as connection:
        stored = Stored(connection, one.contracts, one.settings)
        checks = [check for check in all_checks(one.settings) if check.table in ("churn_labels", "clean_events")]
        assert len(checks) > 3
        for check in checks:
            assert set(verdicts(check, stored, worlds.days(2, 4))) == set(worlds.days(2, 4))
    assert worlds.query(computed, "SELECT count(*) FROM churn.user_daily") == before


def test_a_contract_with_sql_in_a_name_is_refused_before_any_sql(computed: Path) -> None:
    one = worlds.deployment_of(computed)
    contract = one.contracts["user_daily"]
    with one.warehouse.reading() as connection:
        for odd in (replace(contract, table=EVIL), replace(contract, day=EVIL)):
            with pytest.raises(ChurnError, match="only ASCII letters"):
                create_table(odd)
                delete_days(connection, odd, worlds.days(1))


# -- what is read from the disk ----------------------------------------------------------------------------------------


def test_looking_for_work_reads_nothing_outside_the_landing_folder_and_waits_for_no_pipe(landed: Path) -> None:
    folder = landed / "landing" / "users" / f"date={worlds.day(2)}"
    (landed.parent / "outside.csv").write_text("user_id,signup_date\n")
    (folder / "link.csv").symlink_to(landed.parent / "outside.csv")
    (folder / "endless.csv").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe.csv")
    elsewhere = landed.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "users.csv").write_text("user_id,signup_date\n")
    (landed / "landing" / "users" / f"date={worlds.LAST + timedelta(days=1)}").symlink_to(elsewhere)
    with KnownDigests.within(landed, "users") as known:
        digests, outside = (
            Deliveries(landed / "landing", "users").digests(at, known)
            for at in (worlds.day(2), worlds.LAST + timedelta(days=1))
        )
    read = {Path(name).name for name, digest in digests.items() if digest != NOT_READ}
    assert read == {"users.csv"} and len(digests) == 4
    assert [*outside.values()] == [NOT_READ]
    with pytest.raises(RefusedFile, match="outside the landing folder"):
        take_delivery(folder / "link.csv", settings=Settings().sources.users, landing_dir=landed / "landing")


# -- what is offered to others -----------------------------------------------------------------------------------------


def test_the_ui_listens_on_this_machine_alone() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    started = re.findall(r"dagster(?:-webserver| dev)\b[^\n]*", makefile)
    assert started and all("-h 127.0.0.1" in line for line in started), started
    assert "0.0.0.0" not in makefile


def test_the_ways_to_expose_the_ui_are_written_down() -> None:
    page = (ROOT / "SECURITY.md").read_text("utf-8")
    for word in ("127.0.0.1", "--read-only", "proxy_pass", "auth_basic", "$http_origin", "CHURN_ALERT_URL"):
        assert word in page, word


def test_dependencies_are_audited_for_each_change() -> None:
    assert "pip-audit" in (ROOT / ".github/workflows/ci.yml").read_text("utf-8")
