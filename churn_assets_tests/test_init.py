"""`churn-assets init` over exports of well-known tools: recognised, written down with evidence, and landed by what was written."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from threading import Timer

import pytest
from click.testing import CliRunner, Result

from churn_assets.cli import cli
from churn_assets.landing import read_file
from churn_assets.settings import Settings, tomllib
from exports.tools import TOOLS, amplitude, segment
from exports.world import DAYS, EVENTS, TYPES, happenings

NAMES = [*TOOLS]
SNAKE = {name: re.sub(r"\W", "_", name.lower()) for name in TYPES}
EXPECTED = {
    "Amplitude": {
        "columns": {"event_id": ("uuid",), "extra": ("event_id",)},
        "rejected": 40,
        "from": "event_properties.ms_played",
    },
    "Mixpanel": {
        "columns": {
            "event_id": ("properties.$insert_id",),
            "user_id": ("properties.distinct_id",),
            "event_time": ("properties.time",),
            "event_type": ("event",),
        },
        "timestamp_format": "epoch_s",
        "from": "properties.ms_played",
    },
    "PostHog": {
        "columns": {
            "event_id": ("uuid",),
            "user_id": ("person_id",),
            "event_time": ("timestamp",),
            "event_type": ("event",),
        },
        "from": "properties.ms_played",
    },
    "Segment": {
        "columns": {"event_id": ("id",), "event_time": ("timestamp",), "event_type": ("event",)},
        "rejected": 33,
        "from": None,
    },
    "Snowplow": {
        "columns": {
            "user_id": ("domain_userid",),
            "event_time": ("derived_tstamp",),
            "event_type": ("event_name",),
            "extra": ("user_id",),
        },
        "delimiter": "\t",
        "from": "unstruct_event_com_example_play_1.ms_played",
    },
} | dict.fromkeys(
    ["GA4 (BigQuery)", "GA4 (BigQuery) Parquet"],
    {
        "columns": {
            "user_id": ("user_pseudo_id",),
            "event_time": ("event_timestamp",),
            "event_type": ("event_name",),
            "extra": ("user_id",),
        },
        "timestamp_format": "epoch_us",
    },
)


def churn(data: Path, *arguments: object) -> Result:
    return CliRunner().invoke(cli, ["--data", str(data), *map(str, arguments)])


def initialised(data: Path, *paths: Path) -> tuple[Settings, str]:
    done = churn(data, "init", *paths)
    assert done.exit_code == 0, done.output
    return Settings.load(data), (data / "churn.toml").read_text("utf-8")


def sentence(data: Path, *paths: Path) -> str:
    """What init refuses with: one sentence; and nothing was written."""
    done = churn(data, "init", *paths)
    assert done.exit_code == 1 and not (data / "churn.toml").exists(), done.output
    assert done.output.startswith("Error: ") and done.output.endswith(".\n"), done.output
    return done.output.removeprefix("Error: ").strip()


@pytest.mark.parametrize("name", NAMES)
def test_an_export_is_recognised_and_each_part_given_to_its_column(tmp_path: Path, name: str) -> None:
    settings, text = initialised(tmp_path / "data", TOOLS[name](tmp_path))
    expected, events = EXPECTED[name], settings.sources.events
    assert f"# The columns are those of an export of {name.removesuffix(' Parquet')}." in text
    written = tomllib.loads(text)["sources"]["events"]["columns"]
    assert {column: tuple(names) for column, names in written.items()} == expected["columns"]
    assert events.timestamp_format == expected.get("timestamp_format", "iso8601")
    assert events.delimiter == expected.get("delimiter", ",")
    assert (events.id_type, settings.sources.users.id_type) == ("string", "string")
    assert settings.sources.users.from_events
    assert events.event_id_from == (("user_id", "event_time", "event_type") if "GA4" in name else ())
    rejected = re.findall(r"^#   (\d+) bad_user_id", text, re.M)
    assert [int(count) for count in rejected] == ([expected["rejected"]] if "rejected" in expected else [])


@pytest.mark.parametrize("name", NAMES)
def test_event_types_are_written_with_their_counts_the_most_frequent_first(tmp_path: Path, name: str) -> None:
    settings, text = initialised(tmp_path / "data", TOOLS[name](tmp_path))
    spelt = {one: one if name in ("Amplitude", "Mixpanel", "PostHog") else SNAKE[one] for one in TYPES}
    counts = Counter(spelt[one.type] for one in happenings())
    assert [entry["name"] for entry in settings.event_types] == [one for one, _ in counts.most_common()]
    for one, count in counts.items():
        assert f'# {count} events, {100 * count / EVENTS:.1f} %\n[[event_types]]\nname = "{one}"\n' in text


@pytest.mark.parametrize("name", [name for name in NAMES if "GA4" not in name])
def test_numbers_things_and_flags_become_measures_of_the_events_that_have_them(tmp_path: Path, name: str) -> None:
    settings, _ = initialised(tmp_path / "data", TOOLS[name](tmp_path))
    properties = {entry["name"]: entry for entry in settings.properties}
    assert {one: entry["type"] for one, entry in properties.items()} == {
        "ms_played": "integer",
        "track_id": "text",
        "genre": "label",
        "offline": "flag",
        "results": "integer",
        "price": "number",
    }
    assert properties["ms_played"].get("from") == EXPECTED[name]["from"]
    measures = {entry["name"]: entry for entry in settings.measures}
    played = measures["ms_played_sum"]
    assert (played["agg"], played["value"], len(played["event"])) == ("sum", "ms_played", 2)
    assert measures["track_id_different"]["agg"] == "distinct"
    assert measures["offline_count"]["where"] == {"offline": True}
    used = {entry.get("of") or entry["since"] for entry in settings.features}
    assert used <= set(measures)


@pytest.mark.parametrize("name", NAMES)
def test_what_describes_the_user_becomes_an_attribute(tmp_path: Path, name: str) -> None:
    settings, _ = initialised(tmp_path / "data", TOOLS[name](tmp_path))
    names = {entry["name"] for entry in settings.attributes}
    expected = {
        "Amplitude": {"plan", "country", "beta_tester"},
        "Mixpanel": {"os", "mp_country_code"},
        "PostHog": {"plan", "geoip_country_code"},
        "Segment": {"context_traits_plan", "context_locale"},
        "Snowplow": {"geo_country", "platform"},
    }
    assert expected.get(name, {"country", "category", "medium"}) <= names
    assert not names & {entry["name"] for entry in settings.properties}


@pytest.mark.parametrize("name", NAMES)
def test_what_was_written_lands_every_event_with_its_id_user_time_and_type(tmp_path: Path, name: str) -> None:
    data, dump = tmp_path / "data", TOOLS[name](tmp_path)
    initialised(data, dump)
    landed = churn(data, "land", dump)
    assert landed.exit_code == 0 and f"Landed {EVENTS} event rows on {DAYS} days" in landed.output, landed.output
    assert "quarantined" not in landed.output
    settings, rows = Settings.load(data), []
    for path in sorted((data / "landing" / "events").rglob("*.*")):
        if path.is_file():
            table = read_file(
                path,
                source="events",
                settings=settings.source("events"),
                product=settings.declaration,
                landing_dir=data / "landing",
            ).table
            rows += table.to_pylist()
    assert len(rows) == EVENTS
    missing = {column: sum(row[column] in (None, "") for row in rows) for column in ("event_time", "event_type")}
    assert missing == {"event_time": 0, "event_type": 0}
    ids = {row["event_id"] for row in rows}
    assert len(ids) == EVENTS and None not in ids
    assert sum(row["user_id"] in (None, "") for row in rows) == EXPECTED[name].get("rejected", 0)
    assert all(isinstance(json.loads(row["extra"]), dict) for row in rows)


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_init_land_backfill_and_status_follow_each_other_without_an_edit(tmp_path: Path, name: str) -> None:
    data, dump = tmp_path / "data", TOOLS[name](tmp_path)
    for arguments in (["init", dump], ["land", dump], ["backfill"], ["status"]):
        done = churn(data, *arguments)
        assert done.exit_code == 0, f"{arguments[0]}: {done.output}"
    assert "user_daily" in done.output


@pytest.mark.parametrize("name", NAMES)
def test_the_file_names_columns_and_event_types_and_no_value_of_a_row(tmp_path: Path, name: str) -> None:
    dump = TOOLS[name](tmp_path)
    _, text = initialised(tmp_path / "data", dump)
    output = churn(tmp_path / "data", "init", "--replace", dump).output
    for one in happenings():
        for value in (one.id, one.user_id, one.device_id, f"{one.time:%Y-%m-%d}", one.properties.get("track_id")):
            assert value is None or value not in text + output
    for value in ("family", "jazz", "203.0.113", "player.example", "EUR", "Berlin", "analytics.js"):
        assert value not in text


def test_each_guess_stands_beside_its_evidence(tmp_path: Path) -> None:
    _, text = initialised(tmp_path / "data", segment(tmp_path))
    for line in (
        'delimiter = ","  # a comma splits 100 % of the first lines into 20 values',
        'timestamp_format = "iso8601"  # 100 % of 400 values are ISO 8601 without an offset',
        '# user_id = ["user_id"]: given in 91.8 % of 400 rows, 30 different; could also be anonymous_id (100 % given)',
    ):
        assert line in text


def test_a_file_that_is_there_is_replaced_only_when_asked(tmp_path: Path) -> None:
    data, dump = tmp_path / "data", segment(tmp_path)
    data.mkdir()
    (data / "churn.toml").write_text("lateness_days = 2\n")
    refused = churn(data, "init", dump)
    assert refused.exit_code == 1 and "--replace" in refused.output
    assert (data / "churn.toml").read_text() == "lateness_days = 2\n"
    assert churn(data, "init", "--replace", dump).exit_code == 0
    assert "from_events = true" in (data / "churn.toml").read_text()


def test_three_files_are_a_usage_error(tmp_path: Path) -> None:
    assert churn(tmp_path, "init", "a", "b", "c").exit_code == 2
    assert churn(tmp_path, "land", "a", "b", "c").exit_code == 2


def test_users_and_events_are_joined_and_each_is_described(tmp_path: Path) -> None:
    users, events = tmp_path / "kunden.csv", tmp_path / "log.jsonl.gz"
    rows = [
        f"{n};{n % 28 + 1:02d}.0{n % 9 + 1}.2025;{('frei', 'größer')[n % 2]};{n % 3 == 0};{n * 1.5}"
        for n in range(1, 41)
    ]
    users.write_bytes("Kunde;signup_date;Tarif;bezahlt;Guthaben\n".encode("cp1252") + "\n".join(rows).encode("cp1252"))
    users.write_bytes(users.read_bytes().replace(b"Kunde", b"customer_id"))
    lines = [
        {"id": n, "customer_id": n % 45 + 1, "ts": 1_767_225_600_000 + n * 10_000_000, "action": "ab"[n % 2]}
        for n in range(200)
    ]
    import gzip

    events.write_bytes(gzip.compress("".join(json.dumps(line) + "\n" for line in lines).encode()))
    settings, text = initialised(tmp_path / "data", users, events)
    source = settings.sources.users
    assert (source.delimiter, source.encoding, source.timestamp_format) == (";", "cp1252", "%d.%m.%Y")
    assert (source.id_type, source.from_events, source.columns) == ("integer", False, {"user_id": ("customer_id",)})
    assert {entry["name"]: entry["type"] for entry in settings.attributes} == {
        "tarif": "label",
        "bezahlt": "flag",
        "guthaben": "number",
    }
    known = sum(1 <= n % 45 + 1 <= 40 for n in range(200))
    assert f"# {100 * known / 200:.1f} % of the events are of users in this file." in text
    assert settings.sources.events.timestamp_format == "epoch_ms"
    landed = churn(tmp_path / "data", "land", users, events)
    assert "40 user rows and 200 event rows" in landed.output, landed.output


def test_what_land_would_refuse_is_said_at_once(tmp_path: Path) -> None:
    dump = tmp_path / "e.csv"
    rows = [f"{n},u{n % 5},2026-01-0{n % 9 + 1}T10:00:00,play" for n in range(40)]
    dump.write_text("event_id,user_id,event_time,event_type\n" + "\n".join(rows) + '\n41,u1,2026-01-01,5" wide\n')
    done = churn(tmp_path / "data", "init", dump)
    assert done.exit_code == 0 and "would refuse this dump" in done.output and "stray quote" in done.output


def answered(data: Path, dump: Path, answers: str) -> str:
    """What init shows on a terminal on which these answers are typed."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "churn_assets.cli", "--data", str(data), "init", str(dump)]
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "dumb"}
    ) as process:
        os.close(theirs)
        os.write(ours, answers.encode())
        alarm = Timer(120, process.kill)  # a question too many would wait for ever
        alarm.start()
        shown = b""
        try:
            while piece := os.read(ours, 4096):
                shown += piece
        except OSError:  # how Linux says that the other side has closed
            pass
        alarm.cancel()
    os.close(ours)
    assert process.returncode == 0, shown.decode()
    return shown.decode()


