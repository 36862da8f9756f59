"""The groups of columns as a small HTML table, for notebooks. Column names are foreign text and stay text."""

from collections.abc import Sequence
from html import escape

from rfconv_cli.errors import printable

_MOST_GROUPS = 12
_MOST_NAMES = 12


def groups_table(groups: Sequence[Sequence[str]]) -> str:
    """The largest groups, a row for each: its number, how many columns it has, and the first of their names."""
    rows = "".join(_row(number, group) for number, group in enumerate(groups[:_MOST_GROUPS]))
    more = len(groups) - _MOST_GROUPS
    rest = f"<tr><td></td><td></td><td>and {more} more groups</td></tr>" if more > 0 else ""
    return (
        '<table class="rfconv-groups"><caption>Columns that share receptive fields</caption>'
        "<thead><tr><th>group</th><th>columns</th><th>names</th></tr></thead>"
        f"<tbody>{rows}{rest}</tbody></table>"
    )


def _row(number: int, group: Sequence[str]) -> str:
    names = ", ".join(group[:_MOST_NAMES])
    more = f" and {len(group) - _MOST_NAMES} more" if len(group) > _MOST_NAMES else ""
    told = escape(printable(names).replace("\n", " "))
    return f'<tr><td>{number}</td><td>{len(group)}</td><td style="text-align: left">{told}{more}</td></tr>'
