"""The pictures: they open, they are not blank, they say what the fields say, and no name breaks them."""

import io
import xml.etree.ElementTree as ET
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Literal

import matplotlib
import numpy as np
import pytest
from export_examples import AWKWARD_NAMES, cluster_names, clustered, given, learned, plain_names, shuffled
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from rfconv_cli.errors import UsageError
from rfconv_cli.export import graph
from rfconv_cli.export.centres import MOST_CENTRES, default_centres
from rfconv_cli.export.groups import communities, field_graph
from rfconv_cli.export.layout import group_layout
from rfconv_cli.export.placing import place_labels
from rfconv_cli.export.plots import centre_views, draw_all, field_graph_plot, field_matrix, render, save_figure
from rfconv_cli.export.style import house_style, labels, new_figure
from rfconv_cli.fields.value import ReceptiveFields

GRIDS = {10: (2, 5), 60: (6, 10), 300: (15, 20)}
SHOWN = 3  # centres in the larger pictures

KINDS: dict[str, Callable[[ReceptiveFields], Figure]] = {
    "field-matrix": lambda fields: field_matrix(fields, communities(fields)),
    "centres": lambda fields: centre_views(fields, fields.names[:SHOWN]),
    "centres-grid": lambda fields: centre_views(fields, fields.names[:SHOWN], GRIDS.get(len(fields.names), (1, 6))),
    "field-graph": lambda fields: field_graph_plot(fields, communities(fields)),
}
every_kind = pytest.mark.parametrize("kind", list(KINDS))
every_size = pytest.mark.parametrize("count", list(GRIDS))


@cache
def fields_of(count: int) -> ReceptiveFields:
    return learned(plain_names(count), size=4, seed=count)


@cache
def picture(kind: str, count: int, form: Literal["png", "svg"]) -> bytes:
    return render(figure_of(kind, count), form)


@cache
def figure_of(kind: str, count: int) -> Figure:
    return KINDS[kind](fields_of(count))


def texts(svg: bytes) -> list[str]:
    """The texts of an SVG, read by a parser that knows nothing of matplotlib."""
    return ["".join(node.itertext()) for node in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def pixels(png: bytes) -> np.ndarray:
    """(H, W, 3) uint8."""
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image.convert("RGB"))


# They open and are not blank


@every_size
@every_kind
def test_a_png_opens_and_has_a_sensible_size(kind, count):
    height, width, _ = pixels(picture(kind, count, "png")).shape
    assert 200 < height < 4000
    assert 300 < width < 4000


