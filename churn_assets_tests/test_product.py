"""A product is read from its declaration: what is accepted, in which order, with which defaults, and what is read anew."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from churn_assets.assets.code_version import described, digest
from churn_assets.cli import cli
from churn_assets.commands.product import summary
from churn_assets.contracts.base import Kind
from churn_assets.contracts.declared import KINDS as COLUMN_KINDS
from churn_assets.errors import ChurnError
from churn_assets.product import Condition, Product, read_product, shipped_products
from churn_assets.product.__main__ import with_tables
from churn_assets.product.functions import find_function
from churn_assets.product.read import tomllib
from churn_assets.product.show import as_toml
from churn_assets.product.windows import RHYTHM
from churn_assets.settings import Settings
from sizes import examples

EXAMPLES = Path(__file__).parent / "products"
MUSIC = (EXAMPLES / "music_example.toml").read_text(encoding="utf-8")
HATCH = "def basket_value(events):\n    return events['seconds'] * 0 + {}\n"


def declared(folder: Path, text: str, name: str = "mine", more: str = "") -> Product:
    (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    return read_product(name, folder, tomllib.loads(more))


@pytest.fixture
def music(tmp_path: Path) -> Product:
    (tmp_path / "my_product.py").write_text(HATCH.format(1), encoding="utf-8")
    return declared(tmp_path, MUSIC, "tunes")


def test_the_worked_example_is_accepted(music: Product) -> None:
    assert list(music.daily) == ["total_events", "seconds_played", "plays", "skips", "sessions", "basket_value"]
    assert [column.name for column in music.feature_columns] == [
        *("plan", "days_since_signup", "day_of_week", "is_weekend"),
        *(
            "active_days_7d",
            "days_observed_7d",
            "active_days_14d",
            "days_observed_14d",
            "active_days_30d",
            "days_observed_30d",
        ),
        "days_since_last_activity",
        *("seconds_played_7d", "seconds_played_14d", "seconds_played_30d", "seconds_played_90d"),
        *("skip_rate_30d", "days_since_play"),
        *(f"seconds_played_{figure}" for figure in RHYTHM),
        "activity_segment",
    ]
    assert summary(music) == (
        "Product 'tunes' is right: 1 attribute, 4 properties, 2 event types, 5 measures, 4 features, "
        "26 columns of user_features."
    )


def test_columns_are_described_in_plain_english(music: Product) -> None:
    daily = {name: (column.meaning, column.unit) for name, column in music.daily.items()}
    assert daily["skips"] == ("skip events", "count")
    assert daily["seconds_played"] == (
        "Sum of seconds over play events where device is ios or android and offline is not true",
        "seconds",
    )
    features = {column.name: (column.meaning, column.unit) for column in music.feature_columns}
    assert features["skip_rate_30d"] == (
        "skips over plays of the last 30 days, of sums; null if the second is 0",
        "ratio",
    )
    assert features["days_since_play"] == (
        "Days since the last day with seconds_played above 0, 0 on such a day; null if none within 180 days",
        "days",
    )


@pytest.mark.parametrize(
    ("more", "name", "meaning", "unit", "limits"),
    [
        ('of = "skips"\nwindows = [7]', "skips_7d", "skip events of the last 7 days", "count", (0, None)),
        ('of = "skips"\nwindows = 1', "skips_1d", "skip events of the last day", "count", (0, None)),
        (
            'of = "skips"\nagg = "days"\nwindows = [7]',
            "skips_days_7d",
            "Days with a skip among the last 7",
            "days",
            (0, 7),
        ),
        (
            'of = "skips"\nagg = "mean"\nwindows = [7]',
            "avg_daily_skips_7d",
            "skip events of the last 7 days, over the days observed: skips_7d / days_observed_7d",
            "count per day",
            (0, None),
        ),
        (
            'since = "skips"',
            "days_since_skips",
            "Days since the last day with a skip, 0 on such a day; null if none within 90 days",
            "days",
            (0, 89),
        ),
        (
            'of = "tracks"\nwindows = [30]',
            "tracks_30d",
            "Different track_id among play events of the last 30 days",
            "count",
            (0, None),
        ),
        (
            'of = "longest"\nwindows = [30]',
            "longest_30d",
            "Greatest longest of the last 30 days; null if none",
            "seconds",
            (0, 86400),
        ),
        (
            'of = "mean_play"\nwindows = [30]',
            "mean_play_30d",
            "Mean seconds of play events of the last 30 days, over all of them alike; null if none",
            "seconds",
            (0, 86400),
        ),
        (
            'name = "s"\nratio = ["seconds_played", "plays"]\nwindows = [30]',
            "s",
            "seconds_played over plays of the last 30 days, of sums; null if the second is 0",
            "seconds per play",
            (0, None),
        ),
        (
            'name = "skip_share"\nratio = ["skips", ["skips", "plays"]]\nwindows = [30]',
            "skip_share",
            "skips over skips + plays of the last 30 days, of sums; null if the second is 0",
            "share",
            (0, 1),
        ),
    ],
)
def test_a_feature_has_a_name_words_unit_and_limits_by_default(
    tmp_path: Path, more: str, name: str, meaning: str, unit: str, limits: tuple[float | None, float | None]
) -> None:
    (tmp_path / "my_product.py").write_text(HATCH.format(1), encoding="utf-8")
    measures = """
        [[measures]]
        name = "tracks"
        event = ["play"]
        agg = "distinct"
        value = "track_id"
        [[measures]]
        name = "longest"
        event = "play"
        agg = "max"
        value = "seconds"
        [[measures]]
        name = "mean_play"
        event = "play"
        agg = "mean"
        value = "seconds"
        [[features]]
    """
    product = declared(tmp_path, MUSIC, more=measures + more)
    column = next(column for column in product.feature_columns if column.name == name)
    assert (column.meaning, column.unit, (column.minimum, column.maximum)) == (meaning, unit, limits)


def test_e_learning_has_the_features_it_always_had() -> None:
    frozen = json.loads((EXAMPLES / "e_learning_features.json").read_text(encoding="utf-8"))
    keys = ("name", "sources", "window_days", "meaning", "unit", "minimum", "maximum", "nullable", "version")
    columns = read_product().feature_columns
    assert [{**{key: getattr(c, key) for key in keys}, "kind": COLUMN_KINDS[c.type].name} for c in columns] == [
        {**entry, "sources": tuple(entry["sources"])} for entry in frozen
    ]
    assert len(columns) == 65
    assert {entry["kind"] for entry in frozen} < {kind.name for kind in Kind}


class TestPrecedence:
    MORE = """
        drop = ["days_since_last_payment"]
        [[attributes]]
        name = "is_paid"
        type = "flag"
        [[measures]]
        name = "certificates"
        event = ["certificate"]
        [[event_types]]
        name = "certificate"
    """

    def test_an_entry_takes_the_place_of_one_of_its_name_and_others_come_after(self) -> None:
        base, product = read_product(), read_product(more=tomllib.loads(self.MORE))
        assert [entry.name for entry in product.attributes] == [entry.name for entry in base.attributes]
        assert product.attributes[1].missing_if == ()
        assert list(product.daily) == [*base.daily, "certificates"]
        assert product.event_vocabulary == (*base.event_vocabulary, "certificate")

    def test_a_dropped_entry_is_gone(self) -> None:
        base, product = read_product(), read_product(more=tomllib.loads(self.MORE))
        gone = {column.name for column in base.feature_columns} - {column.name for column in product.feature_columns}
        assert gone == {"days_since_last_payment"}

    def test_a_file_builds_on_a_shipped_product_and_churn_toml_on_the_file(self, tmp_path: Path) -> None:
        text = (
            'product = "e_learning"\n[[measures]]\nname = "total_logins"\nmeaning = "of the file"\nevent = ["login"]\n'
        )
        of_file = declared(tmp_path, text)
        assert of_file.daily["total_logins"].meaning == "of the file"
        more = '[[measures]]\nname = "total_logins"\nmeaning = "of churn.toml"\nevent = ["login"]\n'
        of_settings = declared(tmp_path, text, more=more)
        assert of_settings.daily["total_logins"].meaning == "of churn.toml"
        assert list(of_settings.daily) == list(of_file.daily) == list(read_product().daily)

    def test_a_feature_without_a_name_goes_by_its_columns(self) -> None:
        product = read_product(
            more={"features": [{"of": "total_logins", "windows": [7]}], "drop": ["total_sessions_{window}d"]}
        )
        names = [column.name for column in product.feature_columns]
        assert "total_logins_7d" in names
        assert not {"total_logins_14d", "total_sessions_7d"} & set(names)

    def test_what_another_entry_uses_cannot_be_dropped(self) -> None:
        more = tomllib.loads('drop = ["measures.total_logins"]\n[[event_types]]\nname = "total_logins"\n')
        with pytest.raises(ChurnError, match=r"'total_logins' was dropped in churn\.toml; drop this entry too"):
            read_product(more=more)


def test_entries_have_defensible_defaults(music: Product) -> None:
    measures = {measure.name: measure for measure in music.measures}
    assert [(m.name, m.agg, m.empty) for m in measures.values()] == [
        ("seconds_played", "sum", 0),
        ("plays", "count", 0),
        ("skips", "count", 0),
        ("sessions", "sessions", 0),
        ("basket_value", "sum", 0),
    ]
    assert (measures["sessions"].gap_minutes, measures["sessions"].across_midnight) == (30, False)
    seconds = music.properties[0]
    assert (seconds.scale, seconds.bad, seconds.named("bad")) == (0.001, "quarantine", "seconds_bad")


def test_a_condition_on_a_path_implies_a_property() -> None:
    where = {"extra": {"device": {"os": ["ios", "ipados"]}}, "extra.offline": {"not": True}}
    product = read_product(more={"measures": [{"name": "on_ios", "where": where}]})
    os, offline = product.properties[-2:]
    assert (os.name, os.type, os.from_, os.bad) == ("device_os", "label", "extra.device.os", "null")
    assert (offline.name, offline.type, offline.from_) == ("offline", "flag", "extra.offline")
    assert product.measures[-1].where == (
        Condition("device_os", ("ios", "ipados")),
        Condition("offline", (True,), True),
    )
    assert product.path_of(os, "events") == ("extra", "device", "os")


def test_a_declared_property_of_that_path_is_used() -> None:
    more = {
        "properties": [{"name": "client", "type": "label", "from": "extra.device"}],
        "measures": [{"name": "on_ios", "where": {"extra.device": "ios"}}],
    }
    product = read_product(more=more)
    assert product.measures[-1].where == (Condition("client", ("ios",)),)
    assert len(product.properties) == len(read_product().properties) + 1


def test_an_event_type_keeps_what_a_condition_on_its_events_implies() -> None:
    product = read_product(more={"measures": [{"name": "on_ios", "event": "login", "where": {"extra.device": "ios"}}]})
    kept = {event.name: event.keeps for event in product.event_types}
    assert kept["login"] == ("course_id", "watch_minutes", "device")
    assert kept["video_watch"] == ("course_id", "watch_minutes")


class TestWhatChanged:
    def test_a_changed_file_is_read_anew(self, tmp_path: Path) -> None:
        text = '[[event_types]]\nname = "play"\n[[measures]]\nname = "{}"\nevent = ["play"]\n'
        assert list(declared(tmp_path, text.format("played")).daily) == ["total_events", "played"]
        assert list(declared(tmp_path, text.format("listen")).daily) == ["total_events", "listen"]

    def test_an_unchanged_one_is_not(self, tmp_path: Path) -> None:
        declared(tmp_path, MUSIC.split("[[measures]]                         # what no predicate")[0])
        assert read_product("mine", tmp_path) is read_product("mine", tmp_path)

    def test_a_changed_python_module_is_read_anew(self, tmp_path: Path) -> None:
        for factor in (1, 2):
            (tmp_path / "my_product.py").write_text(HATCH.format(factor), encoding="utf-8")
            function = declared(tmp_path, MUSIC).functions["my_product:basket_value"]
            assert function({"seconds": 5}) == factor

    def test_two_deployments_have_modules_of_one_name(self, tmp_path: Path) -> None:
        functions = []
        for at in (1, 2):
            folder = tmp_path / str(at)
            folder.mkdir()
            (folder / "my_product.py").write_text(HATCH.format(at), encoding="utf-8")
            functions.append(declared(folder, MUSIC).functions["my_product:basket_value"])
        assert [function({"seconds": 5}) for function in functions] == [1, 2]


PRICED = """
from enum import Enum
import pandas as pd

