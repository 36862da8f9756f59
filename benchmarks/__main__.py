"""`python -m benchmarks …`: each benchmark prints one JSON line per result; --out FILE also appends them to a file."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Benchmarks; each prints JSON lines.")

Out = Annotated[Path | None, typer.Option("--out", help="Append the results to this file of JSON lines.")]
Cache = Annotated[Path, typer.Option("--cache", help="Folder for tables and runs made on the way.")]
Rows = Annotated[int, typer.Option(help="Rows of each table.")]
Set = Annotated[list[str], typer.Option("--set", metavar="KEY=VALUE", help="A setting of learn; may be repeated.")]
DEFAULT_CACHE = Path("benchmarks/cache")


@app.command()
def mnist(
    data: Annotated[Path, typer.Argument(help="mnist.npz with x, y, xt, yt.")],
    seeds: Annotated[int, typer.Option(help="How many seeds, from 0.")] = 3,
    draws: Annotated[int, typer.Option(help="Random-field networks per seed.")] = 1,
    source: Annotated[str, typer.Option(help="Where fields come from: searched, contest, …")] = "searched",
    out: Out = None,
    cache: Cache = DEFAULT_CACHE,
) -> None:
    """MNIST and Shuffled MNIST beside random fields, an MLP and a CNN (about 25 minutes on two cores)."""
    from benchmarks.mnist import run

    run(data, cache, list(range(seeds)), draws, source, out)


@app.command()
def plants(
    draws: Annotated[int, typer.Option(help="Draws of each family; of every five, two are correlation-free.")] = 5,
    family: Annotated[list[str], typer.Option(help="ring, grid, random-graph, interactions; may be repeated.")] = [],  # noqa: B006
    rows: Rows = 4000,
    given: Set = [],  # noqa: B006
    out: Out = None,
    cache: Cache = DEFAULT_CACHE,
) -> None:
    """Planted structures: accuracy beside the true fields', and how many of the true neighbours were found."""
    from benchmarks.plant_runs import FAMILIES, parse_settings, run

    run(family or list(FAMILIES), draws, rows, parse_settings(given), cache, out)


@app.command()
def null(
    draws: Annotated[int, typer.Option(help="Tables without structure; every other one has its target shuffled.")] = 40,
    rows: Rows = 4000,
    given: Set = [],  # noqa: B006
    out: Out = None,
    cache: Cache = DEFAULT_CACHE,
) -> None:
    """Tables in which no fields help: how often rfconv says that some do."""
    from benchmarks.plant_runs import parse_settings, run_null

    run_null(draws, rows, parse_settings(given), cache, out)


@app.command()
def speed(out: Out = None) -> None:
    """Memory of a relaxed step and time of a fixed step, as ratios (two minutes)."""
    from benchmarks.speed import run

    run(out)


@app.command()
def demo(out: Out = None) -> None:
    """Seconds of the README's demo (half a minute)."""
    from benchmarks.demo import run

    run(out)


@app.command()
def results(
    files: Annotated[list[Path], typer.Argument(help="Files of JSON lines, as --out wrote them.")],
) -> None:
    """Print the results as Markdown tables, one per benchmark."""
    from benchmarks.results import markdown

    print(markdown(files))


if __name__ == "__main__":
    app()