@every_size
@every_kind
def test_a_png_is_not_blank(kind, count):
    image = pixels(picture(kind, count, "png"))
    inked = (image < 245).any(axis=2).mean()
    colours = len(np.unique((image // 32) @ [64, 8, 1]))
    assert inked > 0.01
    assert colours >= 8


@every_size
@every_kind
def test_a_png_has_no_empty_margin(kind, count):
    ink = (pixels(picture(kind, count, "png")) < 245).any(axis=2)
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    margins = (rows[0], columns[0], ink.shape[0] - 1 - rows[-1], ink.shape[1] - 1 - columns[-1])
    assert max(margins) <= 50  # of 150 to the inch


def expected_texts(kind: str, count: int) -> set[str]:
    fields = fields_of(count)
    groups = communities(fields)
    if kind == "centres":
        rows = [fields.by_name()[centre] for centre in fields.names[:SHOWN]]
        return {*fields.names[:SHOWN], *(f"{name}  {k}" for row in rows for k, name in enumerate(row) if k)}
    if kind == "centres-grid":
        return set(fields.names[:SHOWN])
    if count <= 80:
        return set(fields.names)
    if kind == "field-matrix":
        return {f"group {i} ({len(group)})" for i, group in enumerate(groups) if len(group) > 0.02 * count}
    return {f"{i}: {hub_of(fields, group)}" for i, group in enumerate(groups)}


def hub_of(fields: ReceptiveFields, group: list[str]) -> str:
    total = dict.fromkeys(fields.names, 0.0)
    for centre, slot in np.ndindex(len(fields.names), fields.kernel_size):
        if slot:
            for end in (centre, fields.members[0, centre, slot]):
                total[fields.names[end]] += float(fields.weights[0, centre, slot])
    return max(group, key=lambda name: total[name])


@every_size
@every_kind
def test_an_svg_holds_the_names_as_text(kind, count):
    assert expected_texts(kind, count) <= set(texts(picture(kind, count, "svg")))


@pytest.mark.parametrize("form", ["png", "svg"])
@every_kind
def test_the_same_figure_gives_the_same_bytes(kind, form):
    assert render(figure_of(kind, 10), form) == picture(kind, 10, form)


@every_kind
def test_the_same_fields_give_the_same_picture(kind):
    assert render(KINDS[kind](fields_of(10)), "svg") == picture(kind, 10, "svg")


@pytest.mark.parametrize("kind", ["field-matrix", "field-graph"])
def test_the_order_of_the_columns_changes_no_picture(kind):
    assert render(KINDS[kind](shuffled(fields_of(10))), "png") == picture(kind, 10, "png")


def test_the_users_matplotlibrc_changes_no_picture():
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "lines.linewidth": 9, "savefig.dpi": 20}):
        assert render(KINDS["centres"](fields_of(10)), "png") == picture("centres", 10, "png")


# Names


@cache
def awkward_texts(kind: str) -> set[str]:
    fields = learned(AWKWARD_NAMES, size=3)
    shape = (4, 4)
    figure = centre_views(fields, fields.names[:SHOWN], shape) if kind == "centres-grid" else KINDS[kind](fields)
    render(figure, "png")
    return set(texts(render(figure, "svg")))


@pytest.mark.parametrize("name", AWKWARD_NAMES[:SHOWN])
@every_kind
def test_the_worst_names_are_drawn_as_they_are(kind, name):
    assert name in awkward_texts(kind)


@pytest.mark.parametrize("name", ["_hidden", '<a href="&amp;">\'', "\\frac{1}{2} %s {} {0}", "#3"])
@pytest.mark.parametrize("kind", ["field-matrix", "field-graph"])
def test_an_awkward_name_is_drawn_as_it_is(kind, name):
    assert name in awkward_texts(kind)


@pytest.mark.parametrize(("kind", "width"), [("field-matrix", 26), ("field-graph", 22)])
def test_every_awkward_name_has_a_text_of_its_own(kind, width):
    assert set(labels(AWKWARD_NAMES, width).values()) <= awkward_texts(kind)


@every_kind
def test_no_awkward_name_makes_a_text_long(kind):
    assert max(len(text) for text in awkward_texts(kind)) < 120


# Errors


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ({"shape": (3, 4)}, "shape_mismatch", "3 × 4"),
        ({"shape": (0, 10)}, "shape_mismatch", "0 × 10"),
        ({"shape": (-2, -5)}, "shape_mismatch", "-2 × -5"),
        ({"centres": ["sensor_00"]}, "unknown_column", "'sensor_00'"),
        ({"centres": ["sensor_001", ""]}, "unknown_column", "''"),
        ({"centres": ["SENSOR_001"]}, "unknown_column", "sensor_001"),
    ],
)
def test_a_wrong_wish_is_a_usage_error_with_a_hint(arguments, code, says):
    with pytest.raises(UsageError) as caught:
        centre_views(fields_of(10), **arguments)
    assert (caught.value.code, bool(caught.value.hint)) == (code, True)
    assert says in caught.value.message


def test_too_many_centres_are_a_usage_error():
    with pytest.raises(UsageError) as caught:
        centre_views(fields_of(300), fields_of(300).names[: MOST_CENTRES + 1])
    assert caught.value.code == "too_many_centres"


