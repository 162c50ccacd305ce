"""A declaration that cannot be right is refused in one sentence, which names the file, the entry and what to do."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest

from churn_assets.contracts import contracts
from churn_assets.errors import ChurnError
from churn_assets.product import read_product
from churn_assets.product.read import tomllib
from churn_assets.product.reserved import COLUMNS, OUTCOMES, SQL_WORDS
from churn_assets.settings import Settings

BASE = """
[[attributes]]
name = "plan"
type = "label"
values = ["free", "solo"]
missing = "unknown"
case = "lower"

[[properties]]
name = "seconds"
type = "number"
limits = [0, 86400]

[[properties]]
name = "track"
type = "label"

[[event_types]]
name = "play"
keeps = ["seconds", "track"]

[[event_types]]
name = "skip"
keeps = ["track"]

[[measures]]
name = "plays"
event = ["play"]

[[measures]]
name = "tracks"
event = ["play"]
agg = "distinct"
value = "track"
"""
"""What each case adds to or replaces in."""


def attribute(rest: str, name: str = "a") -> str:
    return f'[[attributes]]\nname = "{name}"\n{rest}\n'


def prop(rest: str, name: str = "p") -> str:
    return f'[[properties]]\nname = "{name}"\n{rest}\n'


def event(rest: str, name: str = "e") -> str:
    return f'[[event_types]]\nname = "{name}"\n{rest}\n'


def measure(rest: str, name: str = "m") -> str:
    return f'[[measures]]\nname = "{name}"\n{rest}\n'


def feature(rest: str) -> str:
    return f"[[features]]\n{rest}\n"


LABEL = 'type = "label"'
NUMBER = 'type = "number"'
CASES = {
    # one entry by itself
    "unknown key": (measure('evnt = ["play"]'), "[[measures]] 'm': unknown key 'evnt' (did you mean 'event'?)."),
    "unknown table": ("[[measurs]]\nname = 'm'", "unknown key 'measurs' (did you mean 'measures'?)."),
    "no name": ("[[measures]]\nevent = 'play'", "[[measures]] 'without a name': name is missing."),
    "no type": (attribute(""), "[[attributes]] 'a': type is missing."),
    "not a table": ("measures = ['m']", "measures must be tables, each under [[measures]]."),
    "no such type": (
        prop("type = 'string'"),
        "'p': type can be number, integer, flag, label, text or time, and nothing else.",
    ),
    "no such agg": (
        measure("agg = 'total'"),
        "'m': agg can be count, sum, mean, min, max, distinct, first, last, any or",
    ),
    "a number for a text": (measure("unit = 3"), "[[measures]] 'm': unit must be a text."),
    "a character that is not shown": (
        measure(r'meaning = "a\u0000b"'),
        "[[measures]] 'm': meaning holds a character that cannot be printed; take it out.",
    ),
    "a terminal's colours": (
        measure(r'unit = "\u001b[31mEUR"'),
        "[[measures]] 'm': unit holds a character that cannot",
    ),
    "a text for a flag": (attribute(f"{LABEL}\nfeature = 'yes'"), "[[attributes]] 'a': feature must be true or false."),
    "a flag for a number": (measure("agg = 'sessions'\ngap_minutes = true"), "'m': gap_minutes must be a number."),
    "a number out of range": (measure("agg = 'sessions'\ngap_minutes = 0"), "'m': gap_minutes must be above 0"),
    "a version of 0": (measure("version = 0"), "'m': version must be at least 1."),
    "upper case": (
        measure("", "Plays"),
        "[[measures]] 'Plays': name 'Plays' is no column name; use lower-case letters,",
    ),
    "a blank": (measure("", "my plays"), "name 'my plays' is no column name;"),
    "a quote": (measure("", "x'; drop"), "is no column name;"),
    "a word of SQL": (
        prop(LABEL, "order"),
        "[[properties]] 'order': name 'order' is a reserved word of SQL; give it another.",
    ),
    "limits out of order": (
        prop(f"{NUMBER}\nlimits = [9, 1]"),
        "'p': limits [9, 1] are not in order; write [lowest, highest].",
    ),
    "one limit": (prop(f"{NUMBER}\nlimits = [9]"), "'p': limits must be two numbers, [lowest, highest]."),
    "missing outside limits": (
        prop(f"{NUMBER}\nlimits = [1, 9]\nmissing = 0"),
        "'p': missing 0 lies outside its limits [1, 9].",
    ),
    "missing of another type": (
        prop(f"{NUMBER}\nmissing = 'x'"),
        "'p': missing is no number; give a value of that type",
    ),
    "a day as text": (attribute("type = 'date'\nmissing = '2024-01-01'"), "'a': missing is no date;"),
    "missing of a time": (
        prop("type = 'time'\nmissing = 'now'"),
        "missing is for type number, integer, flag, label or text;",
    ),
    "limits of a label": (prop(f"{LABEL}\nlimits = [0, 1]"), "'p': limits is for type number or integer; take it out."),
    "values of a flag": (attribute("type = 'flag'\nvalues = ['x']"), "'a': values is for type label; take it out."),
    "values in another case": (
        attribute(f"{LABEL}\nvalues = ['Free']\ncase = 'lower'"),
        "values has 'Free', which no label in case",
    ),
    "a value that means not known": (
        attribute(f"{LABEL}\nvalues = ['None', 'some']"),
        "values has 'None', which no label equals: it means 'not known'; add 'none' to words",
    ),
    "a value with blanks": (
        attribute(f"{LABEL}\nvalues = [' x']"),
        "values has ' x', which no label equals: labels are",
    ),
    "a condition on not known": (
        attribute(LABEL) + measure("where = { a = 'na' }"),
        "the condition on 'a' compares with 'na', which no label equals: it means 'not known'; add 'na' to words",
    ),
    "a condition with blanks": (
        measure("where = { track = 'x ' }"),
        "the condition on 'track' compares with 'x ', which no label equals: labels are trimmed",
    ),
    "a value twice": (attribute(f"{LABEL}\nvalues = ['x', 'x']"), "'a': values names 'x' twice; keep one."),
    "no values": (attribute(f"{LABEL}\nvalues = []"), "'a': values is empty, so that every label would be missing;"),
    "missing twice": (
        attribute("type = 'flag'\nmissing = true\nmissing_if = { plan = 'free' }"),
        "'a': missing and missing_if both say what an absent value is; keep one of them.",
    ),
    "scale of 0": (prop(f"{NUMBER}\nscale = 0"), "'p': scale must not be 0, which would turn every value into 0."),
    "scale in words": (
        prop(f"{NUMBER}\nscale = 'per mille'"),
        "'p': scale 'per mille' is neither a number nor a fraction",
    ),
    "a path with an empty step": (prop(f"{LABEL}\nfrom = 'extra..x'"), "'p': from 'extra..x' has an empty step;"),
    "a path through an array": (
        prop(f"{LABEL}\nfrom = 'extra.items[0].id'"),
        "'p': from 'extra.items[0].id' is a path through an array",
    ),
    "a path with an index": (
        prop(f"{LABEL}\nfrom = 'extra.items.0.id'"),
        "is a path through an array, in which no element",
    ),
    "all of extra": (
        prop(f"{LABEL}\nfrom = 'extra'"),
        "'p': from 'extra' is all other columns together; write extra.<column>.",
    ),
    "an agg without a value": (
        measure("agg = 'sum'"),
        "[[measures]] 'm': agg sum needs value, the property it aggregates.",
    ),
    "a value of any": (measure("agg = 'any'\nvalue = 'seconds'"), "'m': value is for agg count, sum, mean, min,"),
    "two values": (measure("value = 'seconds'\npython = 'a:b'"), "'m': python and value both say what is aggregated;"),
    "no reference": (measure("python = 'a.b'"), "'m': python 'a.b' is not 'module:function'."),
    "no events": (measure("event = []"), "'m': event is empty, so that nothing counts;"),
    "a null count": (measure("empty = 'null'"), "'m': agg count of no event is 0 and not null; leave out empty."),
    "a mean of 0": (
        measure("agg = 'mean'\nvalue = 'seconds'\nempty = 0"),
        "'m': agg mean of no event is null, since 0 would be a value;",
    ),
    "empty outside limits": (
        measure("limits = [1, 9]"),
        "'m': a day without such an event is 0, which its limits leave out;",
    ),
    "most outside limits": (measure("limits = [0, 9]\nmost = 10"), "'m': most 10 lies outside its limits [0, 9]."),
    "a gap of a count": (measure("gap_minutes = 10"), "'m': gap_minutes is for agg sessions; take it out."),
    "a condition in a table": (
        measure("where = { track = { is = 'x' } }"),
        "'m': where: 'track.is' is no property or attribute (did you mean 'track'?);",
    ),
    "a condition on nothing": (
        measure("where = { track = [] }"),
        "'m': where on 'track' must compare with texts, numbers, true or false.",
    ),
    "beyond the lookback": (
        feature("of = 'plays'\nwindows = [7, 366]"),
        "[[features]] 'plays_{window}d': windows of 366 days goes beyond the lookback of 365 days; take a shorter one.",
    ),
    "within beyond the lookback": (
        feature("since = 'plays'\nwithin = 400"),
        "within of 400 days goes beyond the lookback of 365 days",
    ),
    "a history of a day": (feature("rhythm = 'plays'\nhistory = 1"), "history of 1 day holds no gap between two;"),
    "a history beyond ten years": (
        feature("rhythm = 'plays'\nhistory = 4000"),
        "history of 4000 days goes beyond the lookback of 3653 days",
    ),
    "a rhythm in windows": (
        feature("rhythm = 'plays'\nwindows = [7]"),
        "windows is for a feature with of, ratio, trend or observed; take it out.",
    ),
    "a rhythm of one name": (
        feature("name = 'habit'\nrhythm = 'plays'"),
        "'habit': {figure} belongs into the name of a rhythm, which has several columns, and no other.",
    ),
    "a figure of what is none": (
        feature("name = 'x_{figure}'\nsince = 'plays'"),
        "{figure} belongs into the name of a rhythm, which has several columns, and no other.",
    ),
    "limits of a rhythm": (
        feature("rhythm = 'plays'\nlimits = [0, 9]"),
        "limits is for a feature with of, ratio, trend, since or observed; take it out.",
    ),
    "a rhythm of nothing": (feature("rhythm = 'playz'"), "(did you mean 'plays'?)"),
    "a window twice": (feature("of = 'plays'\nwindows = [7, 7]"), "windows has a length twice; keep one."),
    "a window of half a day": (
        feature("of = 'plays'\nwindows = [0.5]"),
        "windows must be whole numbers of days from 1 up.",
    ),
    "no windows": (feature("of = 'plays'"), "windows, the lengths in days, are missing."),
    "no kind": (
        feature("name = 'x'\nwindows = [7]"),
        "[[features]] 'x': say exactly one of of = a measure, ratio = [part, whole],",
    ),
    "two kinds": (feature("name = 'x'\nof = 'plays'\ntrend = 'plays'\nwindows = [7, 30]"), "'x': say exactly one of"),
    "within of a window": (
        feature("of = 'plays'\nwindows = [7]\nwithin = 30"),
        "within is for a feature with since; take it out.",
    ),
    "a trend backwards": (
        feature("name = 'x'\ntrend = 'plays'\nwindows = [30, 7]"),
        "'x': a trend needs two windows, the shorter first.",
    ),
    "one name for two windows": (
        feature("name = 'x'\nof = 'plays'\nwindows = [7, 30]"),
        "'x': a name for several windows must hold {window}.",
    ),
    "half a ratio": (
        feature("name = 'x'\nratio = ['plays']\nwindows = [7]"),
        "'x': ratio must be two measures, [part, whole],",
    ),
    # names that are taken
    "twice in a file": (measure("") + measure(""), "[[measures]] 'm': is declared twice; keep one,"),
    "event types that differ by case": (event("", "Play"), "[[event_types]] 'play': is declared twice;"),
    "a key as an attribute": (
        attribute(LABEL, "user_id"),
        "[[attributes]] 'user_id': its name is the name of a column that a table has",
    ),
    "a key as a property": (prop(LABEL, "event_type"), "[[properties]] 'event_type': its name is the name of a column"),
    "a column of the grid": (measure("", "days_since_signup"), "'days_since_signup': its name is the name of a column"),
    "a label's column": (
        attribute(LABEL, "churned_30d"),
        "[[attributes]] 'churned_30d': its name is the name of a column",
    ),
    "a feature as a label": (
        feature("name = 'churned_7d'\nof = 'plays'\nwindows = [7]"),
        "'churned_7d': its column 'churned_7d' is the name",
    ),
    "a measure as an attribute": (measure("", "plan"), "[[measures]] 'plan': an attribute has its name,"),
    "a feature as an attribute": (
        feature("name = 'plan'\nof = 'plays'\nwindows = [7]"),
        "its column 'plan' is an attribute already;",
    ),
    "two features of a column": (
        feature("of = 'plays'\nwindows = [7]\n[[features]]\nname = 'plays_7d'\nof = 'plays'\nwindows = [7]"),
        "its column 'plays_7d' is one of 'plays_7d' too; give it another name.",
    ),
    "a part of a mean": (
        measure('agg = "mean"\nvalue = "seconds"') + measure("", "m_sum") + feature('of = "m"\nwindows = [7]'),
        "[[measures]] 'm': its windows need a column 'm_sum', which is the name of another entry; rename one.",
    ),
    "another total_events": (
        measure("event = 'play'", "total_events"),
        "'total_events': is the count of all events, which labels",
    ),
    "another active_days": (
        feature("of = 'total_events'\nagg = 'days'\nwindows = [60]"),
        "is a feature of every product, with windows 7, 14, 30;",
    ),
    # references
    "no such event": (
        measure("event = 'plai'"),
        "[[measures]] 'm': event: 'plai' is no event type (did you mean 'play'?).",
    ),
    "no such value": (
        measure("value = 'second'"),
        "[[measures]] 'm': value: 'second' is no property (did you mean 'seconds'?).",
    ),
    "no such property": (
        event("needs = 'minutes'"),
        "'e': needs: 'minutes' is no property; choose among seconds, track.",
    ),
    "no such measure": (
        feature("of = 'play'\nwindows = [7]"),
        "[[features]] 'play_{window}d': 'play' is no measure (did you mean 'plays'?).",
    ),
    "no such part": (
        feature("name = 'x'\nratio = ['playss', 'plays']\nwindows = [7]"),
        "'x': 'playss' is no measure (did you mean 'plays'?).",
    ),
    "no such weight": (measure("agg = 'mean'\nvalue = 'seconds'\nweight = 'n'"), "'m': weight: 'n' is no measure"),
    "no such condition": (
        measure("where = { device = 'ios' }"),
        "'m': where: 'device' is no property or attribute; write extra.device for a column of the source, or declare a property.",
    ),
    "a condition on the type": (
        measure("where = { event_type = 'play' }"),
        "'m': where is on event_type; write event = [...].",
    ),
    "a condition on a declared column": (
        measure("where = { extra.track = 'x' }"),
        "'track' is a column by itself, not in extra; write 'track'.",
    ),
    "no such bins": (
        prop(f"{NUMBER}\nbins = [0, 1]\nbins_of = 'plai'"),
        "'p': bins_of: 'plai' is no event type (did you mean 'play'?).",
    ),
    "a value of the values": (
        measure("where = { plan = 'fre' }"),
        "the condition on 'plan': 'fre' is none of its values (did you mean 'free'?).",
    ),
    "a value in another case": (
        measure("where = { plan = 'Free' }"),
        "compares with 'Free', and its case is lower; write 'free'.",
    ),
    "missing_if below": (
        attribute('type = "flag"\nmissing_if = { b = true }') + attribute('type = "flag"', "b"),
        "[[attributes]] 'a': missing_if: 'b' stands below it; move it above, so that no two decide each other.",
    ),
    "missing_if on itself": (
        attribute("type = 'flag'\nmissing_if = { a = true }"),
        "'a': missing_if is on itself; take it out, or say missing.",
    ),
    "missing_if on nothing": (
        attribute("type = 'flag'\nmissing_if = { plam = 'free' }"),
        "missing_if: 'plam' is no attribute (did you mean 'plan'?).",
    ),
    # what does not fit
    "a sum of labels": (
        measure("agg = 'sum'\nvalue = 'track'"),
        "'m': agg sum does not fit 'track' of type label; it takes number or integer.",
    ),
    "a greatest label": (
        measure("agg = 'max'\nvalue = 'track'"),
        "agg max does not fit 'track' of type label; it takes number, integer or time.",
    ),
    "distinct numbers": (
        measure("agg = 'distinct'\nvalue = 'seconds'"),
        "agg distinct does not fit 'seconds' of type number;",
    ),
    "limits of a label's last": (
        measure("agg = 'last'\nvalue = 'track'\nlimits = [0, 1]"),
        "'m': limits and most are for numbers,",
    ),
    "a condition of another type": (
        measure("where = { seconds = 'long' }"),
        "the condition on 'seconds' compares with another type than number;",
    ),
    "a value that is not kept": (
        measure("event = 'skip'\nvalue = 'seconds'"),
        "'m': no event of skip keeps 'seconds', so that it is always null there;",
    ),
    "a condition that is not kept": (
        measure("event = 'skip'\nwhere = { seconds = 0 }"),
        "'m': no event of skip keeps 'seconds',",
    ),
    "needs what is not kept": (
        event("needs = 'seconds'\nkeeps = 'track'"),
        "'e': needs: 'seconds' is not among what it keeps; add it to keeps.",
    ),
    "a positive label": (
        event("positive = 'track'"),
        "'e': positive: 'track' is a label, and only a number can be above 0;",
    ),
    "expects what is never absent": (
        prop(f"{NUMBER}\nmissing = 0") + event('expects = "p"'),
        "[[event_types]] 'e': expects: 'p' is never absent, because it says what missing is; take out one of the two.",
    ),
    "a weight of other events": (
        measure("event = 'skip'\nagg = 'mean'\nvalue = 'seconds'\nweight = 'plays'").replace(
            "'skip'", "['play', 'skip']"
        ),
        "'m': weight 'plays' counts other events; give it the same event and where, or leave weight out.",
    ),
    "a weight of events without a value": (
        measure("event = 'play'\nagg = 'mean'\nvalue = 'seconds'\nweight = 'plays'"),
        "'m': weight 'plays' counts other events, those without 'seconds' too; give it value = 'seconds', or leave weight out.",
    ),
    "a weight that is no count": (
        measure("event = 'play'\nagg = 'mean'\nvalue = 'seconds'\nweight = 'tracks'"),
        "'m': weight 'tracks' is no count of events;",
    ),
    "a sum of means": (
        measure('agg = "max"\nvalue = "seconds"') + feature('of = "m"\nagg = "sum"\nwindows = [7]'),
        "'m' (agg max, of type number) cannot be added up over days; use agg min, max, last or days,",
    ),
    "distinct of a count": (
        feature("of = 'plays'\nagg = 'distinct'\nwindows = [7]"),
        "agg distinct does not fit 'plays' (agg count, of type integer);",
    ),
    "days of a label": (
        measure('agg = "last"\nvalue = "track"') + feature('since = "m"'),
        "[[features]] 'days_since_m': 'm' (agg last, of type label) is never above 0;",
    ),
    "below a number": (
        prop(f"{LABEL}\nfrom = 'seconds.x'"),
        "'p': from goes below 'seconds', which is no text and so holds no JSON;",
    ),
    "an alias of another": (
        prop(f"{LABEL}\naliases = 'track'"),
        "'p': alias 'track' is a column of the events already; take it out.",
    ),
    # reasons and repairs
    "a reason of every product": (
        prop(f"{NUMBER}\nnames = {{ bad = 'bad_number' }}"),
        "'p': 'bad_number' is a reason or repair of every product;",
    ),
    "a reason of another": (
        prop(f"{NUMBER}\nnames = {{ missing = 'seconds_bad' }}"),
        "[[properties]] 'p': 'seconds_bad' is a reason or repair of 'seconds' that means something else;",
    ),
    "two event types with one reason": (
        event('needs = "track"\nnames = { without = "incomplete" }')
        + event('needs = "seconds"\nnames = { without = "incomplete" }', "f"),
        "[[event_types]] 'f': 'incomplete' is a reason or repair of 'e' that means something else; give one of them another",
    ),
    # drop
    "a drop of nothing": (
        "drop = ['playz']",
        "drop names 'playz', which no entry below has; correct it, or take it out.",
    ),
    "a drop of what is always there": (
        "drop = ['total_events']",
        "drop names 'total_events', which every product has;",
    ),
    "a drop that is no list": ("drop = 'plays'", "drop must be a list of names."),
    "a used property": ("drop = ['track']", "keeps: 'track' was dropped in"),
    # Python
    "no module": (measure("python = 'nowhere:f'"), "'m': python 'nowhere:f' cannot be imported, because"),
    "no function": (measure("python = 'hatch:g'"), "'m': python 'hatch:g' is no function of that module;"),
    "a module that fails": (
        measure("python = 'broken:f'"),
        "'m': python 'broken:f' cannot be imported (ZeroDivisionError: division by zero); correct it.",
    ),
}


@pytest.mark.parametrize(("text", "sentence"), CASES.values(), ids=CASES)
def test_what_cannot_be_right_is_refused_in_a_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "base.toml").write_text(BASE, encoding="utf-8")
    (tmp_path / "hatch.py").write_text("def f(events): ...\n", encoding="utf-8")
    (tmp_path / "broken.py").write_text("1 / 0\n", encoding="utf-8")
    with pytest.raises(ChurnError) as refused:
        read_product("base", tmp_path, tomllib.loads(text))
    said = str(refused.value)
    assert sentence in said
    assert re.match(rf"{tmp_path}/(churn|base)\.toml: ", said)
    assert said.endswith(".")
    assert not re.search(r"\n|pydantic|validation|Input|input_value|union", said)


def test_the_base_of_the_cases_is_right(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text(BASE, encoding="utf-8")
    read_product("base", tmp_path)


@pytest.mark.parametrize(
    ("files", "name", "sentence"),
    [
        ({}, "mine", "product = 'mine' is neither shipped ("),
        ({"mine": "product = 'mine'"}, "mine", "mine.toml builds on itself ("),
        ({"a": "product = 'b'", "b": "product = 'a'"}, "a", "a.toml builds on itself ("),
        (
            {"mine": "product = 3"},
            "mine",
            "mine.toml: product must be a text, the name of the declaration it builds on.",
        ),
        ({"mine": "[[measures"}, "mine", "mine.toml is not valid TOML: "),
        ({"e_learning": ""}, "e_learning", "product = 'e_learning' is shipped, and "),
    ],
)
def test_a_declaration_must_be_found(tmp_path: Path, files: dict[str, str], name: str, sentence: str) -> None:
    for file, text in files.items():
        (tmp_path / f"{file}.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ChurnError) as refused:
        read_product(name, tmp_path)
    assert sentence in str(refused.value)


def test_a_file_of_a_shipped_name_is_read_by_its_suffix(tmp_path: Path) -> None:
    (tmp_path / "e_learning.toml").write_text(
        "product = 'e_learning'\ndrop = ['days_since_last_quiz']\n", encoding="utf-8"
    )
    product = read_product("e_learning.toml", tmp_path)
    assert product.name == "e_learning"
    assert len(product.feature_columns) == 64


def test_the_words_of_sql_are_those_that_duckdb_reserves() -> None:
    query = "SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category = 'reserved'"
    assert {word for (word,) in duckdb.sql(query).fetchall()} <= SQL_WORDS


def test_the_names_that_are_taken_are_those_that_tables_have() -> None:
    settings = Settings.model_construct()
    product, tables = settings.declaration, contracts(settings)
    columns = {name: set(table.column_names) for name, table in tables.items()}
    attributes, properties = ({e.name for e in entries} for entries in (product.attributes, product.properties))
    assert columns["clean_users"] - attributes <= COLUMNS["attributes"]
    assert columns["user_daily"] - attributes - set(product.daily) <= COLUMNS["measures"] | COLUMNS["attributes"]
    assert columns["clean_events"] - properties <= COLUMNS["properties"]
    assert {name for name in columns["churn_labels"] if not name.startswith("churned_")} <= COLUMNS["features"]


def test_the_reasons_of_every_product_are_taken(tmp_path: Path) -> None:
    from churn_assets.contracts.declared import quarantine_reasons

    (tmp_path / "empty.toml").write_text("", encoding="utf-8")
    assert set(quarantine_reasons(read_product("empty", tmp_path))) <= OUTCOMES
