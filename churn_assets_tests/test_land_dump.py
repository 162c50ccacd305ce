"""`land`: two flat files become landing days over one continuous calendar; no record is changed and none is lost."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from churn_assets.errors import ChurnError
from churn_assets.landing import incoming as incoming_module
from churn_assets.landing import read_file
from churn_assets.landing.dump import LandedDump, land_dump
from churn_assets.settings import Settings
from churn_assets.settings_file import write_calendar
from e_learning import PRODUCT
from sizes import examples

USERS = "user_id,signup_date,plan\n1,2025-11-30,free\n2,2026-01-02,paid\n"
EVENTS = (
    "event_id,user_id,event_time,event_type\n"
    "1,1,2026-01-03T10:00:00,login\n"
    "2,2,2026-01-02T23:59:59,login\n"
    "3,1,2026-01-05T00:00:00,login\n"
)
Land = Callable[..., LandedDump]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def land(tmp_path: Path, data: Path) -> Land:
    """Lands texts or bytes, with the settings of the data folder as they are by then."""

    def run(
        users: str | bytes = USERS, events: str | bytes = EVENTS, *, suffix: str = "csv", **options: object
    ) -> LandedDump:
        paths = []
        for name, content in (("users", users), ("events", events)):
            paths.append(tmp_path / f"dump_{name}.{suffix}")
            paths[-1].write_bytes(content.encode() if isinstance(content, str) else content)
        return land_dump(*paths, Settings.load(data), **options)  # type: ignore[arg-type]

    return run


def configure(data: Path, text: str) -> None:
    data.mkdir(exist_ok=True)
    (data / "churn.toml").write_text(text)


def files(data: Path) -> dict[str, str]:
    landing = data / "landing"
    return {
        f"{p.parts[-3]} {p.parts[-2][-5:]}": p.read_bytes().decode()
        for p in sorted(landing.rglob("*.*"))
        if p.is_file()
    }


def test_each_day_of_the_calendar_gets_both_files_empty_ones_included(land: Land, data: Path) -> None:
    landed = land()
    assert (landed.start, landed.end, landed.days) == (date(2026, 1, 2), date(2026, 1, 5), 4)
    assert (landed.user_rows, landed.event_rows, landed.unchanged) == (2, 3, False)
    head, user_head = "event_id,user_id,event_time,event_type\n", "user_id,signup_date,plan\n"
    assert files(data) == {
        "events 01-02": head + "2,2,2026-01-02T23:59:59,login\n",
        "events 01-03": head + "1,1,2026-01-03T10:00:00,login\n",
        "events 01-04": head,
        "events 01-05": head + "3,1,2026-01-05T00:00:00,login\n",
        "users 01-02": user_head + "1,2025-11-30,free\n2,2026-01-02,paid\n",
        "users 01-03": user_head,
        "users 01-04": user_head,
        "users 01-05": user_head,
    }
    assert landed.moved_user_rows == 1


def test_a_given_calendar_moves_what_lies_outside_to_its_nearest_day(land: Land, data: Path) -> None:
    landed = land(start=date(2026, 1, 3), end=date(2026, 1, 4))
    assert (landed.days, landed.moved_user_rows, landed.moved_event_rows) == (2, 2, 2)
    assert files(data)["events 01-03"].splitlines()[1:] == [
        "1,1,2026-01-03T10:00:00,login",
        "2,2,2026-01-02T23:59:59,login",
    ]
    assert files(data)["events 01-04"].splitlines()[1:] == ["3,1,2026-01-05T00:00:00,login"]
    assert len(files(data)["users 01-03"].splitlines()) == 1 + 2


def test_the_calendar_of_the_settings_holds_unless_another_is_given(land: Land, data: Path) -> None:
    configure(data, "start_date = 2026-01-01\nend_date = 2026-01-06\n")
    assert land().days == 6
    assert land(end=date(2026, 1, 3), replace=True).days == 3


@pytest.mark.parametrize(
    "row",
    [
        "9,1,,login",
        "9,1,yesterday,login",
        "9,1,2026-02-30T10:00:00,login",
        "9,1",
        "9,1,2026-01-04,login,too,many",
        "9,1,1767500000,login",
    ],
)
def test_a_row_without_a_usable_date_or_malformed_lands_on_the_first_day_as_it_is(
    land: Land, data: Path, row: str
) -> None:
    landed = land(events=EVENTS + row + "\n")
    assert landed.undated_rows == 1
    assert files(data)["events 01-02"].endswith(f"login\n{row}\n")


def test_values_stay_text_for_text_with_columns_order_and_quoting(land: Land, data: Path) -> None:
    head = '\ufeffclicks,"event_time",event_id, User_ID ,event_type\r\n'
    quoted = '"1,0",2026-01-02, 007 ,"a ""b""\r\n\nc",x\r\n'
    land(events=head + quoted + ",2026-01-03,,1.50,y")
    assert files(data)["events 01-02"] == head + quoted
    assert files(data)["events 01-03"] == head + ",2026-01-03,,1.50,y\r\n"


@pytest.mark.parametrize(
    ("declared", "value", "day"),
    [
        ('timestamp_format = "epoch_s"', "1767484800", "01-04"),
        ('timestamp_format = "epoch_ms"', "1767484800000", "01-04"),
        ('timestamp_format = "%d/%m/%Y %H:%M"', "04/01/2026 10:00", "01-04"),
        ("", "2026-01-04T01:30:00+02:00", "01-03"),
        ("", "2026-01-03T23:30:00Z", "01-03"),
        ('timezone = "America/New_York"', "2026-01-03T20:00:00", "01-04"),
        ("", " 2026-01-04 ", "01-04"),
    ],
)
def test_the_day_is_found_by_the_declared_format_and_zones(
    land: Land, data: Path, declared: str, value: str, day: str
) -> None:
    configure(data, f"start_date = 2026-01-01\nend_date = 2026-01-06\n[sources.events]\n{declared}\n")
    land(events=f"event_id,user_id,event_time,event_type\n1,1,{value},login\n")
    assert value in files(data)[f"events {day}"]


def test_an_event_lands_on_its_business_day(land: Land, data: Path) -> None:
    configure(data, 'timezone = "Asia/Tokyo"\n[sources.events]\ntimezone = "UTC"\n')
    land()
    assert "2,2,2026-01-02T23:59:59" in files(data)["events 01-03"]


def test_aliases_and_delimiter_of_the_settings_are_respected(land: Land, data: Path) -> None:
    configure(
        data,
        '[sources.users]\ndelimiter = ";"\n[sources.users.columns]\nsignup_date = "joined"\n'
        '[sources.events.columns]\nevent_time = ["ts"]\n',
    )
    land(users=USERS.replace(",", ";").replace("signup_date", "Joined"), events=EVENTS.replace("event_time", "ts"))
    assert files(data)["users 01-02"].startswith("user_id;Joined;plan\n1;2025-11-30;free\n")
    assert files(data)["events 01-02"].startswith("event_id,user_id,ts,event_type\n2,")


def test_attributes_that_nothing_dates_are_named_until_the_settings_say_when_they_were_known(
    land: Land, data: Path
) -> None:
    assert land().undated_attributes == ("plan",)
    configure(data, "[sources.users]\nattributes_as_of = 2026-01-05\n")
    assert land(replace=True).undated_attributes == ()


@pytest.mark.parametrize(
    ("more", "users"),
    [
        ("", 0),
        ("1,2025-11-30,free\n", 0),  # a copy
        ("1,2025-11-30,paid\n", 1),
        ("1,2025-11-30,paid\n1,2025-11-30,pro\n2,2026-01-02,free\n", 2),
        ("1,2026-01-01,paid\n", 0),  # of another day: a version
    ],
)
def test_users_with_several_rows_that_differ_are_counted(land: Land, data: Path, more: str, users: int) -> None:
    assert land(USERS + more).users_of_several_rows == users
    configure(data, '[sources.users]\nvalid_from = "since"\n')
    dated = "".join(
        f"{line},{'2026-01-02' if number else 'since'}\n" for number, line in enumerate((USERS + more).splitlines())
    )
    assert land(dated, replace=True).users_of_several_rows == 0, "dated versions are a history"


def test_the_encoding_of_the_dump_is_kept(land: Land, data: Path) -> None:
    configure(data, '[sources.users]\nencoding = "utf-16"\n[sources.events]\nencoding = "latin-1"\n')
    land(
        users=USERS.replace("free", "fr\u00e9e").encode("utf-16"),
        events=EVENTS.replace("login", "caf\u00e9").encode("latin-1"),
    )
    path = data / "landing/users/date=2026-01-02/users.csv"
    assert path.read_bytes().decode("utf-16").splitlines()[1] == "1,2025-11-30,fr\u00e9e"
    assert b"caf\xe9\n" in (data / "landing/events/date=2026-01-03/events.csv").read_bytes()


def test_gzip_is_read_and_lands_uncompressed(land: Land, data: Path) -> None:
    land(gzip.compress(USERS.encode()), gzip.compress(EVENTS.encode()), suffix="csv.gz")
    assert (data / "landing/events/date=2026-01-04/events.csv").read_text() == EVENTS.splitlines()[0] + "\n"


def test_json_lines_stay_as_they_are_and_an_empty_day_is_one_blank_line(land: Land, data: Path) -> None:
    events = [
        '{"event_id": 1,  "user_id": 1.0, "event_time": "2026-01-04T10", "event_type": "login", "x": [1, {"y": null}]}',
        "not json",
        '{"event_type":"login","event_id":2,"user_id":1,"event_time":"2026-01-02"}',
    ]
    users = '{"user_id": 1, "signup_date": "2026-01-01"}'
    land(users, "\n\n".join(events), suffix="jsonl")
    assert files(data)["events 01-02"] == events[1] + "\n" + events[2] + "\n"
    assert files(data)["events 01-03"] == "\n"
    assert files(data)["events 01-04"] == events[0] + "\n"
    empty = data / "landing/events/date=2026-01-03/events.jsonl"
    table = read_file(
        empty, source="events", product=PRODUCT, settings=Settings().sources.events, landing_dir=data / "landing"
    ).table
    assert table.num_rows == 0


@pytest.mark.parametrize("end", ["\r", "\r\n", ""])
def test_the_last_json_line_gains_no_carriage_return(land: Land, data: Path, end: str) -> None:
    good = '{"event_id": 1, "user_id": 1, "event_time": "2026-01-02", "event_type": "login"}\r\n'
    land('{"user_id": 1, "signup_date": "2026-01-01"}', good + "not json" + end, suffix="jsonl")
    assert files(data)["events 01-02"] == good + "not json\r\n"


@pytest.mark.parametrize(
    "line", ["not json", "{}", '{"event_id": 3, "event_type": "login"}', '{"event_time": "2026-01-03", "user_id": 1}']
)
def test_a_json_line_that_binds_no_file_of_its_own_lands_where_another_does(land: Land, data: Path, line: str) -> None:
    """Alone on the calendar's first day, or on the 3rd, its file would lack required keys and be refused whole."""
    configure(data, "start_date = 2026-01-01\nend_date = 2026-01-04\n")
    good = '{"event_id": 1, "user_id": 1, "event_time": "2026-01-02", "event_type": "login"}'
    last = good.replace("01-02", "01-04")
    land('{"user_id": 1, "signup_date": "2026-01-01"}', "\n".join([line, good, last]), suffix="jsonl")
    found = files(data)
    at = "events 01-04" if "01-03" in line else "events 01-02"
    assert found[at] == f"{line}\n" + (last if at.endswith("04") else good) + "\n"
    for name, text in found.items():
        source, day = name.split()
        path = data / "landing" / source / f"date=2026-{day}" / f"{source}.jsonl"
        settings = Settings().source(source)  # type: ignore[arg-type]
        read = read_file(path, source=source, product=PRODUCT, settings=settings, landing_dir=data / "landing")  # type: ignore[arg-type]
        assert read.table.num_rows == len(text.split("\n")) - 1 - (text == "\n")


