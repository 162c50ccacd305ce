"""The campaign as one command: `python -m churn_assets_tests.torture`. Exits 1 where a kill left anything wrong, or damage
was not noticed.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from churn_assets_tests.torture.damage import HARMS, NAMED, NEW, OLD, TARGETS, WRONG, damage_often
from churn_assets_tests.torture.rounds import KINDS, Outcome, kill_once, prepare

console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)


@click.command()
@click.option("--kills", default=200, show_default=True, type=click.IntRange(0), help="How many runs are killed.")
@click.option("--damages", default=300, show_default=True, type=click.IntRange(0), help="How often files are damaged.")
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="Same seed, same moments.")
@click.option("--only", multiple=True, type=click.Choice(list(KINDS)), help="Only these kinds of run (repeatable).")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where to work; what went wrong is kept there (default: a temporary folder).",
)
def main(kills: int, damages: int, seed: int, only: tuple[str, ...], folder: Path | None) -> None:
    """SIGKILL runs at random moments; after each, look at what is left, and let a backfill finish it. Then damage files."""
    folder = folder or Path(tempfile.mkdtemp(prefix="torture-"))
    harmed: Counter[tuple[str, str, str]] = Counter()
    if damages:
        harmed = damage_often(folder, seed, damages)
        _show_damages(harmed)
    outcomes = _kill(folder, kills, seed, list(only or KINDS)) if kills else []
    sys.exit(any(outcome.wrong for outcome in outcomes) or any(how == WRONG for *_, how in harmed))


def _kill(folder: Path, kills: int, seed: int, kinds: list[str]) -> list[Outcome]:
    started = time.monotonic()
    world = prepare(folder, seed, kinds)
    taken = ", ".join(f"{kind} {world.kinds[kind].seconds:.1f} s" for kind in kinds)
    console.print(f"{len(world.finished)} partitions in {folder}; undisturbed: {taken}.", soft_wrap=True)
    outcomes: list[Outcome] = []
    try:
        for number in range(kills):
            outcomes.append(kill_once(world, folder, kinds[number % len(kinds)], number, seed))
            for sentence in outcomes[-1].wrong[:5]:
                console.print(f"[red]{outcomes[-1].kind} {number}: {sentence}[/red]", soft_wrap=True)
            if number % 20 == 19:
                console.print(f"{number + 1} kills, {time.monotonic() - started:.0f} s")
    except KeyboardInterrupt:
        console.print("Stopped.")
    _show(outcomes, kinds, time.monotonic() - started)
    return outcomes


def _show(outcomes: list[Outcome], kinds: list[str], seconds: float) -> None:
    shown = Table(title=f"{len(outcomes)} kills, {seconds:.0f} s", title_justify="left")
    for heading in ("killed", "times", "at work", "all old", "old and new", "all new", "wrong", "seconds each"):
        shown.add_column(heading, justify="left" if heading == "killed" else "right")
    for kind in [*kinds, "all"]:
        own = [outcome for outcome in outcomes if kind in (outcome.kind, "all")]
        counts = (
            len(own),
            sum(one.was_at_work for one in own),
            sum(not one.new for one in own),
            sum(bool(one.old and one.new) for one in own),
            sum(not one.old for one in own),
            sum(bool(one.wrong) for one in own),
        )
        mean = sum(one.seconds for one in own) / max(1, len(own))
        shown.add_row(kind, *(f"{count:,}" for count in counts), f"{mean:.1f}")
    console.print(shown)


def _show_damages(outcomes: Counter[tuple[str, str, str]]) -> None:
    shown = Table(title=f"{outcomes.total()} damaged files", title_justify="left")
    for heading in ("file", "how", NAMED, OLD, NEW, WRONG):
        shown.add_column(heading, justify="left" if heading in ("file", "how") else "right")
    for target in TARGETS:
        for how in HARMS:
            shown.add_row(target, how, *(f"{outcomes[target, how, outcome]:,}" for outcome in (NAMED, OLD, NEW, WRONG)))
    console.print(shown)


if __name__ == "__main__":
    main()
