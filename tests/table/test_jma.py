"""Downloads of the Japan Meteorological Agency, in the shapes its site writes them; the values here are made up."""

import datetime as dt
import os
from pathlib import Path

import pyarrow as pa
import pytest

from rfconv_cli.config import from_values
from rfconv_cli.errors import DataError
from rfconv_cli.jobs.apply import evaluate_table
from rfconv_cli.jobs.learn import learn
from rfconv_cli.run import open_run
from rfconv_cli.table.reader import how_read, read_table
from rfconv_cli.table.target import with_month

STAMP = "ダウンロードした時刻：2025/08/07 18:17:27\n\n"
DAILY = STAMP + (
    ",,,酒田,酒田,酒田,山形,山形,山形\n"
    "年,月,日,最低気温(℃),最低気温(℃),最低気温(℃),最低気温(℃),最低気温(℃),最低気温(℃)\n"
    ",,,,,,,,\n"
    ",,,,品質情報,均質番号,,品質情報,均質番号\n"
    "1978,12,31,2.3,8,1,-0.8,5,1\n"
    "1979,1,1,2.9,1,1,-0.3,4,1\n"
    "1979,1,2,,1,1,0.3,2,1\n"
)
ONE_DATE = STAMP + (
    ",酒田,酒田,酒田,酒田,酒田,酒田,酒田,酒田\n"
    "年月日,降水量の合計(mm),降水量の合計(mm),降水量の合計(mm),降水量の合計(mm),最大風速(m/s),最大風速(m/s),最大風速(m/s),最大風速(m/s)\n"
    ",,,,,,,風向,風向\n"
    ",,現象なし情報,品質情報,均質番号,,品質情報,,品質情報\n"
    "2016/1/9,0,1,8,1,5.2,8,西北西,8\n"
    "2016/1/10,3.5,0,8,1,0.1,0,南,8\n"
)
HOURLY = STAMP + (
    ",,,,酒田,酒田,酒田\n"
    "年,月,日,時,気温(℃),気温(℃),気温(℃)\n"
    ",,,,,品質情報,均質番号\n"
    "1990,12,31,23,19.1,8,1\n"
    "1990,12,31,24,18.1,8,1\n"
)
HOURLY_ONE_DATE = STAMP + (
    ",酒田,酒田,酒田\n年月日時,気温(℃),気温(℃),気温(℃)\n,,品質情報,均質番号\n"
    "2021/3/1 1:00:00,19.1,8,1\n2021/3/1 23:00:00,18.1,8,1\n"
)
TEN_DAYS = STAMP + (
    "集計開始,,,集計終了,,,酒田,酒田,酒田,酒田,酒田\n"
    "年,月,日,年,月,日,平均気温(℃),平均気温(℃),平均気温(℃),平均気温(℃),平均気温(℃)\n"
    ",,,,,,,,,平年値(℃),平年値(℃)\n"
    ",,,,,,,品質情報,均質番号,,品質情報\n"
    "2024,1,1,2024,1,10,4.5,8,1,,0\n"
    "2024,1,11,2024,1,20,5.5,8,1,,0\n"
)
MONTHLY = STAMP + (",,酒田,酒田\n年,月,平均気温(℃),平均気温(℃)\n,,,品質情報\n2024,2,4.1,8\n2024,11,9.0,8\n")
PLAIN = STAMP + ",酒田,山形\n年月,平均気温(℃),平均気温(℃)\n2024/2,4.1,2.0\n2024/11,9.0,8.0\n"


def written(folder: Path, text: str, encoding: str = "cp932", name: str = "data.csv") -> Path:
    path = folder / name
    path.write_bytes(text.replace("\n", "\r\n").encode(encoding))
    return path


def at(*numbers: int) -> dt.datetime:
    return dt.datetime(*numbers)


SHAPES = {
    "daily": (
        DAILY,
        {
            "年月日": [at(1978, 12, 31), at(1979, 1, 1), at(1979, 1, 2)],
            "酒田_最低気温(℃)": [2.3, None, None],
            "山形_最低気温(℃)": [-0.8, -0.3, 0.3],
        },
    ),
    "one date column": (
        ONE_DATE,
        {
            "年月日": [at(2016, 1, 9), at(2016, 1, 10)],
            "酒田_降水量の合計(mm)": [0.0, 3.5],
            "酒田_最大風速(m/s)": [5.2, None],
            "酒田_最大風速(m/s)_風向": ["西北西", "南"],
        },
    ),
    "hourly": (
        HOURLY,
        {"年月日時": [at(1990, 12, 31, 23), at(1991, 1, 1)], "酒田_気温(℃)": [19.1, 18.1]},
    ),
    "hourly, one date column": (
        HOURLY_ONE_DATE,
        {"年月日時": [at(2021, 3, 1, 1), at(2021, 3, 1, 23)], "酒田_気温(℃)": [19.1, 18.1]},
    ),
    "ten days": (
        TEN_DAYS,
        {
            "集計開始": [at(2024, 1, 1), at(2024, 1, 11)],
            "集計終了": [at(2024, 1, 10), at(2024, 1, 20)],
            "酒田_平均気温(℃)": [4.5, 5.5],
        },
    ),
    "monthly": (MONTHLY, {"年月": [at(2024, 2, 1), at(2024, 11, 1)], "酒田_平均気温(℃)": [4.1, 9.0]}),
    "without information": (
        PLAIN,
        {
            "年月": [at(2024, 2, 1), at(2024, 11, 1)],
            "酒田_平均気温(℃)": [4.1, 9.0],
            "山形_平均気温(℃)": [2.0, 8.0],
        },
    ),
}