@pytest.mark.parametrize("groups", [[], [plain_names(9)], [plain_names(10), ["sensor_000"]]])
@pytest.mark.parametrize("draw", [field_matrix, field_graph_plot])
def test_groups_that_are_no_partition_are_refused(draw, groups):
    with pytest.raises(ValueError, match="columns once"):
        draw(fields_of(10), groups)


# The field matrix


def dense(fields: ReceptiveFields) -> np.ndarray:
    """(N, N) the largest weight of each member, NaN where there is none."""
    weights = np.full((len(fields.names), len(fields.names)), np.nan)
    for d, centre, slot in np.ndindex(*fields.members.shape):
        if slot:
            member = fields.members[d, centre, slot]
            weights[centre, member] = np.fmax(weights[centre, member], fields.weights[d, centre, slot])
    return weights


def shown_array(axes: Axes, which: int) -> np.ndarray:
    return np.ma.filled(np.ma.asarray(axes.images[which].get_array(), np.float64), np.nan)


@every_size
def test_the_matrix_shows_the_weights_in_the_order_of_the_groups(count):
    fields = fields_of(count)
    order = [fields.names.index(name) for group in communities(fields) for name in group]
    shown = shown_array(figure_of("field-matrix", count).axes[0], 1)
    np.testing.assert_array_equal(shown, dense(fields)[np.ix_(order, order)])


def test_the_matrix_shows_the_largest_weight_of_all_layers():
    fields = learned(plain_names(10), depth=3)
    shown = shown_array(field_matrix(fields, [fields.names]).axes[0], 1)
    np.testing.assert_array_equal(shown, dense(fields))


def test_a_member_of_weight_zero_is_no_white_cell():
    fields = clustered((3, 3), size=3, stray=0.0)
    axes = field_matrix(fields, cluster_names((3, 3))).axes[0]
    np.testing.assert_array_equal(np.isnan(shown_array(axes, 1)), np.isnan(dense(fields)))


def test_the_diagonal_is_the_centres():
    axes = figure_of("field-matrix", 10).axes[0]
    np.testing.assert_array_equal(shown_array(axes, 0) == 1, np.eye(10, dtype=bool))


def test_a_large_matrix_shows_the_largest_weight_of_each_block():
    fields = learned(plain_names(1200), size=3)
    axes = field_matrix(fields, [fields.names]).axes[0]
    blocks = dense(fields).reshape(400, 3, 400, 3)
    with np.errstate(all="ignore"):
        expected = np.where(np.isnan(blocks).all(axis=(1, 3)), np.nan, np.nanmax(np.nan_to_num(blocks, nan=-1), (1, 3)))
    np.testing.assert_array_equal(shown_array(axes, 1), expected)


def test_the_ticks_of_the_matrix_name_its_rows():
    fields = fields_of(60)
    axes = figure_of("field-matrix", 60).axes[0]
    order = [name for group in communities(fields) for name in group]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == order
    assert [tick.get_text() for tick in axes.get_xticklabels()] == order


def test_every_weight_lies_on_the_scale_of_the_matrix():
    image = figure_of("field-matrix", 60).axes[0].images[1]
    low, high = image.get_clim()
    assert low == 0
    assert np.nanmax(dense(fields_of(60))) <= high


# Single centres


def offsets(axes: Axes, which: int) -> np.ndarray:
    marks = [found for found in axes.collections if isinstance(found, PathCollection)]
    return np.asarray(marks[which].get_offsets())


def test_slot_views_show_members_at_their_weights():
    fields = fields_of(10)
    for m, axes in enumerate(figure_of("centres", 10).axes[:SHOWN]):
        np.testing.assert_allclose(offsets(axes, 1), np.stack([fields.weights[0, m, 1:], [1, 2, 3]], axis=1))


