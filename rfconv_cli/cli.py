"""The commands: parse, call, render. Heavy imports wait inside the commands; `program` makes exit codes of errors."""

import os
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from rfconv_cli import __version__, complete
from rfconv_cli.config import as_words
from rfconv_cli.errors import GateError, UsageError
from rfconv_cli.flags import DIALECT, SectionedCommand, with_settings

app = typer.Typer(
    name="rfconv",
    help="Learn which columns of a table belong together, train a network on them, and see whether it helped.",
    epilog="rfconv COMMAND --help explains a command. Exit codes: 0 done, 1 a bug in rfconv, 2 usage, 3 the data, "
    "4 the run, 5 training, 6 a gate failed.",
    rich_markup_mode=None,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
config_app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Print settings and file formats.")
app.add_typer(config_app, name="config")

DataArg = Annotated[
    Path, typer.Argument(metavar="DATA", help="Table to read: CSV, TSV, Parquet or Arrow; - is standard input.")
]
TargetOption = Annotated[
    str, typer.Option("--target", "-t", help="The column to predict.", autocompletion=complete.columns)
]
OptionalData = Annotated[Path | None, typer.Argument(metavar="[DATA]", help="Table to score instead of the test rows.")]
OwnData = Annotated[
    Path | None, typer.Argument(metavar="[DATA]", help="The table the run learned from; unset: looked for near here.")
]
TestOption = Annotated[
    Path | None, typer.Option("--test-data", metavar="TABLE", help="The rows of this table are the test part.")
]
RunOption = Annotated[str | None, typer.Option("--run", help="Run folder; unset: RFCONV_RUN, else the latest run.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Nothing on stderr but errors.")]
SafeOption = Annotated[
    bool, typer.Option("--csv-safe", help="Put a quote before text that a spreadsheet would take for a formula.")
]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Show a traceback when something fails.")]


@app.callback()
def _common(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and end.", is_eager=True, callback=lambda v: _version(v)),
    ] = False,
    verbose: VerboseOption = False,
) -> None:
    """Learn which columns of a table belong together, train a network on them, and see whether it helped."""


@app.command(cls=SectionedCommand)
@with_settings()
def learn(
    data: Annotated[
        Path | None,
        typer.Argument(metavar="DATA", help="Table to read: CSV, TSV, Parquet or Arrow; - is standard input."),
    ] = None,
    target: Annotated[
        str | None, typer.Option("--target", "-t", help="The column to predict.", autocompletion=complete.columns)
    ] = None,
    runs: Annotated[Path, typer.Option("--runs", help="Folder that the run is put into.")] = Path("rfconv-runs"),
    fields: Annotated[
        Path | None, typer.Option("--fields", help="Train with the fields in this fields.json; nothing is searched.")
    ] = None,
    test_data: TestOption = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the newest learn that ended before its time; takes no DATA.")
    ] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
    *,
    flags: dict[str, Any],
) -> None:
    """Learn receptive fields from a table.

    Holds out test rows, learns the fields on the others, trains the final network on them, judges it beside random
    fields and a plain MLP on the test rows, and saves all of it as a run.
    """
    from rfconv_cli.jobs import learn as job
    from rfconv_cli.render import Screen
    from rfconv_cli.resolve import resolve

    screen = Screen(quiet=quiet)
    asked = [name for name, value in {"DATA": data, "--target": target}.items() if value is None]
    if resume:
        _require_nothing({"DATA": data, "--target": target, "--fields": fields, "--test-data": test_data, **flags})
    elif asked:
        raise UsageError(f"missing {' and '.join(asked)}", hint="rfconv learn --help lists its flags", code="usage")
    settings = None if resume else resolve(flags)
    with screen.progress() as progress:
        if settings is None or data is None or target is None:
            result = job.resume(runs, screen.notice, progress)
        else:
            result = job.learn(data, target, settings, runs, screen.notice, progress, given=fields, test_data=test_data)
    if "path" not in result["run"]:  # of several processes, the first one has it
        return
    if not json:
        screen.contest(result["contest"])
    screen.result(result, as_json=json)
    if not json:
        screen.groups(result["groups"])
    screen.next("rfconv evaluate", "rfconv export-fields --plot")


@app.command(cls=SectionedCommand)
@with_settings()
def check(
    data: DataArg,
    target: TargetOption,
    test_data: TestOption = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 6 when there is something to look at.")] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
    *,
    flags: dict[str, Any],
) -> None:
    """Say what is wrong or suspicious in a table, before any training.

    Reads it as `learn` would with the same flags: which columns are learned from, how many rows of each class stand in
    which part, and what to look at. Trains nothing.
    """
    from rfconv_cli.jobs import check as job
    from rfconv_cli.render import Screen
    from rfconv_cli.resolve import resolve

    screen = Screen(quiet=quiet)
    document = job.check(data, target, resolve(flags), screen.notice, test_data)
    screen.check(document, as_json=json)
    if strict and document["findings"]:
        number = len(document["findings"])
        raise GateError(f"--strict asks for no finding; there are {number}", hint="see above", code="findings")
    words = ["rfconv", "learn", str(data), "--target", target, *as_words(flags)]
    words += [] if test_data is None else ["--test-data", str(test_data)]
    screen.next(shlex.join(words))