@pytest.mark.parametrize("encoding", ["cp932", "utf-8-sig"])
@pytest.mark.parametrize("shape", list(SHAPES))
def test_a_download_becomes_a_table_of_dates_and_named_values(tmp_path, shape, encoding):
    text, expected = SHAPES[shape]
    assert read_table(written(tmp_path, text, encoding)).to_pydict() == expected


def test_what_was_done_is_said(tmp_path):
    assert how_read(read_table(written(tmp_path, DAILY))) == (
        "a download of the Japan Meteorological Agency: 2 columns of values, 1 values missing by their quality number"
    )
    assert "1 columns without any value left out" in str(how_read(read_table(written(tmp_path, TEN_DAYS))))
    assert how_read(read_table(written(tmp_path, "a,b\n1,2\n"))) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (STAMP, "no line of elements"),
        (STAMP + "a,b\n1,2\n", "no line of elements"),
        (DAILY.replace("1979,1,1,", "1979,13,1,"), "line 8 has no date: '1979/13/1'"),
        (DAILY.replace("1979,1,1,", "1979,,1,"), "line 8 has no date"),
        (DAILY.replace("山形", "酒田"), "names '酒田_最低気温(℃)' twice"),
    ],
    ids=["no header", "another header", "month 13", "no month", "one station twice"],
)
def test_a_damaged_download_is_refused_with_its_line(tmp_path, text, said):
    with pytest.raises(DataError) as caught:
        read_table(written(tmp_path, text))
    assert (caught.value.exit_code, caught.value.code) == (3, "damaged_jma")
    assert said in str(caught.value)


def test_a_ragged_line_is_counted_as_the_file_counts_it(tmp_path):
    with pytest.raises(DataError) as caught:
        read_table(written(tmp_path, DAILY.replace("1979,1,1,2.9,1,1,-0.3,4,1", "1979,1,1,2.9")))
    assert caught.value.code == "ragged_rows"
    assert "line 8 has 4 cells where the header has 9" in str(caught.value)


def test_months_come_from_the_date_where_no_column_has_this_name():
    dates = pa.array([at(2020, 5, 1), None, at(2021, 12, 31)], pa.timestamp("us"))
    table, said = with_month(pa.table({"x": [1, 2, 3], "day": dates, "later": dates}), "month")
    assert table.column("month").to_pylist() == [5, None, 12]
    assert said == "month is the month of 'day': no column has this name"


@pytest.mark.parametrize(
    ("columns", "target"),
    [({"x": [1], "month": [3]}, "month"), ({"x": [1]}, "month"), ({"x": [1], "day": [dt.date(2020, 1, 1)]}, "x")],
    ids=["there is one", "no date", "another target"],
)
def test_otherwise_the_table_stays_as_it_is(columns, target):
    table = pa.table(columns)
    assert with_month(table, target) == (table, None)


def test_a_download_is_learned_from_and_evaluated_by_its_months(tmp_path):
    days = [dt.date(2020, 1, 1) + dt.timedelta(days=i) for i in range(366)]
    lines = [
        f"{d.year},{d.month},{d.day},{20 - abs(d.month - 7) * 3 + i % 5},8,1,{d.month % 4 + i % 3},8,1"
        for i, d in enumerate(days)
    ]
    path = written(tmp_path, DAILY.partition("1978,")[0] + "\n".join(lines) + "\n")
    said: list[str] = []
    settings = from_values({"preset": "fast", "epochs": 2, "source": "correlation", "plots": False, "split_by": "week"})
    learned = learn(path, "month", settings, tmp_path / "runs", said.append, lambda *_: None)
    assert said[0].startswith("a download of the Japan Meteorological Agency")
    assert "month is the month of '年月日': no column has this name" in said
    assert learned["task"]["classes"] == list(range(1, 13))
    again, notices = evaluate_table(open_run(Path(learned["run"]["path"])), path)
    assert again["test"]["accuracy"] == learned["test"]["accuracy"]
    assert "month is the month of '年月日': no column has this name" in notices


def test_real_downloads_are_read():
    folder = Path(os.environ.get("BENCH_DATA", "")) / "jma_obsdl"
    files = sorted(folder.glob("*.csv"))
    if not files:
        pytest.skip("BENCH_DATA names no folder with jma_obsdl, real downloads")
    for path in files:
        table = read_table(path)
        assert table.num_columns > 1
        assert all(
            pa.types.is_floating(t) or pa.types.is_integer(t) or pa.types.is_timestamp(t) for t in table.schema.types
        )