def test_slot_views_show_runners_up_at_their_weights():
    fields = fields_of(10)
    for m, axes in enumerate(figure_of("centres", 10).axes[:SHOWN]):
        np.testing.assert_allclose(offsets(axes, 0), np.stack([fields.runner_up_weights[0, m, 1:], [1, 2, 3]], axis=1))


def test_slot_views_name_the_runners_up_at_the_right():
    fields = fields_of(10)
    for m, axes in enumerate(figure_of("centres", 10).axes[:SHOWN]):
        (right,) = axes.child_axes
        named = [tick.get_text() for tick in right.get_yticklabels()]
        assert named == [fields.names[n] for n in fields.runners_up[0, m, 1:]]


def test_given_fields_show_no_runner_up():
    figure = centre_views(given(plain_names(6)))
    assert all(not axes.child_axes for axes in figure.axes)
    assert not any("runner-up" in text for text in texts(render(figure, "svg")))


def test_grid_views_show_weights_at_the_members_pixels():
    fields = fields_of(60)
    for m, axes in enumerate(figure_of("centres-grid", 60).axes[:SHOWN]):
        expected = np.full(60, np.nan)
        expected[fields.members[0, m, 1:]] = fields.weights[0, m, 1:]
        np.testing.assert_array_equal(shown_array(axes, 0), expected.reshape(6, 10))


