"""Where stations stand: a table of names and degrees, given with `--coords`, joined to the columns of a run."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from rfconv_cli.errors import DataError
from rfconv_cli.export.map import Place, places_of
from rfconv_cli.table.kinds import is_text
from rfconv_cli.table.reader import read_table

_LATITUDE, _LONGITUDE = ("latitude", "lat"), ("longitude", "lon", "lng", "long")
_NAME = ("station", "name", "place", "site", "id")


def read_places(path: Path, sources: Mapping[str, str]) -> tuple[dict[str, Place], list[str]]:
    """Column → its place, and notices. sources: column of the run → column of the table that it was made from.

    The table at `path` has latitude and longitude in degrees, and a column of names (station, name, place, site or id,
    else its first column of text), by which column names begin or end. Raises DataError: bad_coords, no_places.
    """
    table = read_table(path)
    places = _places(table, path.name)
    by_source = places_of(sorted(set(sources.values())), places)
    if not by_source:
        some = ", ".join(place.name for place in places[:3])
        raise DataError(
            f"{path.name}: no column of the run begins or ends with one of its names, such as {some}",
            hint=f"name places as the columns do, such as {next(iter(sources))}",
            code="no_places",
        )
    found = {column: by_source[source] for column, source in sources.items() if source in by_source}
    lost = len(sources) - len(found)
    return found, [
        f"{lost} of {len(sources)} columns stand nowhere in {path.name} and are not on the map"
    ] if lost else []


def _places(table: pa.Table, name: str) -> list[Place]:
    latitude, longitude = (_degrees(table, among, name) for among in (_LATITUDE, _LONGITUDE))
    texts = [field.name for field in table.schema if is_text(field.type)]
    by_name = [column for word in _NAME for column in texts if column.lower() == word]
    if not texts:
        raise DataError(f"{name} has no column of names", hint="add a column called station", code="bad_coords")
    names = table[(by_name or texts)[0]].to_pylist()
    return [
        Place(str(place), float(lat), float(lon))
        for place, lat, lon in zip(names, latitude, longitude, strict=True)
        if place and np.isfinite(lat) and np.isfinite(lon)
    ]


def _degrees(table: pa.Table, among: Sequence[str], name: str) -> Sequence[float]:
    found = [column for word in among for column in table.column_names if column.lower() == word]
    if not found:
        raise DataError(
            f"{name} has no column called {among[0]}",
            hint="the columns are station, latitude and longitude, in degrees",
            code="bad_coords",
        )
    try:
        values = np.asarray(table[found[0]].cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)
    except pa.ArrowInvalid:
        values = np.full(1, np.inf)
    if (np.abs(values[~np.isnan(values)]) > (90 if among is _LATITUDE else 360)).any():
        raise DataError(f"{name}: {found[0]} is not in degrees", hint="write 35.69, not 35°41'", code="bad_coords")
    return list(values)