def test_parquet_keeps_its_types(tmp_path: Path, data: Path) -> None:
    users = pa.table(
        {"user_id": [1, 2], "signup_date": [date(2026, 1, 1), None], "plan": pa.array(["a", "b"]).dictionary_encode()}
    )
    times = pa.array([datetime(2026, 1, 3, 9), datetime(2026, 1, 1, 9)], pa.timestamp("ns", "UTC"))
    events = pa.table({"event_id": [1, 2], "user_id": [1, 1], "event_time": times, "event_type": ["login", "login"]})
    for name, table in (("users", users), ("events", events)):
        pq.write_table(table, tmp_path / f"{name}.parquet")
    assert land_dump(tmp_path / "users.parquet", tmp_path / "events.parquet", Settings.load(data)).days == 3
    landing = data / "landing"
    assert pq.ParquetFile(landing / "events/date=2026-01-03/events.parquet").read().equals(events.slice(0, 1))
    assert pq.ParquetFile(landing / "events/date=2026-01-02/events.parquet").read().equals(events.slice(0, 0))
    assert pq.ParquetFile(landing / "users/date=2026-01-01/users.parquet").read().equals(users)
    assert land_dump(tmp_path / "users.parquet", tmp_path / "events.parquet", Settings.load(data)).unchanged


