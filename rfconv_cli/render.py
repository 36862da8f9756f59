"""What a user sees: results on stdout; progress and notices on stderr. Every user string as Text, never as markup."""

import io
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from rfconv_cli.errors import printable
from rfconv_cli.files import to_json, write_with
from rfconv_cli.render_compare import comparison, remarks

if TYPE_CHECKING:  # torch stands behind it, and most commands need none
    from rfconv_cli.fields.search import Progress as Told

_LINE_EVERY = 10.0  # seconds between progress lines where there is no terminal
_MODELS = {"random_fields": "random fields", "correlation_fields": "correlation fields", "mlp": "plain MLP"}
_GROUPS_SHOWN = 8
_SOURCES = {
    "correlation": "by correlation, slots by strength (--kernel own needs no common order)",
    "interaction": "by interaction, slots by strength (--kernel own needs no common order)",
    "aligned": "by correlation, slots aligned",
    "aligned partial": "by partial correlation, slots aligned",
    "aligned interaction": "by interaction, slots aligned",
    "moments": "by second moments, slots aligned",
    "searched": "searched by gradient descent",
    "random": "random; the contest found none better",
    "given": "as given",
}


class _Console(Console):
    """rich's own ends the process with 1 when the reader of the output leaves; `cli.run_app` knows better."""

    def on_broken_pipe(self) -> NoReturn:
        """Called while the BrokenPipeError is handled: passes it on."""
        raise