def test_grid_views_number_the_slots():
    fields = fields_of(60)
    for m, axes in enumerate(figure_of("centres-grid", 60).axes[:SHOWN]):
        at = {(int(x), int(y)): text.get_text() for text in axes.texts for x, y in [text.get_position()]}
        assert at == {(n % 10, n // 10): str(k) for k, n in enumerate(fields.members[0, m].tolist())}


def test_grid_views_mark_the_centre():
    for m, axes in enumerate(figure_of("centres-grid", 60).axes[:SHOWN]):
        (mark,) = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
        assert mark.get_center() == pytest.approx((m % 10, m // 10))


def test_a_pixel_in_two_slots_shows_both_and_the_larger_weight():
    members = np.array([[[0, 1, 1], [1, 0, 0]]])
    weights = np.array([[[1, 0.2, 0.6], [1, 0.5, 0.5]]], np.float32)
    fields = ReceptiveFields(("a", "b"), members, weights, np.full_like(members, -1), np.zeros_like(weights))
    axes = centre_views(fields, ["a"], (1, 2)).axes[0]
    assert sorted(text.get_text() for text in axes.texts) == ["0", "1,2"]
    assert shown_array(axes, 0)[0, 1] == np.float32(0.6)


def test_a_grid_of_tiny_pixels_has_no_numbers():
    ring = np.stack([np.arange(2500), np.roll(np.arange(2500), 1)], axis=1)[None]
    fields = ReceptiveFields.unweighted(plain_names(2500), ring)
    figure = centre_views(fields, fields.names[:4], (50, 50))
    assert not figure.axes[0].texts
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["centre"]


def test_every_weight_lies_on_the_scale_of_the_slots():
    fields = fields_of(60)
    right = {axes.get_xlim()[1] for axes in figure_of("centres", 60).axes[:SHOWN]}
    shown = np.maximum(fields.weights, fields.runner_up_weights)[0, :SHOWN, 1:]
    assert len(right) == 1
    assert shown.max() <= right.pop()


def test_centres_are_shown_once_in_the_order_asked():
    figure = centre_views(fields_of(10), ["sensor_004", "sensor_001", "sensor_004"])
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["sensor_004", "sensor_001"]


def test_the_layer_asked_for_is_shown():
    fields = learned(plain_names(10), depth=2)
    figure = centre_views(fields, ["sensor_003"], layer=1)
    np.testing.assert_allclose(offsets(figure.axes[0], 1)[:, 0], fields.weights[1, 3, 1:])
    assert "field set 2 of 2" in figure.get_suptitle()


@pytest.mark.parametrize(("count", "panels"), [(1, 1), (4, 4), (5, 6)])
def test_panels_leave_few_places_empty(count, panels):
    assert len(centre_views(fields_of(60), fields_of(60).names[:count]).axes) == panels


@pytest.mark.parametrize("shape", [(1, 60), (60, 1), (2, 30)])
def test_a_grid_of_any_form_fills_its_picture(shape):
    image = pixels(render(centre_views(fields_of(60), fields_of(60).names[:2], shape), "png"))
    assert (image < 245).any(axis=2).mean() > 0.03


@pytest.mark.parametrize(
    ("sizes", "limit", "quota"),
    [
        ((5, 3), 4, (2, 2)),
        ((5, 3, 1), 7, (3, 3, 1)),
        ((20,), 12, (12,)),
        ((2, 1), 12, (2, 1)),
        ((3,) * 5, 3, (1, 1, 1)),
    ],
)
def test_default_centres_take_turns_over_the_groups(sizes, limit, quota):
    groups = [[f"g{i}_{j}" for j in range(size)] for i, size in enumerate(sizes)]
    chosen = default_centres(groups, limit)
    assert len(set(chosen)) == len(chosen)
    assert tuple(sum(name.startswith(f"g{i}_") for name in chosen) for i in range(len(quota))) == quota
    assert len(chosen) == sum(quota)


def test_default_centres_are_spread_over_a_group():
    assert default_centres([[str(i) for i in range(12)]], 3) == ["2", "6", "10"]


def test_without_a_wish_the_default_centres_are_shown():
    fields = clustered((3, 3), size=3)
    figure = centre_views(fields)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == default_centres(communities(fields))


# The field graph


def test_a_wider_line_is_a_heavier_link():
    fields = fields_of(10)
    drawn = figure_of("field-graph", 10).axes[0].collections
    (lines,) = [found for found in drawn if isinstance(found, LineCollection)]
    weights = [weight for *_, weight in field_graph(fields).edges(data="weight")]
    np.testing.assert_array_equal(np.argsort(lines.get_linewidths()), np.argsort(weights))


def test_every_column_is_a_node():
    axes = figure_of("field-graph", 60).axes[0]
    points = np.vstack([offsets(axes, i) for i in range(len(communities(fields_of(60))))])
    assert len(np.unique(points, axis=0)) == 60


def test_the_title_counts_columns_links_and_groups():
    fields = fields_of(60)
    pairs = {frozenset((m, int(n))) for m in range(60) for n in fields.members[0, m, 1:]}
    assert f"60 columns, {len(pairs)} links, {len(communities(fields))} groups" in (
        figure_of("field-graph", 60).get_suptitle()
    )


def test_many_groups_are_summed_up_in_the_legend():
    alone = given(plain_names(90), size=1)
    found = texts(render(field_graph_plot(alone, communities(alone)), "svg"))
    assert "and 76 more" in found


def test_many_lines_are_one_image_in_the_svg(monkeypatch):
    monkeypatch.setattr(graph, "_VECTOR_LINES", 10)
    svg = ET.fromstring(render(KINDS["field-graph"](fields_of(10)), "svg"))
    assert len(list(svg.iter("{http://www.w3.org/2000/svg}image"))) == 1


# Where things stand


@pytest.mark.parametrize("stray", [0.0, 0.2])
@pytest.mark.parametrize("sizes", [(5, 5), (9, 9, 9), (30, 10, 10, 5), (40, 40)])
def test_groups_stand_apart_from_one_another(sizes, stray):
    fields = clustered(sizes, size=5, stray=stray)
    groups = cluster_names(sizes)
    graph = field_graph(fields)
    at = dict(zip(graph, group_layout(graph, groups), strict=True))
    for group in groups:
        for name in group:
            nearest = min((other for other in at if other != name), key=lambda other: np.hypot(*(at[other] - at[name])))
            assert nearest in group


@pytest.mark.parametrize("stray", [0.0, 0.2])
def test_columns_do_not_stand_on_one_another(stray):
    graph = field_graph(clustered((30, 10, 10, 5), size=5, stray=stray))
    points = group_layout(graph, cluster_names((30, 10, 10, 5)))
    distance = np.hypot(*(points[:, None] - points[None]).transpose(2, 0, 1)) + 10 * np.eye(len(points))
    assert distance.min() > 1.0


def test_the_layout_is_wider_than_high():
    points = group_layout(field_graph(clustered((12, 12))), cluster_names((12, 12)))
    width, height = np.ptp(points, axis=0)
    assert width > height


def test_more_groups_than_can_be_packed_still_stand_apart():
    alone = given(plain_names(700), size=1)
    points = group_layout(field_graph(alone), communities(alone))
    distance = np.hypot(*(points[:, None] - points[None]).transpose(2, 0, 1)) + 10 * np.eye(700)
    assert distance.min() > 1.0


def placed(points: np.ndarray, names: dict[int, str]) -> list[np.ndarray]:
    """The boxes (x0, y0, x1, y1) of the labels, in pixels, with the points' pixels last."""
    with house_style():
        figure = new_figure(6, 6, "")
        figure.set_layout_engine("none")
        axes = figure.subplots()
        axes.set(xlim=(0, 10), ylim=(0, 10))
        place_labels(axes, points, names)
        boxes = [np.asarray(text.get_window_extent().extents) for text in axes.texts]
        return [*boxes, axes.transData.transform(points)]


def test_labels_do_not_overlap_where_there_is_room():
    points = np.array([[5.0, 5.0], [5.3, 5.0], [5.0, 5.2], [2.0, 8.0], [8.0, 2.0]])
    *boxes, _ = placed(points, {i: f"label {i}" for i in range(5)})
    for i, a in enumerate(boxes):
        for b in boxes[:i]:
            assert min(a[2], b[2]) <= max(a[0], b[0]) or min(a[3], b[3]) <= max(a[1], b[1])


def test_a_label_hides_no_point_where_there_is_room():
    points = np.array([[5.0, 5.0], [5.0, 5.3], [2.0, 8.0], [2.4, 8.0]])
    *boxes, dots = placed(points, {i: f"label {i}" for i in range(4)})
    for box in boxes:
        assert not ((dots > box[:2]) & (dots < box[2:])).all(axis=1).any()


def test_a_label_stays_inside_the_picture():
    *boxes, _ = placed(np.array([[0.0, 0.0], [10.0, 10.0]]), {0: "a long label of a corner", 1: "another long label"})
    for box in boxes:
        assert (box >= 0).all()
        assert (box <= 600).all()


def test_only_the_points_with_a_text_are_labelled():
    *boxes, _ = placed(np.array([[1.0, 1.0], [5.0, 5.0]]), {1: "only me"})
    assert len(boxes) == 1


# All of them


@pytest.mark.parametrize(("columns", "size"), [(1, 1), (2, 2)])
def test_the_smallest_tables_have_pictures_too(columns, size):
    fields = given(plain_names(columns), size=size)
    for figure in draw_all(fields, communities(fields), shape=(1, columns)).values():
        assert (pixels(render(figure, "png")) < 245).any()


def test_draw_all_draws_what_it_was_asked_for():
    fields = fields_of(10)
    figures = draw_all(fields, communities(fields), shape=(2, 5), centres=["sensor_007"])
    assert list(figures) == ["field-matrix", "centres", "field-graph"]
    assert figures["centres"].axes[0].get_title() == "sensor_007"


def test_a_figure_is_saved_in_both_formats_by_the_callers_writer():
    written: dict[Path, bytes] = {}
    paths = save_figure(figure_of("field-graph", 10), Path("plots/v1.2"), written.__setitem__)
    assert paths == list(written) == [Path("plots/v1.2.png"), Path("plots/v1.2.svg")]
    assert list(written.values()) == [picture("field-graph", 10, "png"), picture("field-graph", 10, "svg")]
