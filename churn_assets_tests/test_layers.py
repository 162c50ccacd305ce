"""The shape of the code: each layer imports only from its left, transforms know only pandas, no result asks a clock."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import churn_assets

PACKAGE = Path(churn_assets.__file__).parent
LAYERS = (
    {
        "errors",
        "files",
        "savings",
        "settings",
        "source_names",
        "source_settings",
        "time_formats",
        "label_settings",
        "label_names",
        "training_settings",
        "model_settings",
        "serving_settings",
        "versions",
        "check_settings",
        "contracts",
        "product",
        "products",
    },
    {"transforms"},
    {"calendar", "landing", "warehouse", "synthetic", "settings_file", "figures", "models", "evaluation", "online"},
    {"training", "inspection"},
    {"assets", "checks"},
    {"automation", "report", "service"},
    {"graph", "definitions"},
    {"commands"},
    {"cli"},
)
"""Left to right. A part may import its own layer and those left of it."""
APART = ({"assets", "checks"}, {"transforms", "landing"})
"""Parts of which the first never imports the second, nor (within one layer) the reverse."""
DAGSTER_ALLOWED = {
    *("calendar", "assets", "checks", "automation", "graph", "definitions", "cli", "commands"),
    *("warehouse.io_manager", "warehouse.retry", "report.asset"),
}
TRANSFORMS_ALLOWED = {"pandas", "numpy", "pyarrow"}
"""Besides the standard library and the layers left of it."""
CLOCKS_ALLOWED = {
    "calendar": "without an end date the calendar ends yesterday",
    "warehouse.ledger": "published_at",
    "landing.known_digests": "whether a file had lain still when it was read",
    "service.answers": "how old served values are",
    "automation.erasure_record": "when a user was erased",
    "checks.graph": "when a check was evaluated, which Dagster wants to know",
}
"""Where the wall clock may be read: each says what for, and none of it enters a row."""
CLOCK = re.compile(
    r"\b(datetime|date|Timestamp|dt|pd)\.(now|today|utcnow)\b"
    r"|\btime\.(time|time_ns|localtime|gmtime|ctime|strftime)\b"
    r"|\b(current_date|current_timestamp|localtimestamp|now\(\)|today\(\))",
    re.IGNORECASE,
)
PATHS = sorted(PACKAGE.rglob("*.py"))


def module_of(path: Path) -> str:
    """`warehouse.ledger` for churn_assets/warehouse/ledger.py; the package's own __init__ is ''."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").rstrip(".")


