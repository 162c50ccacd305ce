"""What a request must be before it is answered: known, small, and not one too many."""

from __future__ import annotations

import hmac
import json
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from churn_assets.service.metrics import Metrics

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]
OPEN = ("/healthz", "/readyz")
"""What needs no token and no place: who watches over the process asks these."""
BYTES_OF_A_USER = 300
"""Of a request for many: longer ids are refused where they are landed."""
BYTES_OF_A_REQUEST = 1000


class Bucket:
    """So many a second on average, and as many at once."""

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second, self._most, self._clock = per_second, max(per_second, 1.0), clock
        self._left, self._at = self._most, clock()

    def takes(self) -> bool:
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Guard:
    """Around the application: token, rate, size, and a count of what was answered."""

    def __init__(self, app: App, *, token: str | None, per_second: float, most_bytes: int, metrics: Metrics) -> None:
        self._app, self._token, self._metrics = app, token, metrics
        self._bucket, self._most_bytes = Bucket(per_second), most_bytes

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with self._metrics.request(scope) as seen:

            async def noting(message: Message) -> None:
                if message["type"] == "http.response.start":
                    seen.status = message["status"]
                await send(message)

            if scope["path"] not in OPEN and (refusal := self._refusal(scope)):
                await _answer(noting, *refusal)
                return
            body = await self._body(receive) if scope["method"] == "POST" else b""
            if body is None:
                await _answer(
                    noting, 413, f"The request is longer than {self._most_bytes:,} bytes; ask for fewer users."
                )
                return
            given = False

            async def replayed() -> Message:
                nonlocal given
                if given or scope["method"] != "POST":
                    return await receive()
                given = True
                return {"type": "http.request", "body": body, "more_body": False}

            await self._app(scope, replayed, noting)

    def _refusal(self, scope: Message) -> tuple[int, str] | None:
        headers = dict(scope["headers"])
        given = headers.get(b"authorization", b"")
        if self._token and not hmac.compare_digest(given, f"Bearer {self._token}".encode()):
            return 401, "The request has no valid token; send it as 'Authorization: Bearer ...'."
        if not self._bucket.takes():
            return 429, "More requests than serving.requests_per_second; try again in a second."
        return None

    async def _body(self, receive: Receive) -> bytes | None:
        """None: longer than it may be."""
        found = b""
        while True:
            message = await receive()
            found += message.get("body", b"")
            if len(found) > self._most_bytes:
                return None
            if message["type"] != "http.request" or not message.get("more_body"):
                return found


async def _answer(send: Send, status: int, sentence: str) -> None:
    body = json.dumps({"error": sentence}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    more = {401: (b"www-authenticate", b"Bearer"), 429: (b"retry-after", b"1"), 413: (b"connection", b"close")}
    if status in more:
        headers.append(more[status])
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
