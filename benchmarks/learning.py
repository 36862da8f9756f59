"""One `learn` on one table, as a line of results. What is measured stands in a `Case`; which cases, in the benchmarks.

The validation rows drive every choice; `learn` opens the test rows once, after everything was fitted.
"""

import json
import statistics
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.record import emit
from rfconv_cli.config import Settings, from_values
from rfconv_cli.errors import UsageError
from rfconv_cli.jobs.learn import learn
from rfconv_cli.run import LATEST, Run, open_run

Line = dict[str, Any]
RUNS = "runs"
CONTROLS = ("random_fields", "correlation_fields", "mlp")
ALL_FOLDS = "mean"


@dataclass(frozen=True)
class Case:
    """A table with its split.

    benchmark: the name its lines carry; target: the column to predict; split: how rows were split, in words.
    seed: where all randomness comes from; fold: which part was the test part, where there are folds.
    fixed: settings that make the case what it is (target, split, columns left out); none can be set from outside.
    usual: settings of this benchmark that can.
    truth: column → its true neighbours, where they are known.
    """

    benchmark: str
    table: Path
    target: str
    split: str
    seed: int
    fixed: Mapping[str, Any]
    usual: Mapping[str, Any] = field(default_factory=dict)
    fold: int | None = None
    truth: Mapping[str, Collection[str]] | None = None

    @property
    def label(self) -> Line:
        """What tells this case's lines from those of its siblings."""
        return {"seed": self.seed} if self.fold is None else {"fold": self.fold}


def parsed(pairs: Iterable[str], preset: str = "default") -> dict[str, Any]:
    """`key=value` texts → settings, each value read as JSON where it is JSON and as text where not. UsageError."""
    found: dict[str, Any] = {} if preset == "default" else {"preset": preset}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            raise UsageError(f"--set {pair}: expected key=value", hint="--set source=aligned", code="bad_setting")
        try:
            found[key] = json.loads(text)
        except json.JSONDecodeError:
            found[key] = text
    return found


def settings_of(case: Case, given: Mapping[str, Any]) -> Settings:
    """The case's settings with `given` ones over its usual ones. Raises UsageError, also where a fixed one is given."""
    if taken := sorted(given.keys() & {*case.fixed, "seed"}):
        raise UsageError(
            f"{', '.join(taken)} belongs to the benchmark {case.benchmark} and cannot be set",
            hint=f"leave out --set {taken[0]}=…",
            code="bad_setting",
        )
    return from_values({"plots": False, **case.usual, **given, **case.fixed, "seed": case.seed})


def learn_line(case: Case, given: Mapping[str, Any], cache: Path, out: Path | None, **more: Any) -> Line:
    """Run `learn` on the case and emit its line, with `more` after the label. The run stays in `cache`/runs."""
    settings = settings_of(case, given)
    _reset_peak()
    result = learn(case.table, case.target, settings, cache / RUNS, lambda _: None, lambda *_: None)
    return emit(
        out,
        case.benchmark,
        **case.label,
        **more,
        split=case.split,
        **scores(result),
        **_neighbours(Path(result["run"]["path"]), case.truth),
        source=result["source"],
        verdict=result["verdict"]["code"],
        seconds=sum(result["seconds"].values()),
        stages=result["seconds"],
        peak_memory_mib=round(result["peak_memory_bytes"] / 2**20),
        settings={**case.usual, **given, **case.fixed},
    )


def latest_run(cache: Path) -> Run:
    """The run that the last `learn_line` left there."""
    runs = cache / RUNS
    return open_run(runs / (runs / LATEST).read_text(encoding="utf-8").strip())


def scores(result: Mapping[str, Any]) -> Line:
    """The scores of a result document: accuracy, or RMSE with R², each with its interval, beside the controls."""
    test = result["test"]
    measure = "rmse" if "rmse" in test else "accuracy"
    of_rmse = {"r2": test["r2"], "r2_interval": test["interval"]} if measure == "rmse" else {}
    return {
        "measure": measure,
        "learned": test[measure],
        "interval": test["rmse_interval" if measure == "rmse" else "interval"],
        **of_rmse,
        **{name: result["controls"][name][measure] for name in CONTROLS},
        "difference_to_random": result["controls"]["random_fields"]["difference"],
    }


def mean_line(lines: Sequence[Line], out: Path | None) -> Line:
    """Emit the mean over the folds of every figure that all of `lines` carry."""
    first = lines[0]
    figures = {key: [line[key] for line in lines] for key, value in first.items() if isinstance(value, int | float)}
    kept = {key: first[key] for key in ("baseline", "split", "measure", "settings") if key in first}
    means = {key: statistics.fmean(values) for key, values in figures.items() if key != "fold"}
    return emit(out, first["benchmark"], fold=ALL_FOLDS, folds=len(lines), **kept, **means)


def neighbour_scores(document: Mapping[str, Any], truth: Mapping[str, Collection[str]]) -> tuple[float, float]:
    """(recall, precision) of a fields.json against the true neighbours of each column, over all centres.

    Recall counts, of a centre's true neighbours, those among its members; a field of K slots has room for K − 1, so
    no more than that are asked of it. Precision is the share of members that are true neighbours. Slots, and layers
    after the first, are not looked at.
    """
    names = {column["id"]: column["name"] for column in document["columns"]}
    hits = asked = placed = 0
    first_layer = document["fields"][0]["layer"]
    for one in document["fields"]:
        if one["layer"] != first_layer:
            continue
        true = truth[names[one["centre"]]]
        members = {names[member["column"]] for member in one["members"]} - {names[one["centre"]]}
        hits += len(members.intersection(true))
        asked += min(len(true), len(one["members"]) - 1)
        placed += len(members)
    return hits / asked, hits / placed


def _neighbours(run: Path, truth: Mapping[str, Collection[str]] | None) -> Line:
    if truth is None:
        return {}
    recall, precision = neighbour_scores(json.loads((run / "fields.json").read_text(encoding="utf-8")), truth)
    return {"recall": recall, "precision": precision}


def _reset_peak() -> None:
    """Start the process's memory mark anew, so that a line's peak is that of its own run (Linux; elsewhere nothing)."""
    mark = Path("/proc/self/clear_refs")
    if mark.exists():
        mark.write_text("5")