@pytest.mark.long
def test_on_a_terminal_the_guesses_are_the_defaults_of_a_few_questions(tmp_path: Path) -> None:
    dump = amplitude(tmp_path)
    shown = answered(tmp_path / "asked", dump, "amplitude_id\n\n\nEurope/Berlin\n")
    assert "Column of the user's id (user_id, amplitude_id) [user_id]" in shown.replace("\r", "").replace("\n", "")
    settings = Settings.load(tmp_path / "asked")
    assert settings.sources.events.columns["user_id"] == ("amplitude_id",)
    assert (settings.timezone, settings.sources.users.id_type) == ("Europe/Berlin", "integer")
    assert settings.sources.events.timezone == "UTC"
    initialised(tmp_path / "piped", dump)
    answered(tmp_path / "entered", dump, "\n\n\n\n")
    assert (tmp_path / "entered" / "churn.toml").read_text() == (tmp_path / "piped" / "churn.toml").read_text()


def test_the_example_in_the_documentation_is_what_is_written(tmp_path: Path) -> None:
    page = (Path(__file__).parents[1] / "docs" / "init.md").read_text("utf-8")
    (example,) = re.findall(r"^```toml\n(.*?)^```", page, re.M | re.S)
    _, text = initialised(tmp_path / "data", TOOLS["Mixpanel"](tmp_path))
    lines = {line for line in text.splitlines() if not line.startswith("product = ")}
    assert [line for line in example.splitlines() if line not in lines and not line.startswith("product = ")] == []
