"""Tables that nobody thought of: whatever its columns, a table is learned from and predicted, or refused clearly."""

import datetime as dt
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rfconv_cli.config import from_values
from rfconv_cli.errors import DataError
from rfconv_cli.jobs.apply import evaluate_stored, evaluate_table, predict_table
from rfconv_cli.jobs.learn import learn
from rfconv_cli.run import open_run

ROWS = 80
QUICK = {"epochs": 2, "source": "correlation", "random_draws": 1, "stability": 0, "bootstrap": 100, "plots": False}
KINDS = ("float", "integer", "boolean", "words", "notes", "date", "constant", "empty", "huge", "float32")

names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12).filter(
    lambda name: name.strip() and name != "y"
)


def column(kind: str, gaps: float, rng: np.random.Generator) -> pa.Array:
    made = {
        "float": lambda: rng.normal(size=ROWS),
        "float32": lambda: rng.normal(size=ROWS).astype(np.float32),
        "integer": lambda: rng.integers(-50, 50, ROWS),
        "boolean": lambda: rng.integers(0, 2, ROWS).astype(bool),
        "words": lambda: rng.choice(["pump", "fan", "a,b", 'say "no"'], ROWS),
        "notes": lambda: [f"note {i}" for i in range(ROWS)],
        "date": lambda: [dt.date(2024, 1, 1) + dt.timedelta(days=i) for i in range(ROWS)],
        "constant": lambda: np.full(ROWS, 3.5),
        "empty": lambda: [None] * ROWS,
        "huge": lambda: rng.normal(size=ROWS) * 1e300,
    }
    values = list(made[kind]())
    return pa.array([None if rng.random() < gaps else value for value in values])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(
    st.lists(st.tuples(names, st.sampled_from(KINDS), st.sampled_from([0.0, 0.0, 0.3])), min_size=2, max_size=7),
    st.sampled_from(["words", "integer classes", "float"]),
    st.sampled_from([pa_csv.write_csv, pq.write_table]),
    st.integers(0, 2**32 - 1),
)
def test_any_table_is_learned_from_and_predicted_or_refused(columns, target, write, seed):
    rng = np.random.default_rng(seed)
    targets = {
        "words": [f"{i % 3}月" for i in range(ROWS)],
        "integer classes": [i % 2 for i in range(ROWS)],
        "float": rng.normal(size=ROWS),
    }
    table = pa.table({name: column(kind, gaps, rng) for name, kind, gaps in columns} | {"y": targets[target]})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("t.csv" if write is pa_csv.write_csv else "t.parquet")
        write(table, path)
        result, hint = None, None
        try:
            chosen = from_values({**QUICK, "split_by": "none"})
            result = learn(path, "y", chosen, Path(folder) / "runs", lambda _: None, lambda *_: None)
        except DataError as error:
            hint = error.hint
        if result is None:
            assert hint
            assert not list((Path(folder) / "runs").glob("*"))
            return
        run = open_run(Path(result["run"]["path"]))
        again, _ = evaluate_table(run, path)
        assert again["test"] == evaluate_stored(run)["test"]
        predictions, _ = predict_table(run, path)
        assert predictions["row"].to_pylist() == list(range(ROWS))
        stored = run.table("predictions-test.parquet")
        assert predictions.take(stored["row"])["prediction"].to_pylist() == stored["prediction"].to_pylist()
        if run.schema.target.classes:
            assert set(predictions["prediction"].to_pylist()) <= set(targets[target])
