"""The campaign: case after case for so many minutes, in a child that may crash, hang or eat memory without taking us along.

Prints its seed; what it finds is printed with the case's number and kept in .fuzz/ for a test to be made of it.
"""

from __future__ import annotations

import multiprocessing as mp
import multiprocessing.connection
import resource
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

from churn_assets_tests.fuzz.attempts import attempt, material

FINDINGS = Path(".fuzz")
CASE_SECONDS = 30
"""A case takes milliseconds."""
MEMORY_BYTES = 4 * 1024**3
BATCH = 500


def campaign(minutes: float, seed: int) -> int:
    print(f"Fuzzing for {minutes:g} minutes from seed {seed}.", flush=True)
    end, number, outcomes, found = time.monotonic() + 60 * minutes, seed, Counter[str](), 0
    while time.monotonic() < end:
        number, counted, finding = _batch(number, end)
        outcomes += counted
        if finding:
            found += 1
            FINDINGS.mkdir(exist_ok=True)
            suffix, content, what = material(number)
            (FINDINGS / f"{number}.{suffix}").write_bytes(content)
            print(f"FOUND case {number} ({suffix}, {what}): {finding}", flush=True)
            number += 1
    summary = ", ".join(f"{count:,} {outcome}" for outcome, count in outcomes.most_common())
    print(f"{sum(outcomes.values()):,} cases, {seed} to {number - 1}: {summary}; {found} findings.")
    return 1 if found else 0


def _batch(first: int, end: float) -> tuple[int, Counter[str], str | None]:
    """Cases from `first` on in one child: the next number (or that of a finding), outcomes, and the finding."""
    ours, theirs = mp.Pipe(duplex=False)
    child = mp.get_context("spawn").Process(target=_work, args=(first, theirs), daemon=True)
    child.start()
    theirs.close()
    outcomes: Counter[str] = Counter()
    number = first
    try:
        while number < first + BATCH and time.monotonic() < end:
            if not ours.poll(CASE_SECONDS + (30 if number == first else 0)):
                return number, outcomes, f"hangs for {CASE_SECONDS} s"
            outcome, finding = ours.recv()
            if finding:
                return number, outcomes, finding
            outcomes[outcome] += 1
            number += 1
    except EOFError:
        child.join()
        return number, outcomes, f"the reader's process died with {child.exitcode}"
    finally:
        child.kill()
        child.join()
    return number, outcomes, None


def _work(first: int, tell: mp.connection.Connection) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory() as folder:
        for number in range(first, first + BATCH):
            try:
                tell.send((attempt(number, Path(folder)), None))
            except Exception:
                tell.send(("", traceback.format_exc(limit=-3)))