def test_landing_the_same_dump_again_changes_nothing(land: Land, data: Path) -> None:
    land()
    before = {p: p.stat().st_mtime_ns for p in data.rglob("*") if p.is_file() and p.name != ".landing.lock"}
    assert land().unchanged
    assert {p: p.stat().st_mtime_ns for p in before} == before
    assert not list(data.glob(".landing-incoming*"))


@pytest.mark.parametrize(
    "other",
    [
        EVENTS.replace("login", "video"),
        EVENTS.replace("2026-01-05", "2026-01-06"),
        EVENTS.replace("2026-01-05", "2026-01-04"),
    ],
    ids=["other values", "longer", "shorter"],
)
def test_another_dump_is_refused_without_replace(land: Land, data: Path, other: str) -> None:
    land()
    before = files(data)
    (data / "churn.toml").unlink()
    with pytest.raises(ChurnError, match=r"already holds .* --replace"):
        land(events=other)
    assert files(data) == before
    assert not (data / "churn.toml").exists()
    land(events=other, replace=True)
    (data / "expected").mkdir()
    replaced, fresh = files(data), Settings(data_dir=data / "expected")
    land_dump(data.parent / "dump_users.csv", data.parent / "dump_events.csv", fresh)
    assert replaced == files(data / "expected")