@app.command(cls=SectionedCommand)
@with_settings(*DIALECT)
def evaluate(
    data: OptionalData = None,
    run: RunOption = None,
    fail_under: Annotated[
        str | None, typer.Option(metavar="MEASURE=VALUE", help="Exit with 6 when below, such as accuracy=0.8.")
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
    *,
    flags: dict[str, Any],
) -> None:
    """Score a run on its test rows, or on DATA, which is read as the run's table was where no flag says otherwise."""
    from rfconv_cli.jobs.apply import evaluate_stored, evaluate_table
    from rfconv_cli.judge.gate import check_gate, read_gate
    from rfconv_cli.render import Screen

    screen = Screen(quiet=quiet)
    gate = read_gate(fail_under)
    found = _find(run, screen, flags)
    result, notices = (evaluate_stored(found), []) if data is None else evaluate_table(found, data)
    screen.notices(notices)
    screen.result(result, as_json=json)
    check_gate(gate, result["test"])


@app.command(cls=SectionedCommand)
@with_settings(*DIALECT, "max_memory")
def predict(
    data: DataArg,
    run: RunOption = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="CSV or Parquet file; unset: CSV on stdout.")] = None,
    ids: Annotated[
        list[str] | None,
        typer.Option("--id", help="Give this column too; may be repeated.", autocompletion=complete.columns),
    ] = None,
    csv_safe: SafeOption = False,
    quiet: QuietOption = False,
    *,
    flags: dict[str, Any],
) -> None:
    """Predict the rows of DATA with a run.

    Gives row (0 is the first), prediction and, for classes, the probability of each. DATA is read as the run's table
    was where no flag says otherwise.
    """
    from rfconv_cli.jobs.apply import predict_pieces
    from rfconv_cli.jobs.memory import room_for
    from rfconv_cli.jobs.result import safe_for_sheets, table_suffix, write_pieces
    from rfconv_cli.render import Screen

    screen = Screen(quiet=quiet)
    suffix = table_suffix(out)
    found = _find(run, screen, flags)
    room = room_for([data], found.settings, Path() if out is None else out.parent, screen.notice)
    pieces, notices = predict_pieces(found, data, room, ids or [])
    screen.notices(notices)
    pieces = (safe_for_sheets(piece) if csv_safe else piece for piece in pieces)
    screen.put_with(lambda file: write_pieces(file, pieces, suffix), out)


@app.command("export-fields", cls=SectionedCommand)
def export_fields(
    run: RunOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder to write into. [rfconv-fields/RUN with --plot]")
    ] = None,
    form: Annotated[
        list[str] | None,
        typer.Option("--format", metavar="FORMAT", help="json, csv (edges), graphml or md; may be repeated. [json]"),
    ] = None,
    plot: Annotated[bool, typer.Option("--plot", help="Draw the fields as PNG and SVG beside fields.json.")] = False,
    shape: Annotated[
        str | None, typer.Option(metavar="ROWSxCOLS", help="The columns are pixels of such a grid, row by row.")
    ] = None,
    centre: Annotated[list[str] | None, typer.Option(help="Draw the field of this column; may be repeated.")] = None,
    coords: Annotated[
        Path | None,
        typer.Option(metavar="TABLE", help="Draw a map: a table of station, latitude and longitude in degrees."),
    ] = None,
    csv_safe: SafeOption = False,
    quiet: QuietOption = False,
) -> None:
    """Give the learned fields as JSON, as an edge list, GraphML or Markdown, and as pictures.

    One format on stdout; with --plot or --out, files in a folder, whose paths are printed.
    """
    from rfconv_cli.jobs.fields import Wish, export_files, stored_document, written_as
    from rfconv_cli.render import Screen

    screen = Screen(quiet=quiet)
    found = _find(run, screen)
    forms, wish = form or ["json"], Wish(plot, shape, centre or [], coords)
    if out is None and len(forms) == 1 and not wish.any:
        screen.put(written_as(stored_document(found), forms[0], csv_safe=csv_safe), None)
        return
    folder = out or Path("rfconv-fields") / found.path.resolve().name
    paths, notices = export_files(found, folder, wish, forms, csv_safe=csv_safe)
    screen.notices(notices)
    screen.lines(str(path) for path in paths)


