"""The benchmarks as one command: `PYTHONPATH=.ci python -m bench`. Exits 1 where a limit is exceeded."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from bench.features import one_day_of_features
from bench.learning import landing_to_training_set
from bench.measure import GIBIBYTE, Benchmark, Result, Taken, compare
from bench.next_day import day_1000, next_day, next_day_of_everything, nothing_to_do
from bench.starting import status, usage
from bench.store import REFERENCE, Store
from bench.tables import against_sql, against_textbook
from bench.whole_calendar import one_day, whole_calendar
from bench.wide import wide_declaration, wide_user_days

BENCHMARKS: dict[str, Callable[[Store], Benchmark]] = {
    "day": one_day,
    "calendar": whole_calendar,
    "sql": against_sql,
    "textbook": against_textbook,
    "day-1000": day_1000,
    "next-day": next_day,
    "next-day-all": next_day_of_everything,
    "nothing": nothing_to_do,
    "features": one_day_of_features,
    "wide": wide_declaration,
    "wide-days": wide_user_days,
    "learning": landing_to_training_set,
    "status": status,
    "help": usage,
}
console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)


@click.command()
@click.option("--only", multiple=True, type=click.Choice(list(BENCHMARKS)), help="Only these (repeatable).")
@click.option(
    "--runs", default=3, show_default=True, type=click.IntRange(1), help="Times each side is run; medians are shown."
)
@click.option(
    "--scale",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="Size of the worlds, to try it small; the limits are meant for 1.",
)
@click.option(
    "--keep", type=click.Path(path_type=Path, file_okay=False), help="Make the worlds here and keep them for next time."
)
@click.option(
    "--reference",
    default=REFERENCE,
    type=click.Path(path_type=Path),
    help="Folder of the peer's users.csv.gz and events.csv.gz.",
)
def main(only: tuple[str, ...], runs: int, scale: float, keep: Path | None, reference: Path) -> None:
    """Ratios of two timings of one run; the machine's own speed drops out."""
    results = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = (keep or Path(temporary)).resolve() / f"scale-{scale:g}"
        folder.mkdir(parents=True, exist_ok=True)
        store = Store(folder, scale, reference)
        for name in only or BENCHMARKS:
            results.append(_measured(name, store, runs))
    console.print(_shown(results, runs))
    sys.exit(0 if all(result.kept for result in results) else 1)


def _measured(name: str, store: Store, runs: int) -> Result:
    def on_run(side: str, taken: Taken) -> None:
        console.print(
            f"[dim]{name}: {side} {taken.seconds:.1f} s ({taken.cpu_seconds:.1f} s of processor), {taken.peak_bytes / GIBIBYTE:.2f} GiB[/dim]"
        )

    console.print(f"[dim]{name}: making its world ...[/dim]")
    return compare(BENCHMARKS[name](store), store.folder, runs, on_run)


def _shown(results: list[Result], runs: int) -> Table:
    table = Table(title=f"Medians of {runs}", title_justify="left", show_lines=True)
    for heading in ("work", "against"):
        table.add_column(heading, ratio=1)
    for heading in ("ours (s)", "theirs (s)", "ratio", "at most", "peak memory"):
        table.add_column(heading, justify="right")
    for result in results:
        most = result.benchmark.peak_bytes_at_most
        colour = "green" if result.kept else "red"
        table.add_row(
            result.benchmark.work,
            result.benchmark.against,
            f"{result.ours.seconds:.1f}",
            f"{result.theirs.seconds:.1f}",
            f"[{colour}]{result.ratio:.2f}[/{colour}]",
            f"{result.benchmark.at_most:g}" + (f", {most / GIBIBYTE:g} GiB" if most else ""),
            f"{result.ours.peak_bytes / GIBIBYTE:.2f} GiB ({result.theirs.peak_bytes / GIBIBYTE:.2f})",
        )
    return table


if __name__ == "__main__":
    main()
