"""Pictures of a run beside those of its fields: they say what the numbers say, and every label is there."""

import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
import pytest
from export_examples import AWKWARD_NAMES, clustered, learned, plain_names, support_for, surroundings
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from rfconv_cli.export.bars import edge_support, importance
from rfconv_cli.export.curves import training_curves
from rfconv_cli.export.document import fields_document
from rfconv_cli.export.groups import communities
from rfconv_cli.export.map import Place, field_map, places_of
from rfconv_cli.export.plots import render
from rfconv_cli.export.predicted import confusion, predicted_values, reliability
from rfconv_cli.fields.value import ReceptiveFields

HISTORY = [{"train_loss": 2.0 / i, "valid_loss": abs(i - 4) + 1.0} for i in range(1, 9)]
SEARCH = {"steps": 500, "losses": [2.3, 1.5, 1.1]}
PLACES = [Place("酒田", 38.9, 139.8), Place("那覇", 26.2, 127.7), Place("SAP", 43.1, 141.3)]


def texts(figure: Figure) -> set[str]:
    """The texts of the figure as an SVG, read by a parser that knows nothing of matplotlib."""
    root = ET.fromstring(render(figure, "svg"))
    return {"".join(node.itertext()).strip() for node in root.iter("{http://www.w3.org/2000/svg}text")}


def document(names: tuple[str, ...], **changes: Any) -> dict[str, Any]:
    fields = learned(names)
    rng = np.random.default_rng(0)
    measured = {"support": support_for(1, len(names), 4), "importance": rng.normal(1, 1, (1, len(names)))}
    stability = {"halves": 20, "threshold": 0.75}
    return fields_document(fields, **measured, **surroundings(fields, stability=stability, **changes))


def is_drawn(figure: Figure) -> bool:
    from io import BytesIO

    from PIL import Image

    pixels = np.asarray(Image.open(BytesIO(render(figure, "png"))).convert("L"))
    return bool(pixels.std() > 5 and min(pixels.shape) > 200)


