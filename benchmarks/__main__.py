"""`python -m benchmarks …`: each benchmark prints one JSON line per result; --out FILE also appends them to a file."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from benchmarks import everything
from benchmarks.learning import parsed
from benchmarks.suite import What, run_cases
from rfconv_cli.errors import RfconvError

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Benchmarks; each prints JSON lines.")

Out = Annotated[Path | None, typer.Option("--out", help="Append the results to this file of JSON lines.")]
Cache = Annotated[Path, typer.Option("--cache", help="Folder for tables and runs made on the way.")]
Data = Annotated[Path, typer.Argument(metavar="DATA_DIR", help="Folder of the data files RESULTS.md lists.")]
Seeds = Annotated[int, typer.Option(min=1, help="How many seeds, from 0.")]
Folds = Annotated[int, typer.Option(min=1, max=5, help="How many of the five folds.")]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting; may be repeated.")]
Preset = Annotated[Literal["default", "paper"], typer.Option(help="Where unset settings come from.")]
Parts = Annotated[What, typer.Option("--what", help="Run rfconv, the baselines, or both.")]
Rows = Annotated[int, typer.Option(help="Rows of each table.")]
DEFAULT_CACHE = Path("benchmarks/cache")


@app.command()
def mnist(
    data: Annotated[Path, typer.Argument(help="mnist.npz with x, y, xt, yt.")],
    seeds: Seeds = 3,
    best: Annotated[bool, typer.Option("--best", help="Record Shuffled MNIST alone, as shuffled-mnist-best.")] = False,
    given: Set = None,
    preset: Preset = "default",
    out: Out = None,
    cache: Cache = DEFAULT_CACHE,
) -> None:
    """MNIST and Shuffled MNIST beside random fields, an MLP and a CNN (about 25 minutes on two cores)."""
    from benchmarks.mnist import run

    run(data, cache, seeds, parsed(given or (), preset), out, best=best)


@app.command("weather-eu")
def weather_eu(
    data: Data,
    seeds: Seeds = 3,
    given: Set = None,
    preset: Preset = "default",
    what: Parts = "both",
    out: Out = None,
    cache: Cache = DEFAULT_CACHE,
) -> None:
    """European weather to month: a random split, and later years held out."""
    from benchmarks import weather

    settings = parsed(given or (), preset)
    for cases in (weather.eu_random(data, seeds), weather.eu_years(data, cache, seeds)):
        run_cases(cases, settings, cache, out, what)


@app.command("weather-jma")
def weather_jma(
    data: Data,
    folds: Folds = 5,
    given: Set = None,
    preset: Preset = "default",
    what: Parts = "both",
    out: Out = None,
    cache: Cache = DEFAULT_CACHE,
) -> None:
    """Japanese weather to month: five random folds, and five folds of whole weeks."""
    from benchmarks import weather

    for weeks in (False, True):
        cases = weather.jma(data, cache, weeks=weeks, folds=folds)
        run_cases(cases, parsed(given or (), preset), cache, out, what)


@app.command("weather")
def weather_table(
    data: Data,
    folds: Annotated[int, typer.Option(min=1, max=5, help="Random folds, some 20 minutes each.")] = 1,
    given: Set = None,
    preset: Preset = "default",
    out: Out = None,
    cache: Cache = DEFAULT_CACHE,
) -> None:
    """Table 4.3 of the paper: Japanese weather to month, the usual methods tuned; and fields on the map of Japan."""
    from benchmarks import paper, weather

    paper.weather(weather.jma(data, cache, weeks=False, folds=folds), data, parsed(given or (), preset), cache, out)


@app.command()
def landsat(
    data: Data,
    folds: Folds = 5,
    given: Set = None,
    preset: Preset = "default",
    what: Parts = "both",
    out: Out = None,
    cache: Cache = DEFAULT_CACHE,
) -> None:
    """Landsat with its columns shuffled, and how many true neighbours the fields hold; five folds."""
    from benchmarks.landsat import cases

    run_cases(cases(data, cache, folds), parsed(given or (), preset), cache, out, what)


@app.command()
def turbofan(
    data: Data,
    seeds: Seeds = 3,
    given: Set = None,
    preset: Preset = "default",
    what: Parts = "both",
    out: Out = None,
    cache: Cache = DEFAULT_CACHE,
) -> None:
    """Turbofan engines to the cycles that remain: RMSE with whole engines held out."""
    from benchmarks.turbofan import cases

    run_cases(cases(data, seeds), parsed(given or (), preset), cache, out, what)


@app.command()
def mnist1d(
    seeds: Seeds = 3,
    given: Set = None,
    preset: Preset = "default",
    what: Parts = "both",
    out: Out = None,
    cache: Cache = DEFAULT_CACHE,
) -> None:
    """MNIST-1D with its columns shuffled, on its own test set."""
    from benchmarks.small import mnist1d as cases

    run_cases(cases(cache, seeds), parsed(given or (), preset), cache, out, what)


@app.command()
def digits(
    seeds: Seeds = 3,
    given: Set = None,
    preset: Preset = "default",
    what: Parts = "both",
    out: Out = None,
    cache: Cache = DEFAULT_CACHE,
) -> None:
    """scikit-learn's digits, where structure does not matter."""
    from benchmarks.small import digits as cases

    run_cases(cases(cache, seeds), parsed(given or (), preset), cache, out, what)


