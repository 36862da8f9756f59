"""The paper's tables and pictures: our figures beside theirs, the right pixels, the right places."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmarks import mnist, paper
from benchmarks.learning import Case, latest_run, learn_line
from benchmarks.tables import PART

STATIONS = ["hokkaido-sapporo", "nagano-matsumoto", "okinawa-naha"]


def test_a_table_has_the_papers_rows_in_their_order_then_ours():
    table = paper.table("Table", {"learned fields": 97.37, "CNN": 97.47}, {"CNN": 0.982, "random fields": 0.9778})
    assert table.splitlines()[4:7] == [
        "| learned fields | 97.37 | — |",
        "| CNN | 97.47 | 98.20 |",
        "| random fields | — | 97.78 |",
    ]


def test_lines_are_averaged_over_seeds():
    lines = [{"learned": 0.9, "mlp": 0.8}, {"learned": 0.8, "mlp": 0.6}]
    assert paper.of_lines(lines) == pytest.approx({"learned fields": 0.85, "linear layers": 0.7})
    assert paper.of_lines([]) == {}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Few images in MNIST's form: a bright row or a bright column, and noise everywhere."""
    rng = np.random.default_rng(0)

    def drawn(count: int) -> tuple[np.ndarray, np.ndarray]:
        x = rng.integers(0, 60, (count, 28, 28)).astype(np.uint8)
        y = np.arange(count) % 2
        for image, label in zip(x, y, strict=True):
            place = rng.integers(4, 24)
            image[place if label else slice(None), slice(None) if label else place] = 255
        return x, y.astype(np.uint8)

    path = tmp_path_factory.mktemp("images") / "mnist.npz"
    (x, y), (xt, yt) = drawn(240), drawn(60)
    np.savez(path, x=x, y=y, xt=xt, yt=yt)
    return path


def test_the_figure_shows_the_pixel_that_a_shuffled_column_stands_for(images, tmp_path, monkeypatch):
    monkeypatch.setattr(mnist, "VALID_ROWS", 40)
    table = mnist.write_images(images, tmp_path / "shuffled.parquet", shuffled=True)
    settings = {"kernel_size": 3, "channels": 2, "hidden": 0, "epochs": 1, "source": "correlation", "stability": 0}
    case = Case("shuffled-mnist", table, "digit", "its own", 0, {"split_column": PART}, settings)
    learn_line(case, {"random_draws": 1, "bootstrap": 100, "threads": 1}, tmp_path, None)
    run = latest_run(tmp_path)
    pixels = mnist.shuffled_pixels()
    paths = paper.draw_grid(run, pixels.tolist(), tmp_path / "figure")
    assert [path.name for path in paths] == ["figure.png", "figure.svg"]
    assert np.asarray(Image.open(paths[0]).convert("L")).std() > 5
    column = int(np.flatnonzero(pixels == 15 * 28 + 15)[0])
    assert f"p{column:03d}" in paths[1].read_text(encoding="utf-8")
    names = [entry["name"] for entry in json.loads((run.path / "fields.json").read_text())["columns"]]
    assert f"p{column:03d}" in names


@pytest.fixture(scope="module")
def country(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the weather of three stations and their coordinates, in the form of the Japanese data."""
    folder = tmp_path_factory.mktemp("country")
    rng = np.random.default_rng(0)
    names = [f"{station}__{what}" for station in STATIONS for what in ("avg_temperature", "hours_sunlight")]
    frame = pd.DataFrame(rng.normal(size=(150, 6)), columns=names)
    frame["month"] = np.where(frame.iloc[:, 0] + frame.iloc[:, 2] > 0, 7, 1)
    frame.to_csv(folder / "weather.csv", index=False)
    places = {"station": STATIONS, "latitude": [43.1, 36.2, 26.2], "longitude": [141.3, 138.0, 127.7]}
    pd.DataFrame(places).to_csv(folder / paper.STATIONS_FILE, index=False)
    return folder


def test_the_weather_prints_the_papers_table_and_draws_the_map(country, tmp_path, capsys):
    usual = {"kernel_size": 3, "channels": 2, "hidden": 0, "epochs": 2, "source": "correlation", "stability": 0}
    fixed = {"split_by": "none"}
    case = Case("weather-jma-random", country / "weather.csv", "month", "random", 0, fixed, usual, fold=0)
    given = {"random_draws": 1, "bootstrap": 100, "threads": 1, "task": "classification"}
    out = tmp_path / "out.jsonl"
    paper.weather([case], country, given, tmp_path, out, ("k-nn", "decision-tree"))
    learned, compared = (json.loads(line) for line in out.read_text().splitlines())
    printed = capsys.readouterr().out
    assert f"| learned fields | 80.08 | {100 * learned['learned']:.2f} |" in printed
    assert f"| decision tree | 61.61 | {100 * compared['decision_tree']:.2f} |" in printed
    assert f"| k-NN | 58.54 | {100 * compared['k-NN']:.2f} |" in printed
    assert "| RBF SVM | 75.86 | — |" in printed
    drawn = (tmp_path / "map-of-japan.svg").read_text(encoding="utf-8")
    assert all(f"{station}__avg_temperature" in drawn for station in STATIONS)
