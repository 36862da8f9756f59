"""What a user sees: results on stdout; progress and notices on stderr. Every user string as Text, never as markup."""

import io
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rfconv_cli.config import Settings, to_toml
from rfconv_cli.errors import printable
from rfconv_cli.export.meaning import MODELS, SOURCES
from rfconv_cli.files import to_json, write_with
from rfconv_cli.progress import Bars, Lines
from rfconv_cli.render_compare import comparison, remarks

if TYPE_CHECKING:  # torch stands behind it, and most commands need none
    from rfconv_cli.fields.search import Progress as Told

_GROUPS_SHOWN = 8


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
        """One line of what was decided or done; a terminal wraps it between words."""
        self.err.print(Text(printable(text), style="dim"), soft_wrap=not self.err.is_terminal)

    def notices(self, texts: Iterable[str]) -> None:
        """Several notices."""
        for text in texts:
            self.notice(text)

    def next(self, *commands: str) -> None:
        """The commands that a user would type next."""
        told = printable("next: " + "  ·  ".join(commands))
        self.err.print(Text(told, style="dim"), soft_wrap=True)  # whole, so that they can be copied

    def document(self, document: Any) -> None:
        """One JSON document on stdout."""
        self.put(to_json(document).encode(), None)

    def settings(self, settings: Settings, *, as_json: bool) -> None:
        """Settings as a rfconv.toml, or as an `rfconv.settings` with those that are unset, too."""
        if as_json:
            values = settings.model_dump(mode="json")
            self.document({"format": "rfconv.settings", "format_version": 1, "settings": values})
        else:
            self.put(to_toml(settings), None)

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
        if sys.stdout.isatty():  # a program is given names as they are; a terminal would obey some of them
            sys.stdout.write(printable(whole.getvalue().decode("utf-8", errors="replace")))
        else:
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
                Text.assemble(("Fields   ", "bold"), printable(SOURCES.get(result["source"], result["source"])))
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
            start = f"group {i:<3}"
            names = _as_fit([printable(name) for name in group], self.out.width - len(start))
            self.out.print(Text.assemble((start, "bold"), names), soft_wrap=True)
        if len(groups) > _GROUPS_SHOWN:
            self.out.print(Text(f"and {len(groups) - _GROUPS_SHOWN} more groups in fields.json"))

    def runs(self, entries: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
        """The list of runs."""
        if as_json:
            self.document({"format": "rfconv.runs", "format_version": 1, "runs": list(entries)})
            return
        self.out.print(_runs(entries, self.out.width))

    @contextmanager
    def progress(self) -> "Iterator[Told]":
        """A function (stage, share done): bars on a terminal, a line now and then elsewhere, nothing when quiet."""
        if self.quiet:
            yield lambda stage, share: None
        elif self.err.is_terminal and not self.err.is_dumb_terminal:
            with Bars(self.err) as bars:
                yield bars.tell
        else:
            yield Lines(self.notice).tell


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
    controls = result.get("controls", {})
    for heading in (measure, "95 % interval", *(("learned − this", "parameters") if controls else ())):
        table.add_column(heading, justify="right", no_wrap=True)
    size = result.get("network", {}).get("parameters")
    ours = (Text("learned fields", style="bold"), _number(test), _interval(test["interval"]))
    table.add_row(*ours, *(("", _count(size)) if controls else ()))
    for name, control in controls.items():
        draws = len(control["draws"])
        label = MODELS.get(name, name) + (f" ({draws} draws)" if draws > 1 else "")
        gain = control["difference"]
        table.add_row(
            Text(printable(label)),
            _number(control),
            _interval(control["interval"]),
            Text(_said(gain["mean"], "+.3f")),
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
    table.box, table.pad_edge, table.padding = None, False, (0, 2, 0, 0)
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


def _runs(entries: Sequence[Mapping[str, Any]], width: int) -> Table:
    """Names of runs stay whole where they can, since they are typed after --run; other cells fold before them."""
    names = [printable(Path(entry["path"]).name) for entry in entries]
    table = Table(box=None, pad_edge=False)
    table.add_column("run", overflow="fold", no_wrap=max(map(cell_len, names), default=0) <= width // 2)
    for heading in ("target", "test score", "verdict", ""):
        table.add_column(heading, overflow="fold")
    for name, entry in zip(names, entries, strict=True):
        verdict = str(entry["verdict"] or "").replace("_", " ")
        row = (name, entry["target"], _score(entry["test"]), verdict, "latest" if entry["latest"] else "")
        table.add_row(*(Text(printable(cell)) for cell in row))
    return table


def _as_fit(names: Sequence[str], width: int) -> str:
    """The first of the names, as many as a line holds, and how many more there are."""
    for shown in range(len(names), 0, -1):
        rest = len(names) - shown
        text = ", ".join(names[:shown]) + (f" and {rest} more" if rest else "")
        if cell_len(text) <= width:
            return text
    only = Text(names[0])
    only.truncate(width, overflow="ellipsis")
    return only.plain


def _loss(value: float | None) -> Text:
    return Text("" if value is None else f"{value:.4f}")


def _title(result: Mapping[str, Any]) -> str:
    held_out = "" if "data" in result else "held-out "
    split = result.get("split") or {}
    whole = {"calendar": f"whole {split.get('unit')}s", "group": f"whole groups of {split.get('column')}"}
    drawn = whole.get(str(split.get("kind")), "rows")
    return f"{result['test']['rows']:,} {held_out}rows; intervals by bootstrap over {drawn}"


def _number(scores: Mapping[str, Any]) -> Text:
    return Text(_said(scores["accuracy"] if "accuracy" in scores else scores["r2"]))


def _interval(pair: Sequence[float | None]) -> Text:
    return Text(f"{_said(pair[0])} – {_said(pair[1])}")


def _said(number: float | None, form: str = ".3f") -> str:
    return "?" if number is None else format(number, form)


def _count(number: int | None) -> Text:
    return Text("" if number is None else f"{number:,}")


def _score(test: Mapping[str, Any]) -> str:
    if "accuracy" in test:
        return f"accuracy {_said(test['accuracy'])}"
    return f"R² {_said(test['r2'])}, RMSE {_said(test.get('rmse'), '.4g')}" if "r2" in test else ""