def probabilities(rows: int, classes: int, sharp: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    raw = np.exp(sharp * rng.normal(size=(rows, classes)))
    shares = raw / raw.sum(axis=1, keepdims=True)
    truth = np.array([rng.choice(classes, p=row) for row in shares])
    return truth, shares


PICTURES = {
    "edge support": lambda: edge_support(document(plain_names(10))),
    "importance": lambda: importance(document(plain_names(10))),
    "training": lambda: training_curves(HISTORY, SEARCH, (1.0, 0.2)),
    "confusion": lambda: confusion(*probabilities(300, 5), list("abcde")),
    "reliability": lambda: reliability(*probabilities(300, 5)),
    "values": lambda: predicted_values(np.arange(50.0), np.arange(50.0) + 1, "load"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_not_blank_and_says_the_same_twice(name):
    figure = PICTURES[name]()
    assert is_drawn(figure)
    assert render(figure, "svg") == render(PICTURES[name](), "svg")


@pytest.mark.parametrize("count", [10, 800])
def test_edges_and_fields_are_named_the_surest_and_the_most_needed_first(count):
    told = document(plain_names(count))
    names = [column["name"] for column in told["columns"]]
    surest = max((e for e in told["edges"] if e["support"] is not None), key=lambda e: (e["support"], e["weight"]))
    assert f"{names[surest['from']]} → {names[surest['to']]}" in texts(edge_support(told))
    needed = max(told["fields"], key=lambda field: field["importance"])
    assert names[needed["centre"]] in texts(importance(told))


def test_the_line_of_stable_edges_stands_where_it_is():
    figure = edge_support(document(plain_names(10)))
    assert [axes.lines[0].get_xdata()[0] for axes in figure.axes] == [0.75, 0.75]
    assert "stable from 0.75" in texts(figure)


def test_every_edge_is_counted():
    told = document(plain_names(10))
    known = sum(edge["support"] is not None for edge in told["edges"])
    assert sum(patch.get_height() for patch in edge_support(told).axes[0].patches) == known


def test_what_was_not_measured_is_not_drawn():
    fields = learned(plain_names(6))
    told = fields_document(fields, **surroundings(fields))
    assert edge_support(told) is None
    assert importance(told) is None


@pytest.mark.parametrize("draw", [edge_support, importance])
def test_no_awkward_name_breaks_the_bars(draw):
    assert is_drawn(draw(document(AWKWARD_NAMES)))


def test_the_best_epoch_is_marked():
    shown = texts(training_curves(HISTORY))
    assert "best: epoch 4" in shown
    assert "search for R" not in shown


def test_the_temperature_falls_from_the_first_to_the_last_step():
    _, right, twin = training_curves(HISTORY, SEARCH, (2.0, 0.5)).axes
    steps, temperature = twin.lines[0].get_data()
    assert (steps[0], steps[-1]) == (0, 499)
    assert (temperature[0], temperature[-1]) == pytest.approx((2.0, 0.5))
    assert right.lines[0].get_xdata().tolist() == [0, 50, 100]


def test_no_epoch_is_nothing_to_draw():
    with pytest.raises(ValueError, match="no epoch"):
        training_curves([])


def test_a_confusion_matrix_counts_the_rows_in_the_order_of_the_classes():
    truth = np.array([0, 0, 1, 2, 2, 2])
    predicted = np.eye(3)[[0, 1, 1, 2, 2, 0]]
    figure = confusion(truth, predicted, ["1月", "2月", "10月"])
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["1月", "2月", "10月"]
    counted = {tuple(map(int, text.get_position())): int(text.get_text()) for text in axes.texts}
    assert counted == {(0, 0): 1, (1, 0): 1, (1, 1): 1, (2, 2): 2, (0, 2): 1}  # (predicted, true)


def test_a_confusion_matrix_of_many_classes_has_no_numbers():
    assert not confusion(*probabilities(500, 100), [str(i) for i in range(100)]).axes[0].texts


def test_probabilities_that_say_the_truth_lie_on_the_diagonal():
    figure = reliability(*probabilities(60_000, 4))
    said, was = figure.axes[0].lines[1].get_data()
    np.testing.assert_allclose(said, was, atol=0.03)
    told = next(text for text in texts(figure) if "calibration error" in text)
    assert float(told.split()[-1].rstrip(")")) < 0.01


def test_probabilities_that_flatter_have_a_calibration_error():
    truth, shares = probabilities(20_000, 4)
    flattering = shares**3 / (shares**3).sum(axis=1, keepdims=True)
    told = next(text for text in texts(reliability(truth, flattering)) if "calibration error" in text)
    expected = flattering.max(axis=1).mean() - (flattering.argmax(axis=1) == truth).mean()
    assert float(told.split()[-1].rstrip(")")) == pytest.approx(expected, abs=0.01)


def test_of_many_values_some_are_drawn():
    truth = np.random.default_rng(0).normal(size=20_000)
    figure = predicted_values(truth, truth, "load")
    assert len(figure.axes[0].collections[0].get_offsets()) == 5000
    assert "true load" in texts(figure)


@pytest.mark.parametrize(
    ("column", "place"),
    [
        ("酒田_平均気温(℃)", "酒田"),
        ("SAP temp", "SAP"),
        ("temp_sap", "SAP"),
        ("SAPPHIRE", None),
        ("temp", None),
        ("SAP", "SAP"),
    ],
)
def test_a_column_belongs_to_the_place_it_begins_or_ends_with(column, place):
    found = places_of([column], PLACES)
    assert found.get(column) == next((p for p in PLACES if p.name == place), None)


def test_the_longest_of_several_places_is_taken():
    near = [Place("tokyo", 35.7, 139.8), Place("tokyo_hachioji", 35.7, 139.3)]
    assert places_of(["tokyo_hachioji_temp"], near)["tokyo_hachioji_temp"] == near[1]


def test_a_map_has_an_arc_to_each_place_of_a_member_and_names_them():
    names = ("A_temp", "A_rain", "B_temp", "C_temp", "D_temp", "nowhere")
    members = np.array([[[0, 2, 3], [1, 0, 2], [2, 0, 1], [3, 2, 4], [4, 3, 5], [5, 0, 1]]])
    fields = ReceptiveFields.unweighted(names, members)
    places = [Place(name, lat, lon) for name, lat, lon in (("A", 40, 10), ("B", 41, 11), ("C", 45, 12), ("D", 39, 8))]
    figure = field_map(fields, places_of(names, places), ["A_temp", "B_temp", "D_temp"], groups=communities(fields))
    arcs = [sum(isinstance(p, FancyArrowPatch) for p in axes.patches) for axes in figure.axes[:3]]
    assert arcs == [
        2,
        1,
        1,
    ]  # A: B and C; B: A, for two of its columns; D: C, and the column that stands nowhere is left out
    named = [{text.get_text() for text in axes.texts} for axes in figure.axes[:3]]
    assert named == [{"A", "B", "C"}, {"B", "A ×2"}, {"D", "C"}]
    assert is_drawn(figure)


def test_without_a_wish_a_map_shows_centres_of_every_group_that_stand_somewhere():
    fields = clustered([4, 4, 4])
    places = [Place(name, i, 2 * i) for i, name in enumerate(fields.names[:8])]
    figure = field_map(fields, places_of(fields.names, places), groups=communities(fields))
    titles = [axes.get_title(loc="left") for axes in figure.axes if axes.get_title(loc="left")]
    assert len(titles) == 6
    assert set(titles) <= set(fields.names[:8])


def test_a_map_of_no_place_is_refused():
    with pytest.raises(ValueError, match="no centre has a place"):
        field_map(learned(plain_names(5)), {}, groups=[list(plain_names(5))])