def imported(tree: ast.Module) -> Iterator[str]:
    """Every module an import names, wherever it stands: at the top, in a function, under TYPE_CHECKING."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            assert node.module is not None
            if node.module == "churn_assets":
                yield from (f"churn_assets.{alias.name}" for alias in node.names if not alias.name.startswith("__"))
            else:
                yield node.module


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def part(module: str) -> str:
    return module.split(".", maxsplit=1)[0]


def rank(name: str) -> int:
    ranks = [at for at, layer in enumerate(LAYERS) if name in layer]
    assert ranks, f"{name} belongs to no layer; add it to LAYERS, and say in docs/architecture.md why it is there"
    return ranks[0]


def breaches(module: str, imports: Iterator[str]) -> list[str]:
    own = part(module)
    found = []
    for name in imports:
        top, _, rest = name.partition(".")
        if top == "churn_assets":
            other = part(rest)
            if rank(other) > rank(own):
                found.append(f"{module} imports {name}, which lies to its right")
            if other != own and {own, other} in APART and rank(other) >= rank(own):
                found.append(f"{module} imports {name}, which it must not know")
        elif top.startswith("dagster") and not {module, own} & DAGSTER_ALLOWED:
            found.append(f"{module} imports {top}")
        elif own == "transforms" and top not in TRANSFORMS_ALLOWED and top not in sys.stdlib_module_names:
            found.append(f"{module} imports {top}: transforms are pandas only")
    return found


@pytest.mark.parametrize("path", [path for path in PATHS if module_of(path)], ids=module_of)
def test_each_part_imports_only_from_its_own_layer_and_those_left_of_it(path: Path) -> None:
    assert breaches(module_of(path), imported(parsed(path))) == []


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("transforms.user_days", "from churn_assets.warehouse import Ledger"),
        ("transforms.user_days", "import duckdb"),
        ("transforms.user_days", "def f():\n    from dagster import asset"),
        ("contracts.base", "from churn_assets import transforms"),
        ("assets.steps", "from churn_assets.checks import verdict"),
        ("checks.windows", "from churn_assets.assets.step import Step"),
        ("warehouse.publish", "import dagster"),
        ("warehouse.publish", "from churn_assets.training import load_training_set"),
        ("training.write", "from churn_assets.assets.step import Deployment"),
        ("landing.reading", "from dagster_duckdb import DuckDBIOManager"),
        ("settings", "import churn_assets.calendar"),
        ("assets.graph", "from churn_assets.automation.plan import plan"),
        ("graph", "from churn_assets.commands.backfill import bring_up_to_date"),
        ("commands.erase", "def f():\n    from churn_assets.cli import cli"),
    ],
)
def test_the_rule_sees_a_breach(module: str, line: str) -> None:
    assert len(breaches(module, imported(ast.parse(line)))) == 1


def private_imports(tree: ast.Module) -> list[str]:
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names = [alias.name for node in froms if (node.module or "").startswith("churn_assets") for alias in node.names]
    return [name for name in names if name.startswith("_") and not name.endswith("__")]


def test_what_a_file_imports_from_another_has_a_public_name() -> None:
    assert {module_of(path): names for path in PATHS if (names := private_imports(parsed(path)))} == {}
    assert private_imports(ast.parse("def f():\n    from churn_assets.calendar import _days")) == ["_days"]


def test_every_file_belongs_to_a_layer() -> None:
    assert {part(module_of(path)) for path in PATHS} - {""} <= set().union(*LAYERS)


def clocks(source: str) -> list[str]:
    tree = ast.parse(source)
    strings = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    # Code by what it names, and strings that look like SQL by what they call.
    sql = [text for text in strings if re.search(r"\b(SELECT|INSERT|UPDATE|DELETE|CREATE)\b", text)]
    names = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    bare = [
        f"from time import {alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "time"
        for alias in node.names
    ]
    return [text for text in (*names, *sql) if CLOCK.search(text)] + bare


def test_nothing_reads_the_wall_clock_but_where_it_says_why() -> None:
    reading = {module_of(path) for path in PATHS if clocks(path.read_text(encoding="utf-8"))}
    assert reading - set(CLOCKS_ALLOWED) == set()


@pytest.mark.parametrize(
    "line",
    [
        "datetime.now(timezone.utc)",
        "datetime.datetime.utcnow()",
        "date.today()",
        "pd.Timestamp.now()",
        "time.time()",
        "time.time_ns()",
        "from time import time",
        "run('SELECT now()')",
        "run('SELECT current_date')",
    ],
)
def test_the_rule_sees_a_clock(line: str) -> None:
    assert clocks(line)


def test_a_wait_is_no_clock() -> None:
    assert not clocks("import time\ntime.monotonic()\ntime.sleep(1)\n")


def test_importing_the_command_line_imports_neither_dagster_nor_pandas_nor_the_settings() -> None:
    heavy = "{'dagster', 'duckdb', 'pandas', 'pydantic'}"
    program = f"import sys, churn_assets.cli; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_importing_the_transforms_imports_neither_dagster_nor_duckdb() -> None:
    program = "import sys, churn_assets.transforms; print(sorted({'dagster', 'duckdb'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("arguments", [["status"], ["verify"], ["quarantine", "list"]], ids=" ".join)
def test_a_command_that_runs_nothing_does_not_wait_for_dagster(computed: Path, arguments: list[str]) -> None:
    program = (
        f"import sys; sys.argv[1:] = ['--data', {str(computed)!r}, *{arguments!r}]\n"
        "from churn_assets.cli import main\n"
        "try: main()\n"
        "finally: print(sorted({'dagster', 'sqlalchemy', 'matplotlib', 'great_expectations', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_importing_the_warehouse_does_not_import_dagster() -> None:
    program = "import sys, churn_assets.warehouse, churn_assets.calendar; print('dagster' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
