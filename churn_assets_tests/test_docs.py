"""What is written for people stays true: generated pages, named settings, links, and nothing of one machine."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from click import Group
from pydantic import BaseModel

from churn_assets.cli import cli
from churn_assets.contracts import contracts
from churn_assets.contracts.__main__ import documented, features_page, tables_page
from churn_assets.settings import Settings, SourceSettings, tomllib
from e_learning import FEATURES

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
NOT_OURS = re.compile(
    r"(\.git|\.venv|data|build|dist|.*_cache|\.hypothesis|\.fuzz|__pycache__|.*\.egg-info|\.tmp_dagster_home_.*)"
)
TEXTS = {"", ".cfg", ".md", ".py", ".toml", ".txt", ".yaml", ".yml", ".html", ".js", ".csv", ".jsonl"}


def our_files(folder: Path = ROOT) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not NOT_OURS.fullmatch(path.name):
            yield from our_files(path)
        elif path.is_file() and path.suffix in TEXTS and (path.parent != ROOT or not path.name.startswith(".")):
            yield path


FILES = [*our_files(), ROOT / "data" / "README.md"]
PAGES = [path for path in FILES if path.suffix == ".md"]


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_the_page_of_tables_is_what_the_contracts_say() -> None:
    written = (DOCS / "tables.md").read_text(encoding="utf-8")
    assert written == tables_page(documented()), "run 'make docs'"


def test_the_page_of_features_is_what_the_declarations_say() -> None:
    written = (DOCS / "features.md").read_text(encoding="utf-8")
    assert written == features_page(documented()), "run 'make docs'"
    assert re.findall(r"^\| `(\w+)`", written, re.M) == [feature.name for feature in FEATURES]


def test_the_page_of_tables_has_every_column_of_every_table() -> None:
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", (DOCS / "tables.md").read_text("utf-8"), re.M | re.S))
    for table, contract in contracts(documented()).items():
        assert re.findall(r"^\| `(\w+)`", sections[table], re.M) == contract.column_names
        for rule in contract.rules:
            assert f"- `{rule.name}`: {rule.sentence}\n" in sections[table]


def keys(model: type[BaseModel], prefix: str = "CHURN_") -> Iterator[tuple[str, str, Any]]:
    """(key, environment variable, default) of a settings model and, below `sources`, of the source settings."""
    for name, field in model.model_fields.items():
        default = field.get_default(call_default_factory=True)
        if isinstance(default, BaseModel):
            yield from keys(type(default), f"{prefix}{name.upper()}__")
        else:
            yield name, prefix + name.upper(), default


def written_default(default: object) -> str:
    if isinstance(default, Path):
        default = str(default)
    return "none" if default is None else f"`{json.dumps(default)}`"


def test_the_page_of_settings_has_every_key_with_its_variable_and_default() -> None:
    cells = re.findall(r"^\| `(\w+)` \| `(\w+)` \| (.*?) \|", (DOCS / "settings.md").read_text("utf-8"), re.M)
    written = {variable: (key, default) for key, variable, default in cells}
    expected = {variable: (key, written_default(default)) for key, variable, default in keys(Settings)}
    shared = {f"CHURN_SOURCES__EVENTS__{name.upper()}" for name in SourceSettings.model_fields}
    assert shared <= set(expected)
    for variable in shared:  # these are written once, for users, and differ only where the page says so
        del expected[variable]
    # A key that only some declarations have: no field of the settings.
    assert written.pop("CHURN_SOURCES__USERS__PLANS") == ("plans", "those of the product")
    assert written == expected


def test_the_page_of_settings_has_every_choice() -> None:
    page = (DOCS / "settings.md").read_text("utf-8")
    for name, field in SourceSettings.model_fields.items():
        for choice in (c for part in (field.annotation, *get_args(field.annotation)) for c in get_args(part)):
            if isinstance(choice, str):
                assert f'`"{choice}"`' in page, name


@pytest.mark.parametrize("variable, value, read", [
    ("CHURN_LATENESS_DAYS", "5", lambda s: s.lateness_days == 5),
    ("CHURN_SOURCES__USERS__ID_TYPE", "string", lambda s: s.sources.users.id_type == "string"),
    ("CHURN_SOURCES__EVENTS__EVENT_TYPES", '["share"]', lambda s: s.sources.events.event_types == ("share",)),
    ("CHURN_SOURCES__EVENTS__VALUES", '{"event_type": {"clip": "video_watch"}}',
     lambda s: s.sources.events.values == {"event_type": {"video": "video_watch", "clip": "video_watch"}}),
    ("CHURN_LABELS__HORIZON_DAYS", "7", lambda s: s.labels.horizon_days == 7 and len(s.labels.outages) == 1),
    ("CHURN_LABELS__OUTAGES", '[{"first": "2026-03-01", "course_id": "c1"}]',
     lambda s: s.labels.outage_parts == {"course_id": ("c1",)} and s.labels.horizon_days == 14),
])  # fmt: skip
def test_the_example_is_read_and_a_variable_overrides_it(
    variable: str, value: str, read: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("CHURN_")]:
        monkeypatch.delenv(name)
    example = re.findall(r"^```toml\n(.*?)^```", (DOCS / "settings.md").read_text("utf-8"), re.M | re.S)
    (tmp_path / "churn.toml").write_text(example[0], "utf-8")
    before = Settings.load(tmp_path)
    assert before.sources.users.values == {"plan": {"Solo (yearly)": "solo"}}
    assert before.declaration.aliases("events") == {"course_id": ("course_name",)}
    assert not read(before)
    monkeypatch.setenv(variable, value)
    assert read(Settings.load(tmp_path))


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_between_pages_resolve(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?://|mailto:", target):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path) if path else page
        assert linked.exists(), f"{named(page)} links to {target}"
        if anchor:
            assert anchor in anchors(linked), f"{named(page)} links to {target}"


def test_the_readme_names_every_command() -> None:
    assert isinstance(cli, Group)
    readme = (ROOT / "README.md").read_text("utf-8")
    assert [name for name in cli.commands if f"churn-assets {name}" not in readme] == []


def test_the_readme_and_the_workflow_name_only_targets_that_exist() -> None:
    targets = set(re.findall(r"^([\w.-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    for path in (*PAGES, ROOT / ".ci" / "run", ROOT / ".github" / "workflows" / "ci.yml"):
        text = path.read_text("utf-8")
        asked = re.findall(r"^(?:\s*(?:run: |- )?)make ([a-z.-]+)", text, re.M) + re.findall(r"`make ([a-z.-]+)`", text)
        assert set(asked) <= targets, named(path)


def test_constraints_pin_what_setup_cfg_asks_for_and_nothing_else() -> None:
    lines = (ROOT / ".ci" / "constraints.txt").read_text("utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert [pin for pin in pins if not re.match(r"[a-z0-9-]+==[0-9][\w.]*( ; [^/:]+)?$", pin)] == []
    asked = re.findall(r"^    ([a-z][a-z-]+) >=", (ROOT / "setup.cfg").read_text("utf-8"), re.M)
    assert len(asked) > 15
    assert set(asked) <= {pin.partition("==")[0] for pin in pins}


def test_nothing_names_a_machine_a_home_folder_or_a_package_registry() -> None:
    of_one_machine = re.compile(
        r"""(?:^|[\s"'`(=:])/(?:root|home|work|Users|tmp)/|pypi\.org|pythonhosted\.|registry\.npmjs|conda\.anaconda|index-url"""
    )
    found = [
        f"{named(path)}:{number}: {line.strip()[:80]}"
        for path in FILES
        for number, line in enumerate(path.read_text("utf-8", errors="replace").splitlines(), 1)
        if of_one_machine.search(line) and path != Path(__file__)
    ]
    assert found == []


def test_the_versions_of_python_agree() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    setup, workflow = ((ROOT / name).read_text("utf-8") for name in ("setup.cfg", ".github/workflows/ci.yml"))
    classified = re.findall(r"Python :: (3\.\d+)", setup)
    first, last = classified[0], classified[-1]
    assert f"python_requires = >={first},<3.{int(last.partition('.')[2]) + 1}" in setup
    assert re.findall(r'"(3\.\d+)"', workflow)[: len(classified)] == classified
    assert config["tool"]["ruff"]["target-version"] == "py" + first.replace(".", "")
