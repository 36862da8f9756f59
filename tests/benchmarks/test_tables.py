"""The tables of the benchmarks: who is in which part, what is hidden, what is left out. Stand-ins, then real files."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import landsat, small, turbofan, weather
from benchmarks.ablation import ring_cases
from benchmarks.learning import Case, settings_of
from benchmarks.tables import PART, data_file, fold_parts, hidden
from rfconv_cli.errors import DataError
from rfconv_cli.jobs.prepare import prepare
from rfconv_cli.jobs.prepared import Prepared
from rfconv_cli.table.reader import read_table

EU_DAYS = pd.date_range("2000-01-01", "2009-12-31", freq="5D")
JMA_DAYS = pd.date_range("2016-01-01", "2017-12-31")


def prepared(case: Case) -> Prepared:
    return prepare(read_table(case.table), case.target, settings_of(case, {}), lambda _: None)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with every file in small: the columns' names and kinds as they are, the values made up."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    eu = pd.DataFrame(rng.normal(size=(len(EU_DAYS), 4)), columns=["A_wind", "A_sun", "B_wind", "B_sun"])
    eu.insert(0, "DATE", EU_DAYS.strftime("%Y%m%d").astype(int))
    eu.insert(1, "MONTH", EU_DAYS.month)
    eu.to_csv(folder / weather.EU_FILE, index=False)

    jma = pd.DataFrame(rng.normal(size=(len(JMA_DAYS), 4)), columns=["a__t", "a__h", "b__t", "b__h"])
    jma.insert(0, "date", JMA_DAYS.strftime("%Y-%m-%d"))
    jma.insert(1, "month", JMA_DAYS.month)
    jma.to_parquet(folder / weather.JMA_FILE)

    land = pd.DataFrame({f"x.{i}": 1000.0 * i + rng.integers(9, size=60) for i in range(1, 37)})
    land["target"] = pd.Categorical(["soil", "crop", "stubble"] * 20)
    land.to_parquet(folder / landsat.FILE)

    units, cycles = np.repeat(np.arange(1, 21), 10), np.tile(np.arange(10), 20)
    engines = pd.DataFrame({"rul": 9 - cycles, "unit": units, "cycle": cycles, "s01": rng.normal(size=200)})
    engines["s02"] = rng.normal(size=200)
    engines.to_parquet(folder / turbofan.FILE)
    return folder


def test_random_european_split_holds_out_three_tenths_and_knows_no_date(data: Path) -> None:
    first, second = (prepared(case) for case in weather.eu_random(data, 2))
    assert first.schema.names == ("A_wind", "A_sun", "B_wind", "B_sun")
    assert first.is_in("test").mean() == pytest.approx(0.3, abs=0.01)
    assert (first.parts != second.parts).any()


@pytest.mark.parametrize("seed", range(7))
def test_european_years_validate_on_a_whole_year_of_the_training_years(data: Path, tmp_path: Path, seed: int) -> None:
    case = list(weather.eu_years(data, tmp_path, seed + 1))[seed]
    found = prepared(case)
    years_of = {part: set(EU_DAYS.year[found.parts == part]) for part in ("train", "valid", "test")}
    valid = {2001 + seed % 6}
    assert years_of == {"train": set(range(2000, 2007)) - valid, "valid": valid, "test": {2007, 2008, 2009}}
    assert found.schema.names == ("A_wind", "A_sun", "B_wind", "B_sun")


@pytest.mark.parametrize("weeks", [False, True])
def test_japanese_folds_test_every_day_once(data: Path, tmp_path: Path, weeks: bool) -> None:
    found = [prepared(case) for case in weather.jma(data, tmp_path, weeks=weeks)]
    assert (sum(one.is_in("test").astype(int) for one in found) == 1).all()
    assert {one.schema.names for one in found} == {("a__t", "a__h", "b__t", "b__h")}
    assert all(one.is_in("valid").mean() == pytest.approx(0.1, abs=0.02) for one in found)


def test_a_week_stays_in_one_part(data: Path, tmp_path: Path) -> None:
    week = JMA_DAYS.strftime("%G-%V")
    for case in weather.jma(data, tmp_path, weeks=True):
        parts = pd.Series(prepared(case).parts)
        assert parts.groupby(week).nunique().max() == 1


def test_folds_asked_for_are_the_folds_made(data: Path, tmp_path: Path) -> None:
    assert [case.fold for case in weather.jma(data, tmp_path, weeks=False, folds=2)] == [0, 1]


def test_landsat_truth_names_the_columns_where_they_now_stand(data: Path, tmp_path: Path) -> None:
    case = next(landsat.cases(data, tmp_path, folds=1))
    assert case.truth is not None
    table = read_table(case.table)
    # the stand-in's column x.i holds values near 1000 i, which tells where each came from
    origin = {name: round(table[name][0].as_py() / 1000) - 1 for name in sorted(case.truth)}
    assert sorted(origin.values()) == list(range(36))
    assert list(origin.values()) != list(range(36))
    for name, true in case.truth.items():
        place = [(column // 12, column // 4 % 3, column % 4) for column in (origin[name], *map(origin.get, true))]
        (row, col, band), others = place[0], place[1:]
        assert all((r, c) == (row, col) if b != band else abs(r - row) + abs(c - col) == 1 for r, c, b in others)
        assert len(others) == 3 + (4 - (row != 1) - (col != 1))


def test_turbofan_keeps_engines_whole_and_knows_no_cycle(data: Path) -> None:
    found = prepared(next(turbofan.cases(data, 1)))
    assert found.schema.names == ("s01", "s02")
    assert found.outputs == 1
    assert pd.Series(found.parts).groupby(np.repeat(np.arange(20), 10)).nunique().max() == 1


@pytest.fixture(scope="module")
def mnist1d(tmp_path_factory: pytest.TempPathFactory) -> Case:
    pytest.importorskip("mnist1d.data", reason="mnist1d is not installed")
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    case = next(small.mnist1d(tmp_path_factory.mktemp("mnist1d"), 1))
    assert (np.random.get_state()[1] == before).all(), "the global generator was moved"  # noqa: NPY002
    return case


def test_mnist1d_tests_on_its_own_test_set(mnist1d: Case) -> None:
    from mnist1d.data import make_dataset

    made, found = make_dataset(), prepared(mnist1d)
    assert found.x.shape == (5000, 40)
    np.testing.assert_array_equal(np.flatnonzero(found.is_in("test")), np.arange(4000, 5000))
    np.testing.assert_allclose(np.sort(found.x[-1]), np.sort(made["x_test"][-1]))
    assert (found.x[-1] != made["x_test"][-1]).any()


def test_digits_hide_their_places(tmp_path: Path) -> None:
    found = prepared(next(small.digits(tmp_path, 1)))
    assert found.outputs == 10
    assert all(name.startswith("c") for name in found.schema.names)


def test_ring_members_are_known_by_name(tmp_path: Path) -> None:
    case = next(ring_cases(tmp_path, 1))
    assert case.truth is not None
    assert {len(true) for true in case.truth.values()} == {4}
    assert all(name in case.truth[other] for name, true in case.truth.items() for other in true)


def test_hidden_columns_can_be_put_back() -> None:
    x = np.arange(24.0).reshape(2, 12)
    columns, order = hidden(x, 3)
    assert list(columns)[:2] == ["c00", "c01"]
    np.testing.assert_array_equal(np.stack(list(columns.values()), axis=1), x[:, order])


def test_validation_rows_come_from_the_other_folds_in_whole_groups() -> None:
    groups = np.repeat(np.arange(50), 4)
    folds, y = groups % 5, np.arange(200) % 2
    parts = fold_parts(folds, 1, y, groups)
    np.testing.assert_array_equal(parts == "test", folds == 1)
    assert pd.Series(parts).groupby(groups).nunique().max() == 1
    assert (parts == "valid").sum() == 20


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no satellite\.parquet"):
        data_file(tmp_path, "satellite.parquet")


REAL = {
    "weather-eu-random": (lambda data, cache: weather.eu_random(data, 1), 163, 1096),
    "weather-eu-years": (lambda data, cache: weather.eu_years(data, cache, 1), 163, 1097),
    "weather-jma-random": (lambda data, cache: weather.jma(data, cache, weeks=False, folds=1), 876, 104),
    "weather-jma-weeks": (lambda data, cache: weather.jma(data, cache, weeks=True, folds=1), 876, 104),
    "landsat": (lambda data, cache: landsat.cases(data, cache, 1), 36, 1287),
}


@pytest.mark.parametrize("name", REAL)
def test_real_tables_have_their_columns_and_test_rows(name: str, tmp_path: Path) -> None:
    folder = os.environ.get("BENCH_DATA")
    if not folder:
        pytest.skip("BENCH_DATA names no folder of the benchmarks' data files")
    make, columns, rows = REAL[name]
    found = prepared(next(make(Path(folder), tmp_path)))
    assert len(found.schema.names) == columns
    assert found.is_in("test").sum() == rows
    assert PART not in found.schema.names
