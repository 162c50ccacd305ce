"""The service as a process of its own: what it answers, what it refuses, and what it says of itself."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from starlette.exceptions import HTTPException

from churn_assets.assets.online_step import publish_online
from churn_assets.online.store import open_store
from churn_assets.service.answers import Answers
from churn_assets.service.app import _Ids
from churn_assets.service.limits import Bucket
from online_worlds import known_users, served_world, serving
from worlds import BIN, DAYS, churn, day, deliver, deployment_of, environment, query, run_plainly

TOKEN = "a token of the tests"
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}
SETTINGS = "batch_users = 50\nrequests_per_second = 100000\n"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def refusal(self) -> tuple[int, str]:
        assert {*self.json} == {"error"}
        return self.status, self.json["error"]


@dataclass(frozen=True)
class Service:
    port: int

    def ask(
        self, path: str, body: Any = None, method: str | None = None, headers: Mapping[str, str] = AUTHORIZED
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        more = {"Content-Type": "application/json"} if data is not None else {}
        connection.request(method or ("GET" if body is None else "POST"), path, data, {**more, **headers})
        answer = connection.getresponse()
        try:
            return Answer(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()


@contextmanager
def running(data: Path, *arguments: str, **variables: str) -> Iterator[Service]:
    command = [str(BIN / "churn-assets"), "--data", str(data), "serve", "--port", "0", *arguments]
    with subprocess.Popen(
        command, env=environment(**{"CHURN_SERVE_TOKEN": TOKEN, **variables}), stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.search(r"on http://127\.0\.0\.1:(\d+), with", line)
            assert found, line
            yield Service(int(found.group(1)))
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=30)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, computed_template: Path) -> Path:
    data = Path(shutil.copytree(computed_template, tmp_path_factory.mktemp("served") / "data"))
    serving(data, more=SETTINGS)
    run_plainly(data)
    publish_online(deployment_of(data))
    return data


@pytest.fixture(scope="module")
def service(template: Path) -> Iterator[Service]:
    with running(template) as started:
        yield started


def stored(data: Path, table: str, user: int, columns: str) -> tuple[Any, ...]:
    (row,) = query(
        data, f"SELECT {columns} FROM churn.{table} WHERE user_id = {user} AND as_of_date = DATE '{day(DAYS)}'"
    )
    return row


# -- what it answers ---------------------------------------------------------------------------------------------------


def test_features_of_a_user_are_those_of_the_newest_day_with_their_age(service: Service, template: Path) -> None:
    answer = service.ask("/features/1")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    found = answer.json
    assert {*found} == {"user_id", "as_of_date", "age_days", "is_stale", "features"}
    assert (found["user_id"], found["as_of_date"], found["is_stale"]) == (1, day(DAYS).isoformat(), True)
    assert found["age_days"] == (datetime.now(tz=timezone.utc).date() - day(DAYS)).days
    names = list(found["features"])
    assert names == [
        name
        for name in deployment_of(template).contracts["user_features"].column_names
        if name not in ("user_id", "as_of_date")
    ]
    assert tuple(found["features"].values()) == stored(template, "user_features", 1, ", ".join(names))


def test_scores_of_a_user_are_those_of_the_day_and_none_for_who_is_not_at_risk(
    service: Service, template: Path
) -> None:
    users = known_users(template)
    at_risk = {
        user
        for (user,) in query(template, f"SELECT user_id FROM churn.churn_scores WHERE as_of_date = DATE '{day(DAYS)}'")
    }
    assert 0 < len(at_risk) < len(users)
    for user in (min(at_risk), min({*users} - at_risk)):
        found = service.ask(f"/scores/{user}").json
        assert found["is_at_risk"] == (user in at_risk)
        columns = ("rank", "score", "probability", "silent_days", "model_version", "features_hash")
        wanted = (
            stored(template, "churn_scores", user, ", ".join(columns)) if user in at_risk else (None,) * len(columns)
        )
        assert tuple(found[name] for name in columns) == wanted
        assert found["reasons"] == []


@pytest.mark.parametrize("path", ["/features", "/scores"])
def test_many_users_are_answered_as_each_alone_and_the_unknown_named(service: Service, path: str) -> None:
    found = service.ask(path, {"user_ids": [3, 10**9, 1, 3]}).json
    assert found == {"users": [service.ask(f"{path}/{user}").json for user in (3, 1, 3)], "unknown": [10**9]}
    assert service.ask(path, {"user_ids": []}).json == {"users": [], "unknown": []}


def test_now_has_what_arrived_since(template: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(template, tmp_path / "data"))
    last = query(data, "SELECT max(event_id) FROM churn.clean_events")[0][0]
    deliver(data, "users", day(DAYS + 1), "user_id,signup_date,plan,is_paid,country,marketing_source\n")
    events = f"event_id,user_id,event_time,event_type\n{last + 1},1,{day(DAYS + 1)}T10:00:00,login\n"
    deliver(data, "events", day(DAYS + 1), events)
    serving(data, more=SETTINGS)
    text = (data / "churn.toml").read_text()
    (data / "churn.toml").write_text(text.replace(f"end_date = {day(DAYS)}", f"end_date = {day(DAYS + 1)}"))
    with running(data) as service:
        found = service.ask("/features/1?now=true").json
        assert found["settled_until"] == day(DAYS).isoformat()
        assert found["arrived_until"] == found["as_of_date"] == day(DAYS + 1).isoformat()
        assert found["features"]["days_since_last_activity"] == 0
        many = service.ask("/features?now=true", {"user_ids": [1, 10**9]}).json
        assert many == {"users": [found], "unknown": [10**9]}
        run_plainly(data)
        (logins,) = query(
            data,
            f"SELECT total_logins_7d FROM churn.user_features WHERE user_id = 1 AND as_of_date = DATE '{day(DAYS + 1)}'",
        )
        assert (found["features"]["total_logins_7d"],) == logins


# -- what it refuses ---------------------------------------------------------------------------------------------------

NO_ID = "user_id is no whole number from 1 up."
REFUSALS: Mapping[str, tuple[str, Any, int, str]] = {
    "unknown user": ("/features/1000000000", None, 404, "The store does not know this user."),
    "unknown user's score": ("/scores/1000000000", None, 404, "The store does not know this user."),
    "no id": ("/features/abc", None, 422, NO_ID),
    "no positive id": ("/features/0", None, 422, NO_ID),
    "too large an id": ("/features/9223372036854775808", None, 422, NO_ID),
    "far too large an id": ("/features/" + "9" * 5000, None, 422, NO_ID),
    "digits of another script": ("/features/%D9%A1", None, 422, NO_ID),
    "nothing there": ("/nothing", None, 404, "Nothing is answered here; /openapi.json says what is."),
    "no JSON": ("/features", b"{", 422, "The request is not as it should be, at body: JSON decode error."),
    "no list": ("/features", {"user_ids": 1}, 422, "at body.user_ids: Input should be a valid list."),
    "a text": ("/features", {"user_ids": ["1"]}, 422, "at body.user_ids: Input should be a valid integer."),
    "a truth value": ("/features", {"user_ids": [True]}, 422, "at body.user_ids: Input should be a valid integer."),
    "a negative id": ("/scores", {"user_ids": [-1]}, 422, NO_ID),
    "more than asked for": ("/features", {"user_ids": [1], "x": 1}, 422, "Extra inputs are not permitted."),
    "too many users": (
        "/features",
        {"user_ids": [1] * 51},
        413,
        "A request names at most 50 users (serving.batch_users).",
    ),
    "too long a request": (
        "/features",
        b" " * 20_000,
        413,
        "The request is longer than 16,000 bytes; ask for fewer users.",
    ),
    "JSON that is too deep": ("/features", b"[" * 10_000, 422, "at body: it cannot be read as JSON."),
    "a number without an end": ("/features", b'{"user_ids": [' + b"9" * 6000 + b"]}", 422, "at body"),
    "no truth value": ("/features/1?now=perhaps", None, 422, "at query.now: Input should be a valid boolean"),
}


@pytest.mark.parametrize("what", REFUSALS)
def test_a_request_that_is_not_as_it_should_be_is_refused_in_a_sentence(service: Service, what: str) -> None:
    path, body, status, sentence = REFUSALS[what]
    found, said = service.ask(path, body).refusal
    assert found == status
    assert sentence in said and "\n" not in said


def test_a_request_that_does_not_say_it_is_json_is_refused_with_what_to_send(service: Service) -> None:
    answer = service.ask("/features", {"user_ids": [1]}, headers={**AUTHORIZED, "Content-Type": "text/plain"})
    assert answer.refusal == (422, "The request is not as it should be: send it with 'Content-Type: application/json'.")


def test_ids_that_are_texts_may_be_any_text_that_utf_8_can_write() -> None:
    ids = _Ids("string", most=10)
    for text in ("a/b", "..", "\u00e9\U0001f600", "a b", "1"):
        assert ids.read(text) == text
    with pytest.raises(HTTPException) as refused:
        ids.checked(["a", "\ud800"])
    assert (refused.value.status_code, refused.value.detail) == (422, "A user_id is no text.")


def test_a_length_that_is_not_announced_is_limited_too(service: Service) -> None:
    chunks = b"1388\r\n" + b" " * 5000 + b"\r\n"
    head = f"POST /features HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as connection:
        connection.sendall(head.encode() + chunks * 4)
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "given", [{}, {"Authorization": TOKEN}, {"Authorization": "Bearer another"}, {"Authorization": "Bearer \xff"}]
)
def test_without_the_token_nothing_but_health_is_answered(service: Service, given: Mapping[str, str]) -> None:
    for path in ("/features/1", "/scores/1", "/metrics", "/openapi.json", "/nothing"):
        answer = service.ask(path, headers=given)
        assert answer.refusal == (401, "The request has no valid token; send it as 'Authorization: Bearer ...'.")
        assert answer.headers["www-authenticate"] == "Bearer"
    assert service.ask("/healthz", headers=given).json == {"status": "ok"}
    assert service.ask("/readyz", headers=given).status == 200


def test_who_asks_too_often_is_turned_away_and_served_again_later() -> None:
    now = 0.0
    bucket = Bucket(2, clock=lambda: now)
    assert [bucket.takes() for _ in range(3)] == [True, True, False]
    now = 0.5
    assert [bucket.takes() for _ in range(2)] == [True, False]
    now = 1000
    assert [bucket.takes() for _ in range(3)] == [True, True, False], "what was not used is not saved up"


def test_too_many_requests_are_one_sentence(template: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(template, tmp_path / "data"))
    serving(data, more="requests_per_second = 1\n")
    with running(data) as service:
        answers = [service.ask("/features/1") for _ in range(5)]
        refused = [answer for answer in answers if answer.status == 429]
        assert len(refused) >= 2
        assert refused[0].refusal == (429, "More requests than serving.requests_per_second; try again in a second.")
        assert refused[0].headers["retry-after"] == "1"
        assert service.ask("/healthz").status == 200


def test_it_listens_to_others_with_a_token_alone_and_needs_a_store(computed: Path) -> None:
    for host in ("0.0.0.0", "::", "somewhere.example"):
        done = churn(computed, "serve", "--host", host, CHURN_SERVE_TOKEN=" ")
        assert (done.returncode, done.stdout) == (1, "")
        assert (
            done.stderr
            == "Error: CHURN_SERVE_TOKEN is not set, so anybody could ask; set it, or listen on 127.0.0.1.\n"
        )
    assert 'set [serving] store = "sqlite"' in churn(computed, "serve").stderr


# -- what it says of itself --------------------------------------------------------------------------------------------


def test_readiness_says_what_is_wrong(computed: Path) -> None:
    data = served_world(computed)
    with running(data) as service:
        assert service.ask("/healthz").json == {"status": "ok"}
        empty = (503, "The online store is empty; run 'churn-assets backfill'.")
        for path in ("/readyz", "/features/1", "/scores/1"):
            assert service.ask(path).refusal == empty
        publish_online(deployment_of(data))
        ready = service.ask("/readyz").json
        assert {*ready} == {"status", "as_of_date", "age_days", "is_stale", "users", "scored_by"}
        assert (ready["as_of_date"], ready["is_stale"], ready["scored_by"]) == (day(DAYS).isoformat(), True, "recency")
        (data / "online.sqlite").write_bytes(b"nothing of a database" * 50)
        status, sentence = service.ask("/features/1").refusal
        assert status == 503 and "cannot be used as an online store" in sentence


def test_answers_are_as_openapi_says(service: Service) -> None:
    api = service.ask("/openapi.json").json
    assert {*api["paths"]} == {
        "/features/{user_id}",
        "/features",
        "/scores/{user_id}",
        "/scores",
        "/healthz",
        "/readyz",
        "/metrics",
    }
    schemas = api["components"]["schemas"]
    features = service.ask("/features/1").json
    assert [*schemas["Features"]["properties"]] == [*features]
    values = schemas["FeatureValues"]["properties"]
    assert [*values] == [*features["features"]]
    assert all(entry["description"] for entry in values.values())
    assert {*schemas["Score"]["properties"]} == {*service.ask("/scores/1").json}
    for path in api["paths"].values():
        for operation in path.values():
            assert operation["description"] or operation["summary"]


def test_it_counts_requests_by_route_and_never_by_user(template: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(template, tmp_path / "data"))
    with running(data) as service:
        for path in ("/features/1", "/features/2", "/features/10000000", "/scores/1", "/nothing"):
            service.ask(path)
        answer = service.ask(
            "/metrics", headers={**AUTHORIZED, "Accept": "application/openmetrics-text; version=1.0.0"}
        )
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.body.decode())
        for sample in family.samples
    }

    def requests(route: str, status: int) -> float | None:
        return samples.get(("churn_requests_total", ("route", route), ("status", str(status))))

    assert requests("/features/{user_id:path}", 200) == 2
    assert requests("/features/{user_id:path}", 404) == 1
    assert requests("none", 404) == 1
    assert samples["churn_served_users_total", ("known", "yes")] == 3
    assert samples["churn_noted_vectors_total",] == 2
    assert samples["churn_store_users",] == len(known_users(data))
    assert samples["churn_store_age_days",] > 0
    assert b"10000000" not in answer.body


def test_a_share_of_what_is_given_out_is_noted(template: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(template, tmp_path / "data"))
    shutil.rmtree(data / "served", ignore_errors=True)
    serving(data, more=SETTINGS)
    (data / "churn.toml").write_text((data / "churn.toml").read_text().replace("sample = 1.0", "sample = 0.25"))
    settings = deployment_of(data).settings
    answers = Answers(settings, open_store(settings))
    answers.random.seed(7)
    for _ in range(20):
        answers.features([*range(1, 41)])
    lines = (data / f"served/{day(DAYS)}.jsonl").read_text().splitlines()
    assert 150 < len(lines) < 250, "a quarter of 800"
    answers.scores([1])
    assert len((data / f"served/{day(DAYS)}.jsonl").read_text().splitlines()) == len(lines)


def test_an_answer_does_not_fail_with_its_note(template: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(template, tmp_path / "data"))
    shutil.rmtree(data / "served", ignore_errors=True)
    (data / "served").write_text("no folder")
    with running(data) as service:
        assert service.ask("/features/1").status == 200
        assert b"churn_not_noted_vectors_total 1.0" in service.ask("/metrics").body


def test_requests_beside_each_other_are_all_answered_while_a_new_day_is_published(
    template: Path, tmp_path: Path
) -> None:
    data = Path(shutil.copytree(template, tmp_path / "data"))
    users = known_users(data)
    with running(data) as service, ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(service.ask, f"/features/{user}") for user in (users * 10)[:300]]
        for _ in range(5):
            publish_online(deployment_of(data), replace=True)
        assert {one.result().status for one in asked} == {200}
