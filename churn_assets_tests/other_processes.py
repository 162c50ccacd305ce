"""Another process that says how far it is, to be killed or waited for."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any

PROCESSES = multiprocessing.get_context("forkserver" if hasattr(os, "fork") else "spawn")
PROCESSES.set_forkserver_preload(["churn_assets.warehouse", "hypothesis", "pytest"])


class Child:
    """Another process that runs `function(say, *arguments)`; what it says is heard here."""

    def __init__(self, function: Callable[..., None], *arguments: object) -> None:
        self._hears, says = PROCESSES.Pipe(duplex=False)
        self.process = PROCESSES.Process(target=_run_child, args=(function, says, *arguments))
        self.process.start()
        says.close()

    def wait_for(self, moment: str) -> None:
        while self._hears.recv() != moment:
            pass

    def kill(self) -> None:
        self.process.kill()
        self.process.join()

    def finish(self) -> list[str]:
        """All it said, once it has ended well."""
        said = []
        with suppress(EOFError):
            while True:
                said.append(self._hears.recv())
        self.process.join(60)
        assert self.process.exitcode == 0
        return said


def _run_child(function: Callable[..., None], says: Any, *arguments: object) -> None:
    function(says.send, *arguments)
