"""Timing a command in a process of its own, so that imports, caches and peak memory are its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

GIBIBYTE = 1024**3


@dataclass(frozen=True)
class Command:
    """What to time. `environment` is added to ours."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Taken:
    """Wall time, processor time and largest resident memory of one process. Processor time tells a busy machine apart."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int


@dataclass(frozen=True)
class Benchmark:
    """Two things to do. `ours` and `theirs` get an empty folder, set up what must not be timed, and give the command."""

    name: str
    work: str
    against: str
    ours: Callable[[Path], Command]
    theirs: Callable[[Path], Command]
    at_most: float
    """Of their time."""
    peak_bytes_at_most: float | None = None
    """Of our memory."""


@dataclass(frozen=True)
class Result:
    """Medians over the runs."""

    benchmark: Benchmark
    ours: Taken
    theirs: Taken

    @property
    def ratio(self) -> float:
        return self.ours.seconds / self.theirs.seconds

    @property
    def kept(self) -> bool:
        most = self.benchmark.peak_bytes_at_most
        return self.ratio <= self.benchmark.at_most and (most is None or self.ours.peak_bytes <= most)


class CommandFailed(Exception):
    """A timed command did not end well, so its time says nothing."""


def module(name: str, *arguments: object) -> tuple[str, ...]:
    """A module of this package as a command."""
    return (sys.executable, "-m", f"{__package__}.{name}", *map(str, arguments))


def compare(benchmark: Benchmark, folder: Path, runs: int, on_run: Callable[[str, Taken], None]) -> Result:
    """Ours and theirs by turns, so that a busy minute of the machine hits both."""
    taken: dict[str, list[Taken]] = {"ours": [], "theirs": []}
    for _ in range(runs):
        for side, prepare in (("ours", benchmark.ours), ("theirs", benchmark.theirs)):
            with tempfile.TemporaryDirectory(dir=folder) as work_folder:
                one = timed(prepare(Path(work_folder)))
            taken[side].append(one)
            on_run(side, one)
    return Result(benchmark, _median(taken["ours"]), _median(taken["theirs"]))


def timed(command: Command) -> Taken:
    """Run it to its end. Raises CommandFailed with what it said."""
    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        process = subprocess.Popen(
            command.arguments, env=os.environ | command.environment, stdout=output, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            said = output.read().decode(errors="replace")[-3000:]
            raise CommandFailed(f"{' '.join(command.arguments)} ended with {process.returncode}:\n{said}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Taken(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit)


def _median(taken: list[Taken]) -> Taken:
    return Taken(
        median(one.seconds for one in taken),
        median(one.cpu_seconds for one in taken),
        int(median(one.peak_bytes for one in taken)),
    )
