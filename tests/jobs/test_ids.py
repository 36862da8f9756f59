"""`--id`: a column that names the rows is not learned from, and stands beside the predictions."""

from pathlib import Path

from rfconv_cli.program import run_app
from tests.conftest import FAST, sensor_frame


def test_an_id_is_no_feature_and_comes_back_with_each_prediction(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    frame = sensor_frame().assign(tag=[f"T{i:03d}" for i in range(240)], site=[i % 7 for i in range(240)])
    frame.to_csv("t.csv", index=False)
    assert run_app(["learn", "t.csv", "-t", "state", "--id", "tag", "--id", "site", *FAST]) == 0
    assert "left out, id: tag, site" in capsys.readouterr().err
    assert run_app(["predict", "t.csv", "-q"]) == 0
    header, first, *_ = capsys.readouterr().out.splitlines()
    assert header.startswith('"row","tag","site","prediction"')
    assert first.startswith('0,"T000",0,')
    frame.drop(columns="site").to_csv("u.csv", index=False)
    assert run_app(["predict", "u.csv", "--out", "p.csv", "-q"]) == 0
    assert Path("p.csv").read_text().startswith('"row","tag","prediction"')


def test_an_id_that_is_not_there_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    sensor_frame().to_csv("t.csv", index=False)
    assert run_app(["learn", "t.csv", "-t", "state", "--id", "tug", *FAST]) == 3
    assert "'tug' for id" in capsys.readouterr().err


def test_an_id_that_is_called_like_a_column_of_the_predictions_is_refused_at_learn(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    sensor_frame().assign(prediction=range(240)).to_csv("t.csv", index=False)
    assert run_app(["learn", "t.csv", "-t", "state", "--id", "prediction", *FAST]) == 2
    assert "--id prediction" in capsys.readouterr().err
    assert not Path("rfconv-runs").exists()
