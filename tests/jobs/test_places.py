"""Coordinates for the map: the columns they may have, and what is said where they cannot be used."""

from pathlib import Path

import pytest

from rfconv_cli.errors import DataError
from rfconv_cli.export.map import Place
from rfconv_cli.jobs.places import read_places

SOURCES = {"A_temp": "A_temp", "A_temp@-1": "A_temp", "B_rain": "B_rain", "other": "other"}


def write(folder: Path, text: str) -> Path:
    path = folder / "stations.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("heads", ["station,latitude,longitude", "Name,lat,lon", "what,LAT,lng", "id,Latitude,long"])
def test_columns_are_known_by_their_usual_names(tmp_path, heads):
    found, notices = read_places(write(tmp_path, f"{heads}\nA,35.5,139.5\nB,-12,130\n"), SOURCES)
    assert found["A_temp"] == found["A_temp@-1"] == Place("A", 35.5, 139.5)
    assert found["B_rain"] == Place("B", -12.0, 130.0)
    assert notices == ["1 of 4 columns stand nowhere in stations.csv and are not on the map"]


def test_a_place_without_degrees_is_left_out(tmp_path):
    found, _ = read_places(write(tmp_path, "station,lat,lon\nA,35.5,139.5\nB,,130\n"), SOURCES)
    assert set(found) == {"A_temp", "A_temp@-1"}


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ("station,lat\nA,35\n", "bad_coords", "no column called longitude"),
        ("lat,lon\n35,139\n", "bad_coords", "no column of names"),
        ("station,lat,lon\nA,north,139\n", "bad_coords", "not in degrees"),
        ("station,lat,lon\nA,3535,139\n", "bad_coords", "not in degrees"),
        ("station,lat,lon\nX,35,139\n", "no_places", "no column of the run begins or ends"),
    ],
)
def test_what_cannot_be_used_is_said_with_a_way_out(tmp_path, text, code, says):
    with pytest.raises(DataError, match=says) as error:
        read_places(write(tmp_path, text), SOURCES)
    assert error.value.code == code
    assert error.value.hint


def test_a_file_that_is_not_there_is_a_data_error(tmp_path):
    with pytest.raises(DataError):
        read_places(tmp_path / "none.csv", SOURCES)
