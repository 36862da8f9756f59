"""How pictures look: labels that fit and differ, colours that everybody tells apart, fonts that are there."""

import logging
import subprocess
import sys
import unicodedata
from itertools import combinations
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
from export_examples import AWKWARD_NAMES
from hypothesis import example, given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_rgb

from rfconv_cli.export import style
from rfconv_cli.export.style import (
    GROUP_COLOURS,
    GROUP_MARKERS,
    group_mark,
    house_style,
    labels,
    missing_glyphs,
    scale_end,
    shorten,
    weight_colours,
)

NAMES = st.lists(st.text(max_size=40), unique=True, max_size=12)


# Labels


@pytest.mark.parametrize(
    ("name", "width", "label"),
    [
        ("temperature", 11, "temperature"),
        ("temperature", 10, "tempe…ture"),
        ("temperature", 5, "te…re"),
        ("temperature", 1, "…"),
        ("酒田_気温", 9, "酒田_気温"),
        ("酒田_気温", 8, "酒田…温"),
        ("two\n lines", 20, "two lines"),
        ("bell\x07", 20, "bell\N{REPLACEMENT CHARACTER}"),
        ("half\ud800", 20, "half\N{REPLACEMENT CHARACTER}"),
        ("", 20, '""'),
        (" \n", 20, '""'),
    ],
)
def test_a_name_is_shortened_in_its_middle(name, width, label):
    assert shorten(name, width) == label


@given(st.text(), st.integers(1, 30))
def test_a_label_is_never_wider_than_asked(name, width):
    wide = sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in shorten(name, width))
    assert wide <= width


@given(st.text(), st.integers(1, 30))
def test_a_label_can_be_printed_on_one_line(name, width):
    assert shorten(name, width).isprintable()


@settings(deadline=None)
@given(NAMES, st.integers(1, 20))
@example(["x\n", "x", "x #1"], 20)
@example(["x\n", "x", "x #1", "x #1 #2"], 20)
@example(list(AWKWARD_NAMES), 12)
def test_labels_are_distinct(names, width):
    assert len(set(labels(names, width).values())) == len(names)


def test_equal_labels_are_told_apart_by_the_id_of_the_column():
    names = ["other", "station_1_temperature_min", "station_2_temperature_min"]
    assert labels(names, 13) == {"other": "other", names[1]: "stati…_min #1", names[2]: "stati…_min #2"}


def test_names_that_fit_are_their_own_labels():
    assert labels(["a", "b c"], 10) == {"a": "a", "b c": "b c"}


# Colours

# Machado, Oliveira, Fernandes 2009, severity 1: what people without one kind of cone see, in linear RGB.
VISIONS = {
    "all cones": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
each_vision = pytest.mark.parametrize("vision", list(VISIONS))


def lab(colours: np.ndarray, vision: str) -> np.ndarray:
    """(n, 3) sRGB → CIELAB as seen with `vision`; a just noticeable difference is about 2.3."""
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    seen = (linear @ np.transpose(VISIONS[vision])).clip(0, 1)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    ratio = seen @ to_xyz.T / [0.9505, 1.0, 1.089]
    f = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)


@each_vision
def test_group_colours_are_told_apart(vision):
    seen = lab(np.array([to_rgb(colour) for colour in GROUP_COLOURS]), vision)
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > 12


@each_vision
def test_group_colours_are_visible_on_white(vision):
    seen = lab(np.array([to_rgb(colour) for colour in GROUP_COLOURS]), vision)
    assert seen[:, 0].max() < 80


@each_vision
def test_a_larger_weight_is_darker(vision):
    seen = lab(weight_colours()(np.linspace(0, 1, 20))[:, :3], vision)
    assert (np.diff(seen[:, 0]) < 0).all()


@each_vision
def test_the_smallest_weight_is_visible_on_white(vision):
    seen = lab(np.vstack([weight_colours()(0.0)[:3], [1.0, 1.0, 1.0]]), vision)
    assert np.linalg.norm(seen[0] - seen[1]) > 15


def test_no_two_of_the_first_groups_look_alike():
    count = len(GROUP_COLOURS) * len(GROUP_MARKERS)
    assert len({group_mark(i) for i in range(count)}) == count


@pytest.mark.parametrize(
    ("largest", "end"),
    [(0, 1), (1, 1), (0.98, 1), (0.71, 0.8), (0.3, 0.3), (0.21, 0.25), (0.0101, 0.012), (3e-20, 3e-20), (1.0000001, 1)],
)
def test_a_scale_ends_at_a_round_number(largest, end):
    assert scale_end(largest) == pytest.approx(end)


# Settings and fonts


def test_the_style_leaves_no_trace():
    before = dict(matplotlib.rcParams)
    with house_style():
        assert matplotlib.rcParams["svg.fonttype"] == "none"
    assert dict(matplotlib.rcParams) == before


def test_the_style_quietens_the_font_search_and_restores_it():
    log = logging.getLogger("matplotlib.font_manager")
    before = log.level
    with house_style():
        assert not log.isEnabledFor(logging.WARNING)
    assert log.level == before


def test_names_without_a_glyph_are_reported(monkeypatch):
    monkeypatch.setattr(style, "installed_families", lambda: ("DejaVu Sans",))
    monkeypatch.setattr(style, "_drawable", style._drawable.__wrapped__)
    assert missing_glyphs(["temp", "酒田", "é", "℃", "気温\x00"]) == ["酒田", "気温\x00"]


def test_japanese_families_follow_the_latin_one(monkeypatch):
    fonts = [SimpleNamespace(name=name) for name in ("Meiryo", "Comic Sans", "DejaVu Sans", "IPAexGothic")]
    monkeypatch.setattr(style.font_manager.fontManager, "ttflist", fonts)
    monkeypatch.setattr(style, "find_spec", lambda _: None)
    assert style.installed_families.__wrapped__() == ("DejaVu Sans", "IPAexGothic", "Meiryo")


def test_the_fonts_of_fontja_are_used_where_it_is_installed(monkeypatch, tmp_path):
    (tmp_path / "fonts").mkdir()
    (tmp_path / "fonts" / "ipaexg.ttf").touch()
    added: list[object] = []
    monkeypatch.setattr(style, "find_spec", lambda _: SimpleNamespace(origin=str(tmp_path / "__init__.py")))
    monkeypatch.setattr(style.font_manager.fontManager, "addfont", added.append)
    style.installed_families.__wrapped__()
    assert added == [tmp_path / "fonts" / "ipaexg.ttf"]


def test_pictures_never_import_pyplot():
    script = "import sys, rfconv_cli.export.plots; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
