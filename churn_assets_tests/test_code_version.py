"""Code versions: raised by every change that may change a row, by nothing else, and never by hand."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

import churn_assets
from churn_assets import transforms
from churn_assets.assets import code_version as cv
from churn_assets.assets.step import Deployment, Step
from churn_assets.assets.steps import AnyStep, all_steps
from churn_assets.evaluation.quality import score_quality
from churn_assets.label_settings import LabelSettings, Outage
from churn_assets.models.scoring import churn_scores
from churn_assets.product import columns
from churn_assets.settings import EventsSettings, Settings, Sources, UsersSettings

PACKAGE = Path(churn_assets.__file__).parent
STEPS: dict[str, AnyStep] = {step.name: step for step in all_steps(Settings())}
Altered = Callable[[str, str, str], None]


def versions(settings: Settings | None = None) -> dict[str, str]:
    settings = settings or Settings()
    deployment = Deployment(settings)
    return {step.name: step.code_version(deployment) for step in all_steps(settings)}


def changed(before: dict[str, str]) -> set[str]:
    return {name for name, version in versions().items() if before[name] != version}


def forget() -> None:
    """What was read of the package's source."""
    for cached in vars(cv).values():
        if hasattr(cached, "cache_clear"):
            cached.cache_clear()


@pytest.fixture
def altered(monkeypatch: pytest.MonkeyPatch) -> Iterator[Altered]:
    """Replace the first match of a pattern in a module's source, as the version reads it."""
    read = Path.read_text
    edits: dict[Path, tuple[str, str]] = {}

    def edited(path: Path, *arguments: str, **options: str) -> str:
        text = read(path, *arguments, **options)
        if path not in edits:
            return text
        pattern, replacement = edits[path]
        new, count = re.subn(pattern, replacement, text, count=1, flags=re.MULTILINE | re.DOTALL)
        assert count == 1
        assert new != text
        return new

    def alter(module: str, pattern: str, replacement: str) -> None:
        edits[PACKAGE / f"{module.replace('.', '/')}.py"] = (pattern, replacement)
        forget()

    forget()
    monkeypatch.setattr(Path, "read_text", edited)
    yield alter
    monkeypatch.undo()
    forget()


def uses(name: str) -> set[str]:
    """The computing modules behind a step, by their short names."""
    step = STEPS[name]
    start = cv.described(step.compute)[1] if isinstance(step, Step) else {"churn_assets.assets.landing_step"}
    return {module.removeprefix("churn_assets.") for module in cv.modules_behind(start)}


