"""What a campaign tries under a number: a damaged file, a file of random types, or random settings."""

from __future__ import annotations

from pathlib import Path

from churn_assets_tests.fuzz.cases import case, judge
from churn_assets_tests.fuzz.configured import judge_settings, settings_case
from churn_assets_tests.fuzz.typed import judge_typed, typed_case

OF_FIVE = ("typed", "settings")
"""Of five numbers in a row one is typed and one settings; the others are damaged files."""


def kind_of(number: int) -> str:
    return OF_FIVE[number % 5] if number % 5 < len(OF_FIVE) else "damaged"


def attempt(number: int, folder: Path) -> str:
    """How it ended. Raises where something was found."""
    if kind_of(number) == "typed":
        return f"typed {judge_typed(typed_case(number), folder / 'typed')}"
    if kind_of(number) == "settings":
        return f"settings {judge_settings(settings_case(number), folder / 'settings')}"
    return judge(case(number), folder / "landing")


def material(number: int) -> tuple[str, bytes, str]:
    """The name's end and the content of what was tried, and what it is, to be kept."""
    if kind_of(number) == "typed":
        return "parquet", typed_case(number).data, "random types"
    if kind_of(number) == "settings":
        return "toml", settings_case(number).text.encode(), "settings"
    one = case(number)
    return one.suffix, one.data, ", ".join(one.damage)
