"""`python -m benchmarks …`: each benchmark prints one JSON line per result; --out FILE also appends them to a file."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Benchmarks; each prints JSON lines.")

Out = Annotated[Path | None, typer.Option("--out", help="Append the results to this file of JSON lines.")]
Cache = Annotated[Path, typer.Option("--cache", help="Folder for tables and runs made on the way.")]
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