@app.command("export-model", cls=SectionedCommand)
def export_model(
    form: Annotated[
        Literal["onnx", "torch"],
        typer.Option("--format", help="One ONNX graph, or a PyTorch module with its weights."),
    ] = "onnx",
    run: RunOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder to write into. [rfconv-model/RUN]", show_default=False)
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Give the trained network for use without rfconv.

    From the columns as numbers, NaN where missing, to probabilities or values; model.json says how the columns are
    made. Before anything is written, its predictions are compared with rfconv's own.
    """
    from rfconv_cli.jobs import model as job
    from rfconv_cli.render import Screen

    screen = Screen(quiet=quiet)
    found = _find(run, screen)
    folder = out or Path("rfconv-model") / found.path.resolve().name
    document, paths = job.export_model(found, folder, form)
    screen.notice(job.said_of_check(document))
    if json:
        screen.document(document)
    else:
        screen.lines(str(path) for path in paths)


@app.command(cls=SectionedCommand)
def report(
    run: RunOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="HTML file to write. [rfconv-report-RUN.html]")
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Write all that a run says as one HTML page: verdict, scores, fields, pictures, data, settings.

    The page needs nothing beside it: it opens from disk, and can be sent and printed.
    """
    from rfconv_cli.jobs.report import report as job
    from rfconv_cli.render import Screen

    screen = Screen(quiet=quiet)
    found = _find(run, screen)
    path = out or Path(f"rfconv-report-{found.path.resolve().name}.html")
    screen.put(job(found).encode(), path)
    screen.lines([str(path)])


@app.command(cls=SectionedCommand)
def compare(
    data: OwnData = None,
    run: RunOption = None,
    method: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Fit this method, such as random-forest; may be repeated. [all]"),
    ] = None,
    test_data: Annotated[
        Path | None,
        typer.Option("--test-data", metavar="TABLE", help="The run's table of test rows, where it had one."),
    ] = None,
    rows: Annotated[
        int, typer.Option(min=100, metavar="N", help="Learn from so many rows, drawn where there are more.")
    ] = 20_000,
    time_limit: Annotated[
        float | None, typer.Option(min=0, metavar="SECONDS", help="End methods that are not done by then.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Methods fitted at a time; unset: one for each core.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder to write into. [rfconv-compare/RUN with --plot]")
    ] = None,
    plot: Annotated[bool, typer.Option("--plot", help="Draw the scores as PNG and SVG beside compare.json.")] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Compare a run with the usual methods on its own rows.

    Fits each to the run's training rows, with settings chosen by a small grid search, and scores it on the run's test
    rows beside learned fields, random fields, correlation fields and the plain MLP.
    """
    from rfconv_cli.jobs import compare as job
    from rfconv_cli.render import Screen

    screen = Screen(quiet=quiet)
    asked = job.Asked(tuple(method or ()), time_limit, jobs, rows, out, plot)
    found = _find(run, screen)
    with screen.progress() as progress:
        document = job.compare(found, data, test_data, asked, screen.notice, progress)
    screen.comparison(document, as_json=json)


@app.command(cls=SectionedCommand)
def runs(
    folder: Annotated[Path | None, typer.Option("--runs", help="Folder of runs; unset: the nearest.")] = None,
    json: JsonOption = False,
) -> None:
    """List the runs, the oldest first."""
    from rfconv_cli.jobs.runs import run_list
    from rfconv_cli.render import Screen

    Screen(quiet=False).runs(run_list(folder, Path.cwd()), as_json=json)


@config_app.command("schema", cls=SectionedCommand)
def config_schema(
    what: Annotated[str, typer.Argument(metavar="fields|settings", help="Which document's JSON Schema to print.")],
) -> None:
    """Print a JSON Schema (2020-12)."""
    from rfconv_cli.config import settings_schema
    from rfconv_cli.export.document import load_schema
    from rfconv_cli.render import Screen

    schemas = {"fields": load_schema, "settings": settings_schema}
    if what not in schemas:
        raise UsageError(f"there is no schema {what!r}", hint="rfconv config schema fields", code="unknown_schema")
    Screen(quiet=False).document(schemas[what]())


@config_app.command("show", cls=SectionedCommand)
@with_settings()
def config_show(json: JsonOption = False, *, flags: dict[str, Any]) -> None:
    """Print the settings that `learn` would use here, as TOML."""
    from rfconv_cli.render import Screen
    from rfconv_cli.resolve import resolve

    Screen(quiet=False).settings(resolve(flags), as_json=json)


def _require_nothing(given: Mapping[str, Any]) -> None:
    """Raises UsageError where something is said beside --resume, which takes all as it was."""
    said = [name for name, value in given.items() if value is not None]
    said = [name if name == "DATA" else f"--{name.removeprefix('--').replace('_', '-')}" for name in said]
    if said:
        raise UsageError(
            f"--resume goes on with DATA and settings as they were, and takes no {', '.join(said)}",
            hint="rfconv learn --resume, with --runs where the runs lie elsewhere",
            code="usage",
        )


def _version(given: bool) -> None:
    if given:
        print(f"rfconv {__version__}")
        raise typer.Exit


def _find(run: str | None, screen: Any, flags: Mapping[str, Any] | None = None) -> Any:
    """The run that is meant, its settings with what the flags say of the table at hand."""
    from rfconv_cli.resolve import changed
    from rfconv_cli.run import find_run, open_run

    path = find_run(run, os.environ, Path.cwd())
    path = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    screen.notice(f"run {path}")
    found = open_run(path)
    return found if not flags else replace(found, settings=changed(found.settings, flags))
