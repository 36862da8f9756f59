"""The commands as a user types them, in this process: what they print, where, and with which exit code."""

import json
from pathlib import Path

import jsonschema
import pandas as pd
import pyarrow.parquet as pq
import pytest

from rfconv_cli.cli import app
from rfconv_cli.export.document import load_schema
from rfconv_cli.program import run_app
from tests.conftest import FAST, sensor_frame


def stdout_json(capsys) -> dict:
    return json.loads(capsys.readouterr().out, parse_constant=lambda name: pytest.fail(f"{name} in JSON"))


def test_learn_prints_scores_controls_and_verdict(sensor_csv, tmp_path, capsys):
    assert run_app(["learn", str(sensor_csv), "-t", "state", "--runs", str(tmp_path / "runs"), *FAST]) == 0
    out = capsys.readouterr().out
    assert all(word in out for word in ("learned fields", "random fields", "plain MLP", "95 % interval", "Verdict"))


def test_learn_json_is_one_document_with_what_the_design_promises(sensor_csv, tmp_path, capsys):
    runs = str(tmp_path / "runs")
    assert run_app(["learn", str(sensor_csv), "-t", "state", "--runs", runs, "--json", "-q", *FAST]) == 0
    result = stdout_json(capsys)
    assert (result["format"], result["format_version"]) == ("rfconv.result", 1)
    assert result["task"] == {"target": "state", "type": "binary", "classes": ["other", "same"]}
    assert {"rows", "accuracy", "interval"} <= result["test"].keys()
    assert {"mean", "interval"} <= result["controls"]["random_fields"]["difference"].keys()
    assert {"random_fields", "mlp"} <= result["controls"].keys()
    assert {"code", "sentence"} <= result["verdict"].keys()
    assert result["seconds"].keys() >= {"search", "train"}
    assert result["peak_memory_bytes"] > 0
    assert Path(result["run"]["path"]).is_dir()


def test_quiet_learn_says_nothing_on_stderr(sensor_csv, tmp_path, capsys):
    run_app(["learn", str(sensor_csv), "-t", "state", "--runs", str(tmp_path / "runs"), "-q", *FAST])
    assert capsys.readouterr().err == ""


def test_evaluate_in_a_moved_folder_reproduces_the_stored_score_exactly(learned, capsys):
    stored = json.loads((learned / "metrics.json").read_text())
    assert run_app(["evaluate", "--json", "-q"]) == 0
    assert stdout_json(capsys)["test"] == stored["test"]


def test_evaluate_says_on_stderr_which_run_it_took(learned, capsys):
    run_app(["evaluate"])
    assert learned.name in capsys.readouterr().err


def test_evaluate_scores_other_rows(learned, tmp_path, capsys):
    other = tmp_path / "other.csv"
    sensor_frame(rows=50, seed=1).to_csv(other, index=False)
    assert run_app(["evaluate", str(other), "--json", "-q"]) == 0
    assert stdout_json(capsys)["test"]["rows"] == 50


def test_evaluate_of_the_learned_table_scores_its_test_rows_alone(learned, sensor_csv, capsys):
    stored = json.loads((learned / "metrics.json").read_text())
    assert run_app(["evaluate", str(sensor_csv), "--json", "-q"]) == 0
    assert stdout_json(capsys)["test"] == stored["test"]


@pytest.mark.parametrize(("least", "code"), [("0.0", 0), ("1.01", 6)])
def test_a_gate_decides_the_exit_code(learned, least, code):
    assert run_app(["evaluate", "-q", "--fail-under", f"accuracy={least}"]) == code


def test_predict_writes_csv_on_stdout_with_probabilities_that_sum_to_one(learned, sensor_csv, capfdbinary):
    assert run_app(["predict", str(sensor_csv), "-q"]) == 0
    lines = capfdbinary.readouterr().out.decode().splitlines()
    assert lines[0] == '"row","prediction","probability_other","probability_same"'
    first = lines[1].split(",")
    assert float(first[2]) + float(first[3]) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_a_table_may_be_written_in_another_way_than_the_one_learned_from(learned, tmp_path, command, capsys):
    frame, table = sensor_frame(rows=30, seed=2), tmp_path / "new.csv"
    table.write_text("from a logger\n" + frame.to_csv(index=False, sep="|", decimal=","))
    plain = tmp_path / "plain.csv"
    frame.to_csv(plain, index=False)
    assert run_app([command, str(plain), "-q"]) == 0
    expected = capsys.readouterr().out
    flags = ["--delimiter", "|", "--decimal", ",", "--skip-lines", "1"]
    assert run_app([command, str(table), "-q", *flags]) == 0
    assert capsys.readouterr().out == expected
    assert run_app([command, str(table), "-q", "--decimal", ";"]) == 2


