"""A value of the input appears in no artefact but predictions.

What is known by design: the range of each column stands in schema.json, medians in preprocess.json, quantiles among the
weights of the embedding, names of classes and of frequent categories wherever they are said. The canaries are none of
these: a number inside a column's range, a text of a column that is left out, a rare category, an id, a date.
"""

import json
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file

from rfconv_cli.config import from_values
from rfconv_cli.jobs.begun import waiting
from rfconv_cli.jobs.learn import learn
from rfconv_cli.program import run_app

NUMBER, ODD = 0.7390851332151607, 0.9159655941772190  # of a column that is learned from; of the target
TEXTS = ("canary-id-4711", "canary-note", "canary-valve", "03:14:15")
DATE = f"2026-04-11 {TEXTS[3]}"  # amid the others
SECONDS = int(pd.Timestamp(DATE).timestamp())
METHODS = {"state": "logistic-regression", "load": "ridge"}
FLAGS = (
    *("--search-steps", "30", "--contest-epochs", "1", "--epochs", "3", "--random-draws", "1", "--stability", "2"),
    *("--bootstrap", "100", "--channels", "4", "--hidden", "16", "--threads", "1", "--bins", "8", "-q"),
)


def frame(target: str) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = 200
    made = pd.DataFrame(rng.normal(size=(rows, 4)), columns=list("abcd"))
    made["valve"] = rng.choice(["open", "shut"], rows)
    made["note"] = [f"note {i}" for i in range(rows)]
    made["tag"] = [f"t{i}" for i in range(rows)]
    made["when"] = pd.date_range("2026-01-01 06:00", periods=rows, freq="D").astype(str)
    made["state"] = np.where(made["a"] * made["b"] > 0, "up", "down")
    made["load"] = made["a"] - made["c"]
    for row in (20, 120, 199):  # whichever part they fall into
        made.loc[row, ["b", "valve", "note", "tag", "when"]] = [NUMBER, TEXTS[2], TEXTS[1], TEXTS[0], DATE]
        made.loc[row, "load"] = ODD
    return made.drop(columns="load" if target == "state" else "state")


def forms_of(number: float) -> list[bytes]:
    """A number as text, and as the bytes of each kind of float."""
    text = [repr(number)[:8].encode(), f"{number:.5f}".encode()]
    return [*text, struct.pack("<d", number), struct.pack("<f", number), struct.pack(">d", number)]


def leaks(path: Path) -> Iterator[str]:
    """What a file tells that it should not: read as it is, and as what it holds."""
    data = path.read_bytes()
    if path.suffix == ".parquet":
        data += pq.read_table(path).to_pandas().to_csv().encode()
    numbers = []
    if path.suffix == ".safetensors":
        numbers = [value for tensor in load_file(path).values() for value in tensor.astype(float).ravel().tolist()]
    if path.suffix in (".json", ".html"):
        data += json.dumps(data.decode(errors="replace"), ensure_ascii=False).encode()
    for text in TEXTS:
        if text.encode() in data:
            yield f"{path.name}: {text}"
    if str(SECONDS).encode() in data or np.isclose(numbers, SECONDS, rtol=1e-7).any():
        yield f"{path.name}: {DATE}"
    for number in (NUMBER, ODD):
        if any(form in data for form in forms_of(number)) or np.isclose(numbers, number, rtol=1e-7).any():
            yield f"{path.name}: {number}"


@pytest.mark.parametrize("target", ["state", "load"])
def test_no_value_of_the_input_appears_but_in_predictions(target, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    frame(target).to_csv("table.csv", index=False)
    roles = ("--id", "tag", "--split-by", "none")
    assert run_app(["learn", "table.csv", "-t", target, *roles, *FLAGS]) == 0
    for command in (
        ["evaluate", "--json"],
        ["evaluate", "table.csv", "--json"],
        ["report", "--out", "report.html", "-q"],
        [
            "export-fields",
            "--plot",
            "--out",
            "fields",
            "--format",
            "csv",
            "--format",
            "graphml",
            "--format",
            "md",
            "-q",
        ],
        ["export-model", "--format", "torch", "--out", "model", "-q"],
        ["export-model", "--out", "onnx", "-q"],
        ["compare", "table.csv", "--method", "decision-tree", "--jobs", "1", "--plot", "--out", "compare", "-q"],
        ["compare", "table.csv", "--method", METHODS[target], "--jobs", "1", "--json"],
        ["runs"],
    ):
        assert run_app(command) == 0
    said = capsys.readouterr()
    (tmp_path / "said.txt").write_text(said.out + said.err)
    artefacts = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "table.csv"]
    assert len(artefacts) > 25
    found = [leak for path in artefacts for leak in leaks(path)]
    # the truth stands beside each test prediction, which is what predictions are for
    assert [leak for leak in found if not leak.startswith("predictions-test.parquet")] == []


def test_the_search_for_leaks_finds_them(tmp_path):
    frame("state").to_parquet(tmp_path / "t.parquet")
    frame("state").to_csv(tmp_path / "t.csv")
    assert len(list(leaks(tmp_path / "t.parquet"))) == 5
    assert len(list(leaks(tmp_path / "t.csv"))) == 5


def test_what_an_interrupted_learn_keeps_holds_none_either(tmp_path, monkeypatch):
    monkeypatch.setattr("rfconv_cli.network.memo._FIRST", 0.0)
    frame("state").to_csv(tmp_path / "t.csv", index=False)

    def end(stage: str, share: float) -> None:
        if stage == "train":
            raise KeyboardInterrupt

    settings = from_values({"id": ["tag"], "split_by": "none", "epochs": 3, "search_steps": 20, "threads": 1})
    with pytest.raises(KeyboardInterrupt):
        learn(tmp_path / "t.csv", "state", settings, tmp_path / "runs", lambda _: None, end)
    (folder,) = waiting(tmp_path / "runs")
    kept = [path for path in folder.rglob("*") if path.is_file()]
    assert len(kept) > 5
    assert [leak for path in kept for leak in leaks(path)] == []