def imported_by(module: str) -> set[str]:
    """The transforms and landing modules that a file's import lines name, read by pattern and not by syntax."""
    text = (PACKAGE / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")
    named = set(re.findall(r"from churn_assets\.((?:transforms|landing)\.\w+) import", text))
    for package, names in re.findall(r"from churn_assets\.(transforms|landing) import ([\w, ]+)", text):
        named |= {f"{package}.{name.strip()}" for name in names.split(",")}
    return named


@pytest.mark.parametrize("name", STEPS)
def test_every_module_that_decides_a_steps_rows_is_covered(name: str) -> None:
    assert uses(name), f"{name} names no transform that its version could follow"
    reached: set[str] = set()
    waiting = uses(name)
    while waiting:
        module = waiting.pop()
        reached.add(module)
        waiting |= imported_by(module) - reached
    assert uses(name) == reached


COMPUTED_BESIDE = {"churn_scores": churn_scores, "score_quality": score_quality}
"""What is no transform, as it needs more than pandas."""


@pytest.mark.parametrize(
    "step", [step for step in STEPS.values() if isinstance(step, Step)], ids=lambda step: step.name
)
def test_a_step_calls_its_transforms_by_names_that_the_version_can_follow(step: Step) -> None:
    """What a step computes with is called as `transforms.name(...)`, or by its imported name, in its own lambda, never through a
    helper.
    """
    called = {getattr(transforms, name) for name in step.compute.__code__.co_names if name in transforms.__all__}
    called |= {COMPUTED_BESIDE[step.name]} if step.name in COMPUTED_BESIDE else set()
    assert called
    assert cv.described(step.compute)[1] == {function.__module__ for function in called}


def test_steps_follow_their_own_transform_and_not_each_others() -> None:
    assert "transforms.clean_users" in uses("clean_users")
    assert "transforms.clean_events" not in uses("clean_users")
    assert "transforms.clean_events" in uses("clean_events")
    assert "transforms.clean_users" not in uses("clean_events")
    assert "transforms.user_days" in uses("user_day_grid") & uses("user_daily") & uses("unmatched_events")
    assert "landing.reading" in uses("raw_users") & uses("raw_events")


def test_every_step_has_a_version_of_its_own() -> None:
    found = versions()
    assert len(set(found.values())) == len(found)
    assert all(re.fullmatch(r"[0-9a-f]{12}", version) for version in found.values())


def test_a_version_is_the_same_again() -> None:
    assert versions() == versions()


@pytest.mark.parametrize(
    ("module", "pattern", "raised"),
    [
        ("transforms.clean_users", r"^def clean_users\(", {"clean_users"}),
        ("transforms.clean_events", r"^def clean_events\(", {"clean_events"}),
        ("transforms.outcomes", r"^def quality_score\(", {"clean_users", "clean_events"}),
        ("transforms.parsing", r"^def labels\(", {"clean_users", "clean_events"}),
        ("transforms.user_days", r"^def user_daily\(", {"user_day_grid", "user_daily", "unmatched_events"}),
    ],
)
def test_a_change_of_code_raises_the_steps_that_use_it(
    altered: Altered, module: str, pattern: str, raised: set[str]
) -> None:
    before = versions()
    altered(module, f"({pattern})", r"NEW_THRESHOLD = 3\n\n\n\1")
    assert raised <= changed(before)
    if module != "transforms.parsing":  # which dump files are read with as well
        assert raised == changed(before)


@pytest.mark.parametrize("module", ["landing.csv_file", "landing.rows", "landing.delivery", "landing.parquet_file"])
def test_a_change_of_reading_raises_both_raw_tables_and_nothing_else(altered: Altered, module: str) -> None:
    before = versions()
    altered(module, r"\Z", "\nLIMIT = 3\n")
    assert changed(before) == {"raw_users", "raw_events"}


def test_comments_docstrings_and_layout_raise_nothing(altered: Altered) -> None:
    before = versions()
    altered("transforms.user_days", r'\A""".*?"""', '"""Another docstring."""\n# and a comment\n\n\n')
    altered("transforms.parsing", r"^(def labels\()", r"# a comment\n\1")
    altered("landing.reading", r'\A""".*?"""', '"""Another docstring."""')
    assert changed(before) == set()


def test_parameters_raise_the_steps_they_reach() -> None:
    before = versions()
    later = versions(Settings(lateness_days=4))
    assert {name for name in before if before[name] != later[name]} >= {
        "clean_events",
        "user_day_grid",
        "unmatched_events",
    }
    plans = versions(Settings(sources=Sources(users=UsersSettings(plans=("free", "gold")))))  # type: ignore[call-arg]
    assert before["clean_users"] != plans["clean_users"]
    zone = versions(Settings(timezone="Europe/Berlin"))
    assert {name for name in before if before[name] != zone[name]} >= {"clean_users", "clean_events"}
    delimiter = versions(Settings(sources=Sources(events=EventsSettings(delimiter=";"))))
    assert {name for name in before if before[name] != delimiter[name]} == {"raw_events"}

    labels = versions(Settings(labels=LabelSettings(outages=(Outage(first=date(2026, 1, 5)),))))
    assert {name for name in before if before[name] != labels[name]} == {"churn_labels"}
    # A day before the calendar's start is not missing: how far the at-risk window reaches depends on it.
    start = versions(Settings(start_date=date(2026, 1, 5)))
    assert {name for name in before if before[name] != start[name]} == {"churn_labels"}


def test_settings_that_change_no_row_raise_nothing() -> None:
    assert versions() == versions(Settings(block_rows=10, backfill_chunk_days=3, lock_timeout_seconds=1))


ATTRIBUTE_STEPS = {"clean_users", "user_day_grid", "user_daily"}
DIVERSITY = {"name": "course_diversity_30d", "of": "distinct_courses", "agg": "distinct", "windows": [30]}


@pytest.mark.parametrize("part", [{"meaning": "Something else"}, {"windows": [31]}, {"version": 2}, {"limits": [0, 7]}])
def test_a_changed_declaration_of_a_feature_raises_user_features_alone(part: dict[str, Any]) -> None:
    before = versions()
    assert versions(Settings(features=(DIVERSITY,))) == before, "the same entry in churn.toml"
    after = versions(Settings(features=(DIVERSITY | part,)))
    assert {name for name in before if before[name] != after[name]} == {"user_features"}


def test_a_changed_window_raises_user_features_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    before = versions()
    monkeypatch.setattr(columns, "SEGMENT_DAYS", 27)
    assert changed(before) == {"user_features"}


@pytest.mark.parametrize(
    ("entries", "raised"),
    [
        ({"measures": [{"name": "videos", "event": ["video_watch"]}]}, {"user_daily"}),
        (
            {
                "measures": [{"name": "videos", "event": ["video_watch"]}],
                "features": [{"of": "videos", "windows": [7]}],
            },
            {"user_daily", "user_features", "churn_scores"},
        ),
        (
            {"features": [{"of": "total_logins", "windows": [3], "name": "logins_3d"}]},
            {"user_features", "churn_scores"},
        ),
        (
            {
                "measures": [
                    {"name": "distinct_courses", "agg": "distinct", "value": "course_id", "event": ["video_watch"]}
                ]
            },
            {"user_daily", "user_features"},
        ),
        (
            {"properties": [{"name": "device", "type": "label", "from": "extra.device"}]},
            {"clean_events", "unmatched_events"},
        ),
        (
            {"attributes": [{"name": "seats", "type": "integer", "from": "extra.seats", "feature": False}]},
            ATTRIBUTE_STEPS,
        ),
    ],
)
def test_a_new_entry_raises_the_steps_that_make_its_columns(entries: dict[str, Any], raised: set[str]) -> None:
    before, after = versions(), versions(Settings(**entries))
    assert {name for name in before if before[name] != after[name]} == raised


def test_types_of_the_tables_raise_the_steps_that_make_them() -> None:
    before = versions()
    text_ids = versions(Settings(sources=Sources(users=UsersSettings(id_type="string"))))
    assert {name for name in before if before[name] != text_ids[name]} >= {
        "clean_users",
        "clean_events",
        "user_day_grid",
        "user_daily",
        "unmatched_events",
    }


def test_the_version_does_not_depend_on_the_working_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = versions()
    monkeypatch.chdir(tmp_path)
    forget()
    assert versions() == before
