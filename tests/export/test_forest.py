"""The forest plot: a line for each method, all of them named, rfconv's own told apart."""

import re
from itertools import pairwise

import numpy as np
import pytest

from rfconv_cli.export.forest import forest_plot
from rfconv_cli.export.plots import render

NAMES = ["gradient boosting", "learned fields", "random fields (5 draws)", "plain MLP", "correlation fields"]
LABELS = [*NAMES, *(f"method {i}" for i in range(8)), "a method of an uncommonly long name indeed"]


def document(labels=LABELS, measure: str = "accuracy", target: str = "month", scores=None) -> dict:
    values = np.linspace(0.9, 0.3, len(labels)) if scores is None else scores
    rows = [
        {
            "name": label.replace(" ", "_"),
            "label": label,
            "own": "fields" in label or "MLP" in label,
            "status": "done",
            measure: float(value),
            "interval": [float(value) - 0.05, float(value) + 0.05],
        }
        for label, value in zip(labels, values, strict=True)
    ]
    return {"task": {"target": target}, "measure": measure, "rows": {"test": 1723}, "methods": rows}


def texts(figure) -> list[str]:
    return re.findall(r">([^<>]+)</text>", render(figure, "svg").decode())


def test_every_method_of_fourteen_is_named_and_numbered():
    found = texts(forest_plot(document()))
    assert {label for label in LABELS if len(label) <= 30} <= set(found)
    assert any(text.startswith("a method of an") and "…" in text for text in found)
    assert {"0.900", "0.300"} <= set(found)


def test_labels_do_not_overlap():
    figure = forest_plot(document())
    boxes = [tick.get_window_extent() for tick in figure.axes[0].get_yticklabels()]
    assert not any(a.overlaps(b) for a, b in pairwise(boxes))
    assert min(box.x0 for box in boxes) >= 0


def test_own_methods_differ_in_colour_and_marker():
    lines = [line for line in forest_plot(document()).axes[0].lines if len(line.get_xdata()) == 1]
    looks = {(line.get_color(), line.get_marker()) for line in lines}
    assert len(looks) == len({colour for colour, _ in looks}) == len({marker for _, marker in looks}) == 2


def test_a_method_without_a_score_says_why():
    given = document(["learned fields", "k-NN", "SVM"], scores=[0.9, 0.8, 0.7])
    for row, status in zip(given["methods"][1:], ("time limit", "failed: ValueError: long"), strict=True):
        del row["accuracy"], row["interval"]
        row["status"] = status
    found = texts(forest_plot(given))
    assert {"k-NN", "time limit", "failed"} <= set(found)
    assert not any("ValueError" in text for text in found)


@pytest.mark.parametrize("target", ["price_$x^$", "月", "<script>", "x" * 200, "two\nlines"])
def test_any_target_can_be_drawn(target):
    svg = render(forest_plot(document(target=target)), "svg").decode()
    assert "<script>" not in svg
    assert "1,723 test rows" in svg


def test_a_hopeless_r2_does_not_push_the_others_together():
    figure = forest_plot(document(["learned fields", "ridge", "tree"], "r2", scores=[0.9, 0.8, -400.0]))
    low, high = figure.axes[0].get_xlim()
    assert high - low < 3
    assert "<" in [line.get_marker() for line in figure.axes[0].lines]
    assert "-400.000" in texts(figure)


def test_one_document_gives_one_picture():
    assert render(forest_plot(document()), "png") == render(forest_plot(document()), "png")