PRICES = pd.Series([1.0, 2.0], index=["web", "ios"])
RATES = pd.DataFrame({"rate": [3.0]})

class Factor(Enum):
    TWICE = 2

class Pricer:
    def price(self, events):
        return events["seconds"] * 5

def basket_value(events):
    by_device = events["device"].map(PRICES) * RATES["rate"].iloc[0]
    return Pricer().price(events) * by_device * Factor.TWICE.value
"""
VERSION_OF = """
import sys
from pathlib import Path
from churn_assets.assets.code_version import described, digest
from churn_assets.product.functions import find_function
print(digest(*described(find_function("my_product:basket_value", Path(sys.argv[1])))[0]))
"""


def version_of(folder: Path, source: str) -> str:
    (folder / "my_product.py").write_text(source, encoding="utf-8")
    return digest(*described(find_function("my_product:basket_value", folder))[0])


class TestVersionOfAFunction:
    @pytest.mark.parametrize(
        ("before", "after"), [('"ios"]', '"car"]'), ("[3.0]", "[4.0]"), ("= 2", "= 3"), ("* 5", "* 6")]
    )
    def test_what_its_module_holds_is_part_of_it(self, tmp_path: Path, before: str, after: str) -> None:
        assert before in PRICED
        assert version_of(tmp_path, PRICED) != version_of(tmp_path, PRICED.replace(before, after))

    def test_comments_and_docstrings_are_not(self, tmp_path: Path) -> None:
        worded = PRICED.replace("(events):\n", '(events):\n    """Of a basket."""  # in EUR\n')
        assert version_of(tmp_path, f'"""Prices."""\n{worded}') == version_of(tmp_path, PRICED)

    def test_every_process_and_folder_has_the_same(self, tmp_path: Path) -> None:
        here = version_of(tmp_path, PRICED)
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        (elsewhere / "my_product.py").write_text(PRICED, encoding="utf-8")
        command = [sys.executable, "-c", VERSION_OF, str(elsewhere)]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == here


class TestShow:
    @pytest.mark.parametrize("name", shipped_products())
    def test_what_show_prints_is_the_same_product(self, tmp_path: Path, name: str) -> None:
        product = read_product(name)
        again = declared(tmp_path, as_toml(product), f"{name}_again")
        assert {**vars(again), "name": name}.items() >= {k: getattr(product, k) for k in ("name", *KINDS)}.items()
        assert again.feature_columns == product.feature_columns

    def test_also_of_a_file_with_more_over_it(self, tmp_path: Path, music: Product) -> None:
        more = """
            [[attributes]]
            name = "born"
            type = "date"
            missing = 1970-01-01
            [[measures]]
            name = "in_car"
            where = { extra.place = "car" }
            limits = [0, inf]
            [[measures]]
            name = "mean_play"
            agg = "mean"
            value = "seconds"
            [[features]]
            of = "mean_play"
            windows = [7, 30]
        """
        product = read_product("tunes", tmp_path, tomllib.loads(more))
        text = as_toml(product)
        (tmp_path / "tunes.toml").write_text(text, encoding="utf-8")
        assert read_product("tunes", tmp_path) == product
        assert "# left out: " in text
        assert 'unit = "seconds"\n' in text
        assert "version = 1 # default\n" in text
        assert f"# file {tmp_path / 'tunes.toml'}\n" in text
        assert f"# {tmp_path / 'churn.toml'}\n" in text
        assert "# mean_play_7d: Mean seconds of events of the last 7 days, over all of them alike; null if none" in text

    def test_it_says_what_is_shipped(self) -> None:
        assert "# the shipped product 'e_learning'\n" in as_toml(read_product())


KINDS = ("attributes", "properties", "event_types", "measures", "features")
NAMES = st.sampled_from(
    ["a", "b", "plan", "total_events", "select", "A", "x_sum", "x", "seconds", "churned_7d", "f_{window}d"]
)
SCALARS = st.sampled_from([0, 1, -1, 0.5, True, False, "a", "play", "unknown", 1e13])
TYPES = st.sampled_from(["label", "flag", "integer", "number", "date", "text", "time"])
SOME_NAMES = st.lists(NAMES, max_size=2)
LIMITS = st.lists(st.sampled_from([-1, 0, 1, 100, float("inf"), float("-inf")]), min_size=2, max_size=2).map(sorted)


def entries(required: Mapping[str, Any], optional: Mapping[str, Any]) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.lists(st.fixed_dictionaries(dict(required), optional=dict(optional)), max_size=3)


WHERE = st.dictionaries(st.sampled_from(["a", "plan", "extra.z", "extra.$x", "extra.a"]), SCALARS, max_size=2)
DECLARATIONS = st.fixed_dictionaries(
    {
        "attributes": entries(
            {"name": NAMES, "type": TYPES}, {"missing": SCALARS, "limits": LIMITS, "feature": st.booleans()}
        ),
        "properties": entries(
            {"name": NAMES, "type": TYPES},
            {"missing": SCALARS, "limits": LIMITS, "from": st.sampled_from(["extra.a", "a.b", "x"]), "scale": SCALARS},
        ),
        "event_types": entries(
            {"name": st.sampled_from(["play", "Play", "skip"])}, {"needs": SOME_NAMES, "keeps": SOME_NAMES}
        ),
        "measures": entries(
            {"name": NAMES},
            {
                "event": st.lists(st.sampled_from(["play", "skip"]), max_size=2),
                "where": WHERE,
                "agg": st.sampled_from(
                    ["count", "sum", "mean", "min", "max", "distinct", "first", "last", "any", "sessions"]
                ),
                "value": NAMES,
                "weight": NAMES,
                "limits": LIMITS,
            },
        ),
        "features": entries(
            {},
            {
                "name": NAMES,
                "of": st.sampled_from(["total_events", "a", "b", "x"]),
                "since": st.sampled_from(["total_events", "a"]),
                "ratio": st.lists(NAMES, min_size=2, max_size=2),
                "trend": NAMES,
                "agg": st.sampled_from(["sum", "mean", "min", "max", "distinct", "last", "days", "observed"]),
                "windows": st.lists(st.sampled_from([1, 7, 30, 400]), max_size=2),
            },
        ),
    }
)


@settings(max_examples=examples(300), deadline=None)
@given(DECLARATIONS)
def test_a_declaration_is_refused_in_a_sentence_or_can_be_expanded(
    tmp_path_factory: Any, declaration: dict[str, Any]
) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / "empty.toml").write_text("", encoding="utf-8")
    try:
        product = read_product("empty", folder, declaration)
    except ChurnError as error:
        assert str(error).endswith(".")
        assert "\n" not in str(error)
        return
    names = [column.name for column in product.feature_columns]
    assert len(set(names)) == len(names)
    tables = {"user_daily": {*product.daily, "is_active", "as_of_date"}}
    for column in product.feature_columns:
        for source in column.sources:
            table, name = source.split(".")
            assert name in tables.get(table, {name})
    assert all(column.sources for column in product.daily.values())
    (folder / "empty.toml").write_text(as_toml(product), encoding="utf-8")
    assert read_product("empty", folder) == product


class TestThePage:
    PAGE = (Path(__file__).parents[1] / "docs" / "product.md").read_text(encoding="utf-8")

    def example(self, name: str) -> str:
        return self.PAGE.split(f"<!-- example of {name} -->\n```toml\n")[1].split("```")[0]

    def test_its_tables_of_keys_are_those_of_the_entries(self) -> None:
        assert with_tables(self.PAGE) == self.PAGE, "run 'make docs'"
        assert self.PAGE.count("| key | value |") == len(KINDS)

    def test_its_measure_makes_the_columns_it_says(self) -> None:
        product = read_product(more=tomllib.loads(self.example("a measure")))
        names = {column.name for column in product.feature_columns}
        assert "certificates" in product.daily
        assert {"certificates_7d", "certificates_30d"} <= names
        assert product.properties[-1].name == "with_certificate"

    def test_its_worked_example_is_the_one_that_is_tested(self) -> None:
        assert self.example("music") == MUSIC


class TestCommands:
    def run(self, folder: Path, *command: str) -> Result:
        return CliRunner().invoke(cli, ["--data", str(folder), "product", *command])

    def test_check_says_in_one_line_that_a_declaration_is_right(self, tmp_path: Path) -> None:
        done = self.run(tmp_path, "check")
        assert (done.exit_code, done.output) == (
            0,
            "Product 'e_learning' is right: 4 attributes, 4 properties, 7 event types, 11 measures, 25 features, "
            "65 columns of user_features.\n",
        )

    def test_check_says_in_one_line_what_is_wrong(self, tmp_path: Path) -> None:
        settings_file = tmp_path / "churn.toml"
        settings_file.write_text("[[measures]]\nname = 'logins'\nevent = ['logn']\n", encoding="utf-8")
        done = self.run(tmp_path, "check")
        assert (done.exit_code, done.output) == (
            1,
            f"Error: {settings_file}: [[measures]] 'logins': event: 'logn' is no event type (did you mean 'login'?).\n",
        )

    def test_show_prints_what_can_be_read_back(self, tmp_path: Path) -> None:
        (tmp_path / "churn.toml").write_text("drop = ['days_since_last_quiz']\n", encoding="utf-8")
        shown = self.run(tmp_path, "show").output
        assert declared(tmp_path, shown, "again").feature_columns == Settings.load(tmp_path).declaration.feature_columns

    def test_docs_writes_the_tables_and_features_of_this_product(self, tmp_path: Path) -> None:
        (tmp_path / "churn.toml").write_text(
            "[[measures]]\nname = 'evening_logins'\nevent = 'login'\n", encoding="utf-8"
        )
        done = self.run(tmp_path, "docs", "--out", str(tmp_path / "product.md"))
        page = (tmp_path / "product.md").read_text(encoding="utf-8")
        assert done.exit_code == 0
        assert "| `evening_logins` | `BIGINT` |" in page
        assert "# Features" in page


def test_words_on_several_lines_are_one_line() -> None:
    text = '[[measures]]\nname = "m"\nmeaning = """\nPlays of\n\ta day.\n"""'
    product = read_product("blank", None, tomllib.loads(text))
    assert [entry.meaning for entry in product.measures if entry.name == "m"] == ["Plays of a day."]