def test_a_stopped_import_leaves_days_missing_and_is_completed_by_running_it_again(
    land: Land, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moves, move = [], incoming_module._move

    def stop_after_three(staged: Path, place: Path) -> None:
        moves.append(place)
        if len(moves) > 3:
            raise KeyboardInterrupt
        move(staged, place)

    monkeypatch.setattr(incoming_module, "_move", stop_after_three)
    with pytest.raises(KeyboardInterrupt):
        land()
    assert len(files(data)) == 3
    assert not (data / "churn.toml").exists()
    monkeypatch.undo()
    assert not land().unchanged
    assert len(files(data)) == 2 * 4
    assert land().unchanged


def test_the_remains_of_a_killed_import_are_removed(land: Land, data: Path) -> None:
    stale = data / ".landing-incoming-landing/events/date=1999-01-01"
    stale.mkdir(parents=True)
    (stale / "events.csv").write_text("half")
    land()
    assert not list(data.glob(".landing-incoming*"))
    assert not (data / "landing/events/date=1999-01-01").exists()


def test_two_imports_at_once_are_refused(land: Land, data: Path) -> None:
    with incoming_module.incoming(data / "landing"), pytest.raises(ChurnError, match="Another import"):
        land()


def test_a_full_disk_is_one_sentence_and_leaves_no_landing(
    land: Land, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        if ".landing-incoming" in str(path):
            raise OSError(28, "No space left on device")
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ChurnError, match=r"cannot be written \(No space left on device\)"):
        land()
    assert not (data / "landing").exists()
    assert not list(data.glob(".landing-incoming*"))


def test_more_than_ten_years_must_be_asked_for(land: Land, data: Path) -> None:
    one_bad_year = EVENTS + "4,1,2926-01-05T00:00:00,login\n"
    with pytest.raises(ChurnError, match=r"past ten years.*--start and --end"):
        land(events=one_bad_year)
    with pytest.raises(ChurnError, match="past ten years"):
        land(events=one_bad_year, start=date(2026, 1, 1))
    assert not (data / "landing").exists()
    land(events=one_bad_year, start=date(2026, 1, 1), end=date(2026, 1, 6))
    assert "4,1,2926-01-05" in files(data)["events 01-06"]


@pytest.mark.long
def test_ten_years_are_not_too_many(land: Land) -> None:
    assert land(events=EVENTS + "4,1,2036-01-01,login\n").days == 3652
    assert land(start=date(2010, 1, 1), end=date(2026, 1, 6), replace=True).days > 3653


@pytest.mark.parametrize(
    ("events", "says"),
    [
        (b"", "is empty"),
        (b"event_id,user_id,event_type\n1,1,login\n", "lacks required event_time"),
        (b"event_id;user_id;event_time;event_type\n1;1;2026-01-02;login\n", "delimiter"),
        (b'event_id,user_id,event_time,event_type\n1,1,2026-01-02,"secret\n', "never closed"),
        (b"event_id,user_id,event_time,event_type\n1,1,2026-01-02,secr\xe9t\n", "not valid UTF-8"),
        (b"event_id,user_id,event_time,event_type\n", "no event with a usable date"),
        (b"event_id,user_id,event_time,event_type\n1,1,secret,login\n", "no event with a usable date"),
    ],
)
def test_an_unreadable_dump_is_refused_in_one_sentence_without_values(
    land: Land, data: Path, events: bytes, says: str
) -> None:
    with pytest.raises(ChurnError, match=says) as refusal:
        land(events=events)
    assert "secr" not in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert not (data / "landing").exists()


def test_files_in_swapped_order_and_missing_or_odd_files_are_refused(land: Land, tmp_path: Path) -> None:
    with pytest.raises(ChurnError, match="lacks required"):
        land(users=EVENTS, events=USERS)
    with pytest.raises(ChurnError, match="cannot be read"):
        land_dump(tmp_path / "absent.csv", tmp_path / "absent.csv", Settings())
    with pytest.raises(ChurnError, match="no known format"):
        land(suffix="txt")
    with pytest.raises(ChurnError, match="before it starts"):
        land(start=date(2026, 1, 6))


def test_days_are_reported_in_order(land: Land) -> None:
    seen: list[date] = []
    land(on_day=seen.append)
    assert seen == [date(2026, 1, day) for day in (2, 3, 4, 5)]


# --- every record exactly once, byte for byte -------------------------------------------------------------------------

HEAD = "event_id,user_id,event_time,event_type,note\n"
PLAIN = st.text(alphabet="abc 1;'\t\u00e9\u4e2d", max_size=6)
QUOTED = st.text(alphabet='ab,"\n\r\u00e9', max_size=6).map(lambda text: '"' + text.replace('"', '""') + '"')
TIMES = st.sampled_from(
    [
        "2026-01-01",
        "2026-01-02T10:00:00",
        "2026-01-03T23:59:59.999999",
        "2026-01-02T00:30:00+01:00",
        '"2026-01-03"',
        "",
        "x",
        "2026-02-30",
    ]
)
RECORDS = st.lists(
    st.tuples(
        PLAIN.map(lambda t: "7" + t),
        PLAIN | QUOTED,
        TIMES,
        PLAIN | QUOTED,
        PLAIN | QUOTED,
        st.sampled_from([0, 0, 0, 1, -1]),
    ),
    max_size=12,
)
DAY_OF = {
    **{"2026-01-01": "2026-01-01", "2026-01-02T10:00:00": "2026-01-02", "2026-01-03T23:59:59.999999": "2026-01-03"},
    **{"2026-01-02T00:30:00+01:00": "2026-01-01", '"2026-01-03"': "2026-01-03"},
}


@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    records=RECORDS,
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    last_line_end=st.booleans(),
    blank_lines=st.booleans(),
)
def test_every_record_is_found_once_on_its_day_byte_for_byte_and_in_order(
    tmp_path_factory: pytest.TempPathFactory,
    records: list[tuple[str, str, str, str, str, int]],
    line_end: str,
    last_line_end: bool,
    blank_lines: bool,
) -> None:
    expected: dict[str, list[str]] = {f"2026-01-0{day}": [] for day in (1, 2, 3)}
    lines = []
    for *fields, surplus in records:
        kept = fields[:-1] if surplus < 0 else [*fields, "more"] if surplus > 0 else fields
        lines.append(",".join(kept))
        is_whole = len(kept) == HEAD.count(",") + 1
        expected[DAY_OF.get(fields[2], "2026-01-01") if is_whole else "2026-01-01"].append(lines[-1] + line_end)
    head = HEAD.replace("\n", line_end)
    text = head + (line_end * (1 + blank_lines)).join([*lines, ""])
    folder = tmp_path_factory.mktemp("dump")
    (folder / "users.csv").write_text(USERS)
    (folder / "events.csv").write_bytes((text if last_line_end or not lines else text.removesuffix(line_end)).encode())
    land_dump(
        folder / "users.csv",
        folder / "events.csv",
        Settings(data_dir=folder),
        start=date(2026, 1, 1),
        end=date(2026, 1, 3),
    )
    for day, day_records in expected.items():
        landed = (folder / f"landing/events/date={day}/events.csv").read_bytes().decode()
        assert landed == head + "".join(day_records)


