"""The application: routes, what they say of themselves in OpenAPI, and errors in one sentence."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, create_model
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from churn_assets import __version__
from churn_assets.assets.online_step import what_is_wrong
from churn_assets.assets.scoring_steps import SCORES
from churn_assets.assets.step import Deployment
from churn_assets.contracts import Column, Kind
from churn_assets.errors import ChurnError
from churn_assets.online.store import UserId, open_store
from churn_assets.service.answers import NOTHING_YET, Answers, Unavailable
from churn_assets.service.limits import BYTES_OF_A_REQUEST, BYTES_OF_A_USER, Guard
from churn_assets.service.metrics import Metrics
from churn_assets.service.now import FeaturesNow, Now
from churn_assets.training.write import FEATURES

TYPES: dict[Kind, Any] = {Kind.INTEGER: int, Kind.NUMBER: float, Kind.FLAG: bool}
MANY = 20
"""Users from which on a request is answered in a thread of its own, so that others need not wait for it."""
BAD_REQUEST = 400
OF_NO_ROUTE = {
    404: ("Not Found", "Nothing is answered here; /openapi.json says what is."),
    405: ("Method Not Allowed", "This path is asked in another way; /openapi.json says how."),
}
"""What the framework says, and what is said."""
LARGEST_ID = 2**63 - 1


class ServiceError(BaseModel):
    """Why there is no answer."""

    error: str = Field(description="One sentence: what is wrong, and what mends it")


class Health(BaseModel):
    status: Literal["ok"]


class Readiness(BaseModel):
    """What the store holds."""

    status: Literal["ok"]
    as_of_date: str
    age_days: int
    is_stale: bool
    users: int
    scored_by: str | None


def create_app(deployment: Deployment, *, token: str | None = None, answers: Answers | None = None) -> Any:
    """The ASGI application of a deployment. `token`: what requests must carry; None: nothing. Raises ChurnError without a store."""
    settings, metrics = deployment.settings, Metrics()
    answers = answers or Answers(settings, open_store(settings))
    answers.noted, answers.not_noted = metrics.noted.inc, metrics.not_noted.inc
    arrived = FeaturesNow(deployment, answers.today)
    api = FastAPI(
        title="churn_assets",
        version=__version__,
        description="Features and scores of single users as of the newest published day.",
        docs_url=None,  # They load scripts from the network.
        redoc_url=None,
    )
    _errors_in_a_sentence(api)
    ids = _Ids(settings.sources.users.id_type, settings.serving.batch_users)
    of_features, of_score = _models(deployment)
    asked = create_model("Users", __config__=ConfigDict(extra="forbid"), user_ids=(list[ids.type], ...))  # type: ignore[name-defined]
    refusals: dict[int | str, dict[str, Any]] = {
        status: {"model": ServiceError} for status in (401, 404, 413, 422, 429, 503)
    }

    async def answered(
        find: Callable[[Sequence[UserId]], list[Any]], users: Sequence[UserId], is_slow: bool
    ) -> list[Any]:
        found = await run_in_threadpool(find, users) if is_slow or len(users) > MANY else find(users)
        known = sum(entry is not None for entry in found)
        metrics.users.labels("yes").inc(known)
        metrics.users.labels("no").inc(len(found) - known)
        return found

    async def of_one(find: Callable[[Sequence[UserId]], list[Any]], text: str, is_slow: bool = False) -> Response:
        (found,) = await answered(find, [ids.read(text)], is_slow)
        if found is None:
            raise HTTPException(404, "The store does not know this user.")
        return _json(found)

    async def of_many(
        find: Callable[[Sequence[UserId]], list[Any]], users: Sequence[UserId], is_slow: bool = False
    ) -> Response:
        found = await answered(find, ids.checked(users), is_slow)
        unknown = [user for user, entry in zip(users, found, strict=True) if entry is None]
        return _json({"users": [entry for entry in found if entry is not None], "unknown": unknown})

    def features(is_now: bool) -> Callable[[Sequence[UserId]], list[Any]]:
        return arrived.of if is_now else answers.features

    @api.get("/features/{user_id:path}", response_model=of_features | Now, responses=refusals)
    async def get_features(user_id: str, now: bool = False) -> Response:
        """Features of a user as of the newest published day; `now`: with what has arrived since."""
        return await of_one(features(now), user_id, now)

    @api.post("/features", response_model=_batch(of_features), responses=refusals)
    async def post_features(users: asked, now: bool = False) -> Response:  # type: ignore[valid-type]
        """The same of many users, and which are unknown."""
        return await of_many(features(now), users.user_ids, now)  # type: ignore[attr-defined]

    @api.get("/scores/{user_id:path}", response_model=of_score, responses=refusals)
    async def get_scores(user_id: str) -> Response:
        """Score of a user: rank, probability and reasons, null for a user who is not at risk."""
        return await of_one(answers.scores, user_id)

    @api.post("/scores", response_model=_batch(of_score), responses=refusals)
    async def post_scores(users: asked) -> Response:  # type: ignore[valid-type]
        """The same of many users, and which are unknown."""
        return await of_many(answers.scores, users.user_ids)  # type: ignore[attr-defined]

    _watched(api, deployment, answers, metrics)
    most_bytes = BYTES_OF_A_REQUEST + BYTES_OF_A_USER * settings.serving.batch_users
    return Guard(
        api, token=token, per_second=settings.serving.requests_per_second, most_bytes=most_bytes, metrics=metrics
    )


def _watched(api: FastAPI, deployment: Deployment, answers: Answers, metrics: Metrics) -> None:
    """What is asked by who watches over the process."""
    stale_after_days = deployment.settings.serving.stale_after_days

    @api.get("/healthz", response_model=Health)
    async def healthz() -> dict[str, str]:
        """Whether the process answers."""
        return {"status": "ok"}

    @api.get("/readyz", response_model=Readiness, responses={503: {"model": ServiceError}})
    def readyz() -> dict[str, Any]:
        """Whether the store can be read and holds what is declared now, and how old it is."""
        held = answers.store.snapshot()
        if held is None:
            raise Unavailable(NOTHING_YET)
        if wrong := what_is_wrong(deployment, held):
            raise Unavailable(wrong)
        age = answers.age_days(held)
        return {
            "status": "ok",
            "as_of_date": held.as_of_date.isoformat(),
            "age_days": age,
            "is_stale": age > stale_after_days,
            "users": held.users,
            "scored_by": held.scored_by,
        }

    @api.get("/metrics", response_class=Response)
    def of_itself(request: Request) -> Response:
        """Counts, times and the store's age, in OpenMetrics."""
        try:
            held = answers.store.snapshot()
        except ChurnError:
            held = None
        metrics.age.set(answers.age_days(held) if held else float("nan"))
        metrics.stored.set(held.users if held else 0)
        body, content_type = metrics.text(request.headers.get("accept", ""))
        return Response(body, headers={"content-type": content_type})