def test_predict_needs_no_target_and_writes_parquet(learned, tmp_path):
    table, out = tmp_path / "new.parquet", tmp_path / "predicted.parquet"
    sensor_frame(rows=30, seed=2).drop(columns="state").to_parquet(table)
    assert run_app(["predict", str(table), "-q", "--out", str(out)]) == 0
    assert pq.read_table(out).column_names == ["row", "prediction", "probability_other", "probability_same"]


def test_export_fields_prints_a_document_that_its_schema_accepts(learned, capsys):
    assert run_app(["export-fields", "-q"]) == 0
    jsonschema.Draft202012Validator(load_schema()).validate(stdout_json(capsys))


def test_export_fields_plot_writes_json_png_and_svg_and_prints_their_paths(learned, capsys):
    assert run_app(["export-fields", "--plot", "-q"]) == 0
    paths = [Path(line) for line in capsys.readouterr().out.splitlines()]
    fields, *pictures = [path.name for path in paths]
    stems = ["field-matrix", "centres", "field-graph", "edge-support", "importance", "training", "confusion"]
    assert fields == "fields.json"
    assert pictures == [f"{stem}.{form}" for stem in [*stems, "reliability"] for form in ("png", "svg")]
    assert all(path.stat().st_size > 0 for path in paths)


def test_export_fields_with_a_grid_and_centres_draws_them(learned, tmp_path, capsys):
    flags = ["--plot", "--out", str(tmp_path / "out"), "--shape", "1x7", "--centre", "load"]
    assert run_app(["export-fields", "-q", *flags]) == 0
    assert "load" in (tmp_path / "out" / "centres.svg").read_text()


def test_runs_lists_target_score_and_verdict(learned, capsys):
    assert run_app(["runs", "--json"]) == 0
    (entry,) = stdout_json(capsys)["runs"]
    assert (entry["target"], entry["latest"]) == ("state", True)
    assert run_app(["runs"]) == 0
    assert "accuracy" in capsys.readouterr().out


@pytest.mark.parametrize("what", ["fields", "settings"])
def test_config_schema_prints_a_valid_json_schema(what, capsys):
    assert run_app(["config", "schema", what]) == 0
    jsonschema.Draft202012Validator.check_schema(stdout_json(capsys))