@app.command()
def ablation(
    data: Data,
    seeds: Seeds = 1,
    row: Annotated[list[str] | None, typer.Option(help="Only this row; may be repeated.")] = None,
    table: Annotated[list[str] | None, typer.Option(help="Only this table; may be repeated.")] = None,
    given: Set = None,
    out: Out = None,
    cache: Cache = DEFAULT_CACHE,
) -> None:
    """What each stage is worth: settings changed one at a time on three cheap tables."""
    from benchmarks.ablation import run

    run(data, seeds, row or (), table or (), parsed(given or ()), cache, out)


@app.command()
def plants(
    draws: Annotated[int, typer.Option(help="Draws of each family; of every five, two are correlation-free.")] = 5,
    family: Annotated[list[str], typer.Option(help="ring, grid, random-graph, interactions; may be repeated.")] = [],  # noqa: B006
    rows: Rows = 4000,
    given: Set = None,
    out: Out = None,
    cache: Cache = DEFAULT_CACHE,
) -> None:
    """Planted structures: accuracy beside the true fields', and how many of the true neighbours were found."""
    from benchmarks.plant_runs import FAMILIES, run

    run(family or list(FAMILIES), draws, rows, parsed(given or ()), cache, out)


@app.command()
def null(
    draws: Annotated[int, typer.Option(help="Tables without structure; every other one has its target shuffled.")] = 40,
    rows: Rows = 4000,
    given: Set = None,
    out: Out = None,
    cache: Cache = DEFAULT_CACHE,
) -> None:
    """Tables in which no fields help: how often rfconv says that some do."""
    from benchmarks.plant_runs import run_null

    run_null(draws, rows, parsed(given or ()), cache, out)


@app.command()
def reading(
    megabytes: Annotated[int, typer.Option(min=1, help="Size of the CSV file; Parquet holds the same table.")] = 1000,
    out: Out = None,
) -> None:
    """Reading CSV and Parquet, over pyarrow's own speed."""
    from benchmarks.reading import run

    run(megabytes, out)


@app.command()
def large(
    rows: Annotated[int, typer.Option(min=1000, help="Rows of the table.")] = 10_000_000,
    columns: Annotated[int, typer.Option(min=5, help="Columns of the table.")] = 50,
    allowed: Annotated[str, typer.Option(help="As --max-memory of learn.")] = "2GB",
    preset: Annotated[Literal["fast", "default"], typer.Option(help="As --preset of learn.")] = "fast",
    out: Out = None,
    cache: Cache = DEFAULT_CACHE,
) -> None:
    """Learn from a table beyond memory: time, and memory above the interpreter (most of an hour, 15 GB of disk)."""
    from benchmarks.large import run

    cache.mkdir(parents=True, exist_ok=True)
    run(rows, columns, allowed, preset, cache, out)


@app.command()
def speed(out: Out = None) -> None:
    """Memory of a relaxed step and time of a fixed step, as ratios (two minutes)."""
    from benchmarks.speed import run

    run(out)


@app.command()
def scale(
    out: Out = None,
    cache: Cache = DEFAULT_CACHE,
    most_rows: Annotated[int, typer.Option("--most-rows", help="Go on to so many rows, such as 10000000.")] = 0,
) -> None:
    """Growth of a step's time and memory with columns and rows, drawn with its slopes (four minutes)."""
    from benchmarks.scale import run

    run(out, cache, most_rows)


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


@app.command()
def marks(
    files: Annotated[list[Path] | None, typer.Argument(help="Files of JSON lines; else benchmarks/results.")] = None,
) -> None:
    """Print the table of marks: each bar, what was measured beside its controls, and whether it was met."""
    from benchmarks.marks import markdown

    print(markdown(files or sorted(everything.RESULTS.glob("*.jsonl"))))


@app.command("all")
def all_(
    data: Data,
    only: Annotated[list[str] | None, typer.Option(help="Only this benchmark; may be repeated.")] = None,
    cache: Cache = DEFAULT_CACHE,
) -> None:
    """The whole suite into fresh files in benchmarks/results, then the tables of RESULTS.md (many hours)."""
    known = {str(command.name or command.callback.__name__) for command in app.registered_commands if command.callback}
    failed = everything.run(data, cache, only or (), known, lambda text: print(text, file=sys.stderr, flush=True))
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}; their earlier results were kept")


def main() -> None:
    """Run one command. A known error is one line and a hint on stderr; its exit code is rfconv's."""
    try:
        app()
    except RfconvError as error:
        print(f"{error.message}\n{error.hint}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
