"""The table of `compare` for the terminal: the best first, within 80 columns."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from rfconv_cli.errors import printable

_OWN = "* "  # marks rfconv's own: a pipe shows no bold face


def comparison(document: Mapping[str, Any]) -> Table:
    """One line for each method of an `rfconv.compare`."""
    measure = document["measure"]
    table = Table(title=Text(_title(document)), title_justify="left", title_style="", box=None, pad_edge=False)
    table.padding = (0, 2, 0, 0)
    table.caption = Text(f"{_OWN}rfconv's own; scores of the test rows; fit includes choosing the settings")
    table.caption_justify, table.caption_style = "left", "dim"
    table.add_column("", overflow="fold", max_width=22)
    headings = (
        "accuracy" if measure == "accuracy" else "R²",
        "95 % interval",
        "learned\n− this",
        "its interval",
        "fit, s",
    )
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for row in document["methods"]:
        table.add_row(Text(_name(row), style="bold" if row["own"] else ""), *map(Text, _numbers(row, measure)))
    return table


def remarks(document: Mapping[str, Any]) -> Iterator[str]:
    """What the table has no room for: why methods failed, which did not converge, which took no row weights."""
    for row in document["methods"]:
        if row["status"].startswith("failed"):
            yield f"{row['label']} {row['status']}"
        if row["converged"] is False:
            yield f"{row['label']} did not converge: more iterations may do better"
        if row["weighted"] is False:
            yield f"{row['label']} takes no row weights: all rows counted alike"


def _title(document: Mapping[str, Any]) -> str:
    rows, target = document["rows"], printable(document["task"]["target"])
    return f"{target}: {rows['train'] + rows['valid']:,} rows to learn from, {rows['test']:,} held-out rows"


def _name(row: Mapping[str, Any]) -> str:
    return (_OWN if row["own"] else "") + printable(row["label"])


def _numbers(row: Mapping[str, Any], measure: str) -> Sequence[str]:
    if measure not in row:
        return ("", row["status"].partition(":")[0], "", "", "")
    score, (low, high) = row[measure], row["interval"]
    fit = f"{row['seconds']['fit_with_tuning']:,.1f}" if row["seconds"] else ""
    gain = row.get("difference")
    against = ("", "") if gain is None else (f"{gain['mean']:+.3f}", "{:+.3f} – {:+.3f}".format(*gain["interval"]))
    return (f"{score:.3f}", f"{low:.3f} – {high:.3f}", *against, fit)
