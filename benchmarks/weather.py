"""Weather to month: 18 European places by the day, and 146 Japanese stations by the day.

Neighbouring days resemble each other, so a random split flatters everybody: each table is also split by whole years
or weeks. The date gives the month away and is never a feature.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from benchmarks.learning import Case
from benchmarks.tables import PART, codes, data_file, fold_parts, write_table
from rfconv_cli.table.plan import blocks

EU_FILE, JMA_FILE = "eu_weather.csv", "jma_daily.parquet"
FIRST_TEST_YEAR = 2007
VALID_YEARS = range(2001, 2007)
# chosen on years to 2006 alone: of settings trained without 2005 and 2006 (or 2000 and 2001) and judged on these, the
# loss was 0.598 so, 0.606 with dropout 0.3, 0.636 with the defaults; on the validation year 0.518 and 0.530. Each
# of the years 2000 to 2006 held out in turn, on correlation fields: one kernel 0.533 (accuracy 0.774),
# own ones 0.499 (0.793)
USUAL_OF_YEARS = {"heads": 16, "dropout": 0.45, "kernel": "own"}
FOLDS = 5


def eu_random(data: Path, seeds: int) -> Iterator[Case]:
    """A random 70/30 split, another for each seed."""
    fixed = {"exclude": ("DATE",), "split_by": "none", "test_size": 0.3}
    for seed in range(seeds):
        yield Case("weather-eu-random", data_file(data, EU_FILE), "MONTH", "random 70/30", seed, fixed)


def eu_years(data: Path, cache: Path, seeds: int) -> Iterator[Case]:
    """2000–2006 against 2007–2010; one whole year of the former, which year depends on the seed, validates."""
    table = pa_csv.read_csv(data_file(data, EU_FILE))
    years = np.asarray(table["DATE"].to_numpy()) // 10_000
    for seed in range(seeds):
        columns = {name: table[name] for name in table.column_names if name != "DATE"}
        year = VALID_YEARS[seed % len(VALID_YEARS)]
        path = write_table(cache / f"eu-years-{year}.parquet", columns | {PART: year_parts(years, year)})
        split = f"years to {FIRST_TEST_YEAR - 1} against later ones, {year} validates"
        yield Case("weather-eu-years", path, "MONTH", split, seed, {"split_column": PART}, USUAL_OF_YEARS)


def year_parts(years: NDArray[np.int64], valid_year: int) -> NDArray[np.str_]:
    """(rows,) "test" from 2007 on, "valid" in the one year, "train" else. years: (rows,) int64."""
    return np.select([years >= FIRST_TEST_YEAR, years == valid_year], ["test", "valid"], "train")


def jma(data: Path, cache: Path, *, weeks: bool, folds: int = FOLDS) -> Iterator[Case]:
    """Five folds of single days, or of whole weeks from Monday; the validation rows are drawn the same way.

    folds: how many of the five to yield. Whole weeks are scaled alike: on the validation rows of the first two folds
    the loss was 0.67 so and 0.86 with each column by itself (and 0.47 against 0.36 on those of random folds).
    """
    table = pq.read_table(data_file(data, JMA_FILE))
    number, groups = jma_folds(table, weeks=weeks)
    month = codes(table["month"].to_numpy())
    name = "weather-jma-weeks" if weeks else "weather-jma-random"
    split = f"{FOLDS} folds of whole weeks" if weeks else f"{FOLDS} random folds"
    features: dict[str, Any] = {column: table[column] for column in table.column_names if column != "date"}
    for fold in range(folds):
        parts = fold_parts(number, fold, month, groups)
        path = write_table(cache / f"{name}-{fold}.parquet", features | {PART: parts})
        usual = {"scaling": "shared"} if weeks else {}
        yield Case(name, path, "month", split, fold, {"split_column": PART}, usual, fold=fold)


def jma_folds(table: pa.Table, *, weeks: bool) -> tuple[NDArray[np.int64], NDArray[np.int64] | None]:
    """(rows,) int64 fold of each row, the months spread evenly over the folds; (rows,) int64 week, or None."""
    month = codes(table["month"].to_numpy())
    dates = np.asarray(pc.cast(table["date"], pa.date32()).to_numpy(), "datetime64[D]")
    groups = blocks(dates, "week") if weeks else None
    kind = StratifiedGroupKFold if weeks else StratifiedKFold
    folds = np.zeros(len(month), np.int64)
    drawn = kind(FOLDS, shuffle=True, random_state=0).split(month, month, groups)
    for fold, (_, test) in enumerate(drawn):
        folds[test] = fold
    return folds, groups
