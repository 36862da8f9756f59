"""Groups of columns as HTML: names are text, whatever stands in them."""

import pytest

from rfconv_cli.export.notebook import groups_table


def test_groups_stand_in_their_order_with_their_sizes():
    html = groups_table([["a", "b", "c"], ["d"]])
    assert "<td>0</td><td>3</td>" in html
    assert html.index("a, b, c") < html.index("<td>1</td><td>1</td>")


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("<b>", "&lt;b&gt;"),
        ("\"&'", "&quot;&amp;&#x27;"),
        ("a\x1b[31mb\nc", "a\N{REPLACEMENT CHARACTER}[31mb c"),
        ("気温(℃)", "気温(℃)"),
        ("\u202egnp", "\N{REPLACEMENT CHARACTER}gnp"),
    ],
)
def test_a_name_is_text(name, written):
    assert f">{written}</td>" in groups_table([[name]])


def test_many_groups_and_long_ones_are_cut_and_say_so():
    html = groups_table([[f"c{i}" for i in range(40)], *([f"x{i}"] for i in range(20))])
    assert "c11 and 28 more" in html
    assert "and 9 more groups" in html
    assert "x19" not in html
