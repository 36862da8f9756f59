"""The paper's tables and pictures: our figures beside theirs, the right pixels, the right places."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import mnist, paper
from benchmarks.learning import Case, latest_run, learn_line
from benchmarks.tables import PART


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


def test_the_map_shows_a_station_of_each_part_of_the_country(tmp_path):
    rng = np.random.default_rng(0)
    import pandas as pd

    stations = ["hokkaido-sapporo", "nagano-matsumoto", "okinawa-naha"]
    names = [f"{station}__{what}" for station in stations for what in ("avg_temperature", "hours_sunlight")]
    frame = pd.DataFrame(rng.normal(size=(120, 6)), columns=names).assign(month=np.arange(120) % 2 + 1)
    frame.to_csv(tmp_path / "weather.csv", index=False)
    coordinates = pd.DataFrame(
        {"station": stations, "latitude": [43.1, 36.2, 26.2], "longitude": [141.3, 138.0, 127.7]}
    )
    coordinates.to_csv(tmp_path / "stations.csv", index=False)
    usual = {"kernel_size": 3, "channels": 2, "hidden": 0, "epochs": 1, "source": "correlation", "stability": 0}
    case = Case("weather-jma-random", tmp_path / "weather.csv", "month", "random", 0, {"split_by": "none"}, usual)
    learn_line(case, {"random_draws": 1, "bootstrap": 100, "threads": 1, "task": "classification"}, tmp_path, None)
    _, svg = paper.draw_map(latest_run(tmp_path), tmp_path / "stations.csv", tmp_path / "map")
    text = svg.read_text(encoding="utf-8")
    assert all(f"{station}__avg_temperature" in text for station in stations)
