"""Who wants to know that partitions were published: a command line with a progress bar, say. Nobody by default."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Listener = Callable[[str, int], None]
"""Called with a table, or what else is under way, and how many more of its partitions are done."""
_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def tell(what: str, partitions: int) -> None:
    listener = _listener.get()
    if listener is not None:
        listener(what, partitions)