# --- churn.toml -------------------------------------------------------------------------------------------------------

START, END = date(2026, 1, 1), date(2026, 4, 30)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "start_date = 2026-01-01\nend_date = 2026-04-30\n"),
        (
            '# ours\n\ntimezone = "UTC"  # the zone\n# users\n[sources.users]\nid_type = "string"\n',
            "# ours\nstart_date = 2026-01-01\nend_date = 2026-04-30\n\n"
            'timezone = "UTC"  # the zone\n# users\n[sources.users]\nid_type = "string"\n',
        ),
        (
            '# users\n[sources.users]\nid_type = "string"',
            'start_date = 2026-01-01\nend_date = 2026-04-30\n\n# users\n[sources.users]\nid_type = "string"',
        ),
        ("start_date = 2025-12-01 # mine", "start_date = 2025-12-01 # mine\nend_date = 2026-04-30\n"),
        ("a = 1\r\nend_date = 2026-05-01\r\n", "a = 1\r\nstart_date = 2026-01-01\r\nend_date = 2026-05-01\r\n"),
        ("end_date = 2026-05-01\nstart_date = 2026-02-01\n", "end_date = 2026-05-01\nstart_date = 2026-02-01\n"),
        ("# start_date = 2020-01-01\n", "# start_date = 2020-01-01\nstart_date = 2026-01-01\nend_date = 2026-04-30\n"),
    ],
)
def test_the_calendar_is_written_where_it_is_not_set_and_all_else_is_kept(
    tmp_path: Path, before: str, after: str
) -> None:
    path = tmp_path / "churn.toml"
    path.write_bytes(before.encode())
    write_calendar(path, START, END)
    assert path.read_bytes().decode() == after
    write_calendar(path, START + timedelta(days=9), END)
    assert path.read_bytes().decode() == after