class _Ids:
    """Ids as they come in, which must be of the deployment's type."""

    def __init__(self, id_type: str, most: int) -> None:
        self.type: Any = Annotated[int, Field(strict=True)] if id_type == "integer" else str
        self._most = most

    def read(self, text: str) -> UserId:
        if self.type is str:
            return self.checked([text])[0]
        if not (text.isascii() and text.isdigit() and 1 <= int(text[:20]) <= LARGEST_ID):
            raise HTTPException(422, "The user_id is no whole number from 1 up.")
        return int(text)

    def checked(self, users: Sequence[UserId]) -> Sequence[UserId]:
        if len(users) > self._most:
            raise HTTPException(413, f"A request names at most {self._most:,} users (serving.batch_users).")
        if self.type is str and not all(map(_is_text, users)):
            raise HTTPException(422, "A user_id is no text.")
        if self.type is not str and not all(1 <= user <= LARGEST_ID for user in users):  # type: ignore[operator]
            raise HTTPException(422, "A user_id is no whole number from 1 up.")
        return users


def _is_text(value: Any) -> bool:
    """Half of a character, which JSON can write, is none."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _errors_in_a_sentence(api: FastAPI) -> None:
    """No value of a request is given back, and no error shows more than its sentence."""

    async def of_http(_: Request, error: Any) -> Response:
        if error.status_code == BAD_REQUEST:  # The framework's, of a body that no parser takes.
            return _json({"error": "The request is not as it should be, at body: it cannot be read as JSON."}, 422)
        known = OF_NO_ROUTE.get(error.status_code, ("", ""))
        return _json({"error": known[1] if error.detail == known[0] else str(error.detail)}, error.status_code)

    async def of_a_request(request: Request, error: Any) -> Response:
        if request.method == "POST" and "json" not in request.headers.get("content-type", ""):
            return _json(
                {"error": "The request is not as it should be: send it with 'Content-Type: application/json'."}, 422
            )
        place, kind = error.errors()[0]["loc"], error.errors()[0]["msg"]
        where = ".".join(str(part) for part in place if isinstance(part, str)) or "request"
        return _json({"error": f"The request is not as it should be, at {where}: {kind}."}, 422)

    async def of_ours(_: Request, error: Any) -> Response:
        return _json({"error": str(error)}, 503)

    async def of_any(_: Request, error: Any) -> Response:
        return _json({"error": f"The service failed with {type(error).__name__}; see its log."}, 500)

    api.add_exception_handler(HTTPException, of_http)
    api.add_exception_handler(RequestValidationError, of_a_request)
    api.add_exception_handler(ChurnError, of_ours)
    api.add_exception_handler(Exception, of_any)


def _json(content: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")


def _models(deployment: Deployment) -> tuple[type[BaseModel], type[BaseModel]]:
    """What OpenAPI says of answers: one field a feature, with its meaning."""
    user_id = int if deployment.settings.sources.users.id_type == "integer" else str
    common: dict[str, Any] = {
        "user_id": (user_id, ...),
        "as_of_date": (str, Field(description="Day at whose end the values stood")),
        "age_days": (int, Field(description="Days from that day to today, of the deployment's zone")),
        "is_stale": (bool, Field(description="Whether the values are older than serving.stale_after_days")),
    }
    tables = deployment.contracts
    values = create_model("FeatureValues", **_fields(tables[FEATURES].values))
    reason = create_model("Reason", subject=(str, ...), effect=(float, ...))
    scores = [column for column in tables[SCORES].values if not column.name.startswith(("reason_", "effect_"))]
    of_score = _fields([replace(column, nullable=True) for column in scores])  # Of who is not at risk.
    return (
        create_model("Features", **common, features=(values, ...)),
        create_model("Score", **common, is_at_risk=(bool, ...), **of_score, reasons=(list[reason], ...)),  # type: ignore[valid-type]
    )


def _fields(columns: Iterable[Column]) -> dict[str, Any]:
    return {
        column.name: (
            TYPES.get(column.kind, str) | None if column.nullable else TYPES.get(column.kind, str),
            Field(description=column.description_with_unit),
        )
        for column in columns
    }


def _batch(of: type[BaseModel]) -> type[BaseModel]:
    return create_model(f"{of.__name__}Batch", users=(list[of], ...), unknown=(list[Any], ...))  # type: ignore[valid-type]