class Screen:
    """One command's output. quiet: nothing on stderr."""

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet
        self.out = _Console(highlight=False, soft_wrap=False)
        self.err = Console(stderr=True, highlight=False, quiet=quiet)

    def notice(self, text: str) -> None:
        """One line of what was decided or done."""
        self.err.print(Text(printable(text), style="dim"), soft_wrap=True)

    def notices(self, texts: Iterable[str]) -> None:
        """Several notices."""
        for text in texts:
            self.notice(text)

    def next(self, *commands: str) -> None:
        """The commands that a user would type next."""
        self.notice("next: " + "  ·  ".join(commands))

    def document(self, document: Any) -> None:
        """One JSON document on stdout."""
        self.put(to_json(document).encode(), None)

    def lines(self, texts: Iterable[str]) -> None:
        """Plain lines on stdout, for other programs to read."""
        for text in texts:
            self.out.print(Text(printable(text)), soft_wrap=True)

    def put(self, data: bytes, path: Path | None) -> None:
        """Bytes to a file, whole or not at all, or to stdout."""
        self.put_with(lambda file: file.write(data), path)

    def put_with(self, fill: Callable[[IO[bytes]], object], path: Path | None) -> None:
        """What `fill` writes to a file or to stdout; nothing of it where it fails."""
        if path is not None:
            write_with(path, fill)
            self.notice(f"wrote {path}")
            return
        whole = io.BytesIO()
        fill(whole)
        sys.stdout.flush()
        sys.stdout.buffer.write(whole.getbuffer())
        sys.stdout.flush()

    def result(self, result: Mapping[str, Any], *, as_json: bool) -> None:
        """An `rfconv.result`: scores beside their controls, and the verdict."""
        if as_json:
            self.document(result)
            return
        self.out.print(_scores(result))
        self.out.print()
        if "verdict" in result:
            self.out.print(Text.assemble(("Verdict  ", "bold"), printable(result["verdict"]["sentence"])))
        if "source" in result:
            self.out.print(
                Text.assemble(("Fields   ", "bold"), printable(_SOURCES.get(result["source"], result["source"])))
            )
        self.out.print(Text.assemble(("Run      ", "bold"), printable(result["run"]["path"])), soft_wrap=True)

    def check(self, document: Mapping[str, Any], *, as_json: bool) -> None:
        """An `rfconv.check`: the parts with their classes, then the findings."""
        if as_json:
            self.document(document)
            return
        size = document["table"]
        self.out.print(
            Text(
                f"{size['rows']:,} rows, {size['columns']:,} columns, {len(document['learned_from']):,} learned from; "
                f"{document['missing']['cells']:.1%} of their cells missing"
            )
        )
        self.out.print(_parts(document))
        self.out.print()
        findings = document["findings"]
        for finding in findings:
            self.out.print(Text.assemble(("! ", "bold"), printable(finding["message"])))
            self.out.print(Text(f"  {printable(finding['hint'])}", style="dim"))
        number = "1 finding" if len(findings) == 1 else f"{len(findings)} findings"
        self.out.print(Text(number if findings else "nothing suspicious"))

    def comparison(self, document: Mapping[str, Any], *, as_json: bool) -> None:
        """An `rfconv.compare`: every method, the best first, and what that says of the learned fields."""
        if as_json:
            self.document(document)
            return
        self.out.print(comparison(document))
        for remark in remarks(document):
            self.out.print(Text(printable(remark)))
        self.out.print()
        self.out.print(Text.assemble(("Verdict  ", "bold"), printable(document["verdict"]["sentence"])))

    def contest(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Which fields took part, and which were chosen; nothing where there was no contest."""
        if rows:
            self.out.print(_contest(rows))
            self.out.print()

    def groups(self, groups: Sequence[Sequence[str]]) -> None:
        """The groups of columns that share fields, one line each."""
        for i, group in enumerate(groups[:_GROUPS_SHOWN]):
            line = Text.assemble((f"group {i:<3}", "bold"), printable(", ".join(group)))
            line.truncate(self.out.width, overflow="ellipsis")
            self.out.print(line)
        if len(groups) > _GROUPS_SHOWN:
            self.out.print(Text(f"and {len(groups) - _GROUPS_SHOWN} more groups in fields.json"))

    def runs(self, entries: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
        """The list of runs."""
        if as_json:
            self.document({"format": "rfconv.runs", "format_version": 1, "runs": list(entries)})
            return
        table = Table(box=None, pad_edge=False)
        for heading in ("run", "target", "test score", "verdict"):
            table.add_column(heading, overflow="fold")
        for entry in entries:
            mark = " (latest)" if entry["latest"] else ""
            verdict = str(entry["verdict"] or "").replace("_", " ")
            row = (Path(entry["path"]).name + mark, entry["target"], _score(entry["test"]), verdict)
            table.add_row(*(Text(printable(cell)) for cell in row))
        self.out.print(table)

    @contextmanager
    def progress(self) -> "Iterator[Told]":
        """A function (stage, share done): bars on a terminal, a line now and then elsewhere, nothing when quiet."""
        if self.quiet:
            yield lambda stage, share: None
        elif not self.err.is_terminal:
            yield _Lines(self).tell
        else:
            columns = (TextColumn("{task.description:<9}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
            with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=self.err) as bars:
                yield _Bars(bars).tell


class _Bars:
    """Progress as one bar per stage."""

    def __init__(self, bars: Progress) -> None:
        self.bars = bars
        self.tasks: dict[str, Any] = {}

    def tell(self, stage: str, share: float) -> None:
        if stage not in self.tasks:
            self.tasks[stage] = self.bars.add_task(stage, total=1.0)
        self.bars.update(self.tasks[stage], completed=share)


class _Lines:
    """Progress as lines: the start of each stage, then at most one every few seconds."""

    def __init__(self, screen: Screen) -> None:
        self.screen = screen
        self.stage = ""
        self.began = self.told = 0.0

    def tell(self, stage: str, share: float) -> None:
        now = time.monotonic()
        if stage != self.stage:
            self.stage, self.began, self.told = stage, now, now
            self.screen.notice(f"{stage} …")
        elif now - self.told >= _LINE_EVERY and share > 0:
            self.told = now
            left = (now - self.began) * (1 - share) / share
            self.screen.notice(f"{stage} {share:.0%}, {left:.0f} s left")


def _scores(result: Mapping[str, Any]) -> Table:
    test = result["test"]
    measure = "accuracy" if "accuracy" in test else "R²"
    table = Table(
        title=Text(printable(_title(result))),
        title_justify="left",
        title_style="",
        box=None,
        pad_edge=False,
        padding=(0, 3, 0, 0),
    )
    table.add_column("")
    for heading in (measure, "95 % interval", "learned − this", "parameters"):
        table.add_column(heading, justify="right", no_wrap=True)
    size = result.get("network", {}).get("parameters")
    table.add_row(Text("learned fields", style="bold"), _number(test), _interval(test["interval"]), "", _count(size))
    for name, control in result.get("controls", {}).items():
        draws = len(control["draws"])
        label = _MODELS.get(name, name) + (f" ({draws} draws)" if draws > 1 else "")
        gain = control["difference"]
        table.add_row(
            Text(printable(label)),
            _number(control),
            _interval(control["interval"]),
            Text(f"{gain['mean']:+.3f}"),
            _count(control.get("parameters")),
        )
    return table


def _parts(document: Mapping[str, Any]) -> Table:
    classes = document["task"]["classes"]
    table = Table(box=None, pad_edge=False)
    table.padding = (0, 3, 0, 0)
    table.add_column(Text(printable(document["task"]["target"])), overflow="fold")
    for part in document["parts"]:
        table.add_column(part, justify="right", no_wrap=True)
    for code, label in enumerate(classes):
        counts = (f"{part['classes'][code]:,}" for part in document["parts"].values())
        table.add_row(Text(printable(str(label))), *counts)
    table.add_row("all rows", *(f"{part['rows']:,}" for part in document["parts"].values()), style="bold")
    return table


def _contest(rows: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(
        title=Text("contest on the validation rows, the preferred first"), title_justify="left", title_style=""
    )
    table.box, table.pad_edge, table.padding = None, False, (0, 3, 0, 0)
    table.add_column("fields")
    for heading in ("brief loss", "loss", "behind best", "std. error", ""):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        geometry = f" ({row['geometry']})" if row["geometry"] not in (None, "unaligned") else ""
        table.add_row(
            Text(row["entry"] + geometry),
            *(_loss(row[key]) for key in ("brief_loss", "valid_loss", "behind_best", "standard_error")),
            Text("chosen" if row["chosen"] else ""),
        )
    return table


def _loss(value: float | None) -> Text:
    return Text("" if value is None else f"{value:.4f}")


def _title(result: Mapping[str, Any]) -> str:
    held_out = "" if "data" in result else "held-out "
    split = result.get("split") or {}
    whole = {"calendar": f"whole {split.get('unit')}s", "group": f"whole groups of {split.get('column')}"}
    drawn = whole.get(str(split.get("kind")), "rows")
    return f"{result['test']['rows']:,} {held_out}rows; intervals by bootstrap over {drawn}"


def _number(scores: Mapping[str, Any]) -> Text:
    return Text(f"{scores['accuracy'] if 'accuracy' in scores else scores['r2']:.3f}")


def _interval(pair: Sequence[float]) -> Text:
    return Text(f"{pair[0]:.3f} – {pair[1]:.3f}")


def _count(number: int | None) -> Text:
    return Text("" if number is None else f"{number:,}")


def _score(test: Mapping[str, Any]) -> str:
    if "accuracy" in test:
        return f"accuracy {test['accuracy']:.3f}"
    return f"R² {test['r2']:.3f}, RMSE {test['rmse']:.4g}" if "r2" in test else ""