def test_settings_read_the_calendar_a_landing_wrote(land: Land, data: Path) -> None:
    configure(data, "# ours\nlateness_days = 2 # days\n\n# users\n[sources.users]\nid_type = 'integer'\n")
    land()
    read = Settings.load(data)
    assert (read.start_date, read.end_date, read.lateness_days) == (date(2026, 1, 2), date(2026, 1, 5), 2)
    assert all(comment in (data / "churn.toml").read_text() for comment in ("# ours", "# days", "# users"))


def test_a_broken_settings_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "churn.toml").write_text("a = = 1")
    with pytest.raises(ChurnError, match="not valid TOML"):
        write_calendar(tmp_path / "churn.toml", START, END)


# --- real dumps -------------------------------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.parametrize(("name", "days", "rows"), [("churn_mlops", 120, 480_536), ("oulad", 1153, 1_082_104)])
def test_the_reference_dumps_land_whole(data: Path, name: str, days: int, rows: int) -> None:
    folder = Path(__file__).parents[2] / "shared/reference" / name
    if not folder.exists():
        pytest.skip(f"the reference data are not at {folder}")
    landed = land_dump(folder / "users.csv.gz", folder / "events.csv.gz", Settings(data_dir=data))
    assert (landed.days, landed.event_rows) == (days, rows)
    with gzip.open(folder / "events.csv.gz", "rb") as source:
        head, *records = source.read().splitlines(keepends=True)
    stored = [path.read_bytes().splitlines(keepends=True) for path in (data / "landing/events").rglob("*.csv")]
    assert all(lines[0] == head for lines in stored)
    assert sorted(line for lines in stored for line in lines[1:]) == sorted(records)