def test_config_show_prints_settings_that_learn_reads_back(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run_app(["config", "show", "--kernel-size", "7"]) == 0
    first = capsys.readouterr().out
    Path("rfconv.toml").write_text(first)
    assert run_app(["config", "show"]) == 0
    assert capsys.readouterr().out == first


def test_a_regression_shows_r2_and_learns_from_parquet(tmp_path, capsys):
    table = tmp_path / "load.parquet"
    sensor_frame().drop(columns="state").to_parquet(table)
    assert run_app(["learn", str(table), "-t", "load", "--runs", str(tmp_path / "runs"), "-q", *FAST]) == 0
    assert "R²" in capsys.readouterr().out


def test_every_command_has_help_and_every_option_too():
    from typer.main import get_command

    commands = [get_command(app)]
    while commands:
        command = commands.pop()
        commands += list(getattr(command, "commands", {}).values())
        assert command.help
        assert all(getattr(param, "help", "") for param in command.params), command.name


def test_a_control_character_in_a_name_never_reaches_the_terminal(tmp_path, capsys):
    frame = sensor_frame().rename(columns={"temp_a": "temp\x1b[31m"})
    frame["constant\x1b[2J"] = 1
    frame.to_csv(tmp_path / "t.csv", index=False)
    run_app(["learn", str(tmp_path / "t.csv"), "-t", "stat", "--runs", str(tmp_path / "r"), *FAST])
    run_app(["learn", str(tmp_path / "t.csv"), "-t", "state", "--runs", str(tmp_path / "r"), *FAST])
    captured = capsys.readouterr()
    assert "\x1b" not in captured.out + captured.err


def test_the_result_fits_80_columns(sensor_csv, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    run_app(["learn", str(sensor_csv), "-t", "state", "-q", *FAST])
    assert max(len(line) for line in capsys.readouterr().out.splitlines()) <= 80


def test_columns_are_matched_by_name_whatever_their_order(learned, sensor_csv, tmp_path, capsys):
    shuffled = tmp_path / "shuffled.csv"
    frame = pd.read_csv(sensor_csv)
    frame[frame.columns[::-1]].to_csv(shuffled, index=False)
    run_app(["evaluate", str(shuffled), "--json", "-q"])
    backwards = stdout_json(capsys)["test"]
    frame.assign(extra=1.0).to_csv(shuffled, index=False)
    run_app(["evaluate", str(shuffled), "--json", "-q"])
    assert stdout_json(capsys)["test"] == backwards


def test_given_fields_are_trained_on_as_they_are(learned, sensor_csv, capsys):
    assert run_app(["export-fields", "-q", "--out", "exported"]) == 0
    assert run_app(["learn", str(sensor_csv), "-t", "state", "-q", "--fields", "exported/fields.json", *FAST]) == 0
    capsys.readouterr()
    assert run_app(["export-fields", "-q"]) == 0
    again = stdout_json(capsys)
    former = json.loads(Path("exported/fields.json").read_text())
    assert again["source"] == "given"
    for field in former["fields"]:  # the former run repeated its source on half-samples; what is given has none
        for member in field["members"]:
            member["support"] = None
    assert again["fields"] == former["fields"]
    assert run_app(["evaluate", "-q"]) == 0


def test_a_grid_keeps_the_place_of_pixels_that_never_change(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    frame = sensor_frame()[["temp_a", "temp_b", "pressure", "state"]]
    frame.insert(1, "dead pixel", 0.0)
    frame.to_csv("image.csv", index=False)
    assert run_app(["learn", "image.csv", "-t", "state", "-q", "--no-plots", *FAST]) == 0
    assert run_app(["export-fields", "-q", "--plot", "--shape", "2x2", "--out", "drawn"]) == 0
    assert Path("drawn/centres.png").stat().st_size > 0


def test_a_gate_that_fails_leaves_one_json_document(learned, capsys):
    assert run_app(["evaluate", "-q", "--json", "--fail-under", "accuracy=1.01"]) == 6
    assert stdout_json(capsys)["format"] == "rfconv.result"


def test_a_run_is_found_by_its_name_from_a_folder_below(learned, monkeypatch, capsys):
    (Path.cwd() / "deep").mkdir()
    monkeypatch.chdir("deep")
    assert run_app(["evaluate", "-q", "--run", learned.name]) == 0


def test_evaluate_refuses_a_run_whose_weights_are_gone(learned, capsys):
    (learned / "model.safetensors").unlink()
    assert run_app(["evaluate", "-q"]) == 4


def test_predict_gives_columns_of_the_table_and_disarms_formulas(learned, tmp_path, capfdbinary):
    frame = sensor_frame(5).assign(station=["=SUM(A1)", "a", "b", "c", "d"]).drop(columns="state")
    frame.to_csv(tmp_path / "new.csv", index=False)
    assert run_app(["predict", str(tmp_path / "new.csv"), "-q", "--id", "station", "--csv-safe"]) == 0
    lines = capfdbinary.readouterr().out.decode().splitlines()
    assert lines[0].startswith('"row","station","prediction"')
    assert lines[1].startswith("0,'=SUM(A1),") or lines[1].startswith('0,"\'=SUM(A1)",')


@pytest.mark.parametrize(
    ("command", "hint"),
    [
        (["learn", "--nothing"], "rfconv learn --help lists its flags"),
        (["learn"], "rfconv learn --help lists its flags"),
        (["export-fields", "--shape"], "rfconv export-fields --help lists its flags"),
        (["config", "show", "--kernel-size", "many"], "rfconv config show --help lists its flags"),
        (["config", "nothing"], "rfconv config --help lists its commands"),
        (["lern"], "rfconv --help lists its commands"),
    ],
)
def test_a_usage_error_points_to_the_help_of_its_command(command, hint, capsys):
    assert run_app(command) == 2
    message, told = capsys.readouterr().err.splitlines()
    assert message.startswith("rfconv: ")
    assert told.strip() == hint


@pytest.mark.parametrize("command", [[], ["config"]])
def test_without_a_command_there_is_help_and_no_error_around_it(command, capsys):
    assert run_app(command) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("Usage: rfconv")
    assert captured.out == ""


def test_config_show_json_is_what_learn_would_use(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RFCONV_CHANNELS", "3")
    assert run_app(["config", "show", "--kernel-size", "7", "--json"]) == 0
    settings = stdout_json(capsys)["settings"]
    assert (settings["kernel_size"], settings["channels"]) == (7, 3)
