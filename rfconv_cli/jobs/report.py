"""`report`: all that a run says, as one HTML page made from the run's folder alone."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from rfconv_cli.config import as_words, to_toml, unusual
from rfconv_cli.export.meaning import MODELS, SOURCES, VERDICTS
from rfconv_cli.export.page import Cell, Grid, Picture, Row, page, picture
from rfconv_cli.jobs.pictures import groups_of, pictures_of_fields, pictures_of_training
from rfconv_cli.run import Run, fitting

_MOST_FIELDS, _MOST_GROUPS = 2000, 100
_CAPTIONS = {
    "field-matrix": "Who is in whose field: rows are centres, columns are members, both ordered by group.",
    "centres": "Single fields: the members of a centre, slot by slot.",
    "field-graph": "Columns as nodes, joined where one is in the other's field, coloured by group.",
    "edge-support": "In how many half-samples of the rows each edge was found again.",
    "importance": "How much the loss on held-out rows grows when a field's columns are shuffled together.",
    "map": "Fields on the map.",
    "training": "Loss by epoch of the final network, and of the search where there was one.",
    "confusion": "True classes against predicted ones on the test rows.",
    "reliability": "How often predictions were right, by the probability that the network gave them.",
    "predicted": "Predicted against true values of the test rows.",
}


def report(run: Run) -> str:
    """The page as text. Raises RunError where a part of the run is damaged."""
    document, metrics = run.document_of("fields.json"), run.document_of("metrics.json")
    with fitting(run, "fields.json, metrics.json or run.json"):
        return page(
            {
                **_head(run, metrics),
                **_judged(metrics, document),
                **_fields(document),
                "field_pictures": _pictures(pictures_of_fields(run, document, None, (), {})),
                "training_pictures": _pictures(pictures_of_training(run)),
                "contest": _contest(metrics["contest"]) if metrics["contest"] else None,
                "how": _how(metrics),
                **_data(run, metrics),
                **_again(run),
            }
        )


def _head(run: Run, metrics: Mapping[str, Any]) -> dict[str, Any]:
    table = run.document["table"]
    return {
        "target": metrics["task"]["target"],
        "run_id": run.id,
        "created": run.document["created"],
        "table_name": table["name"],
        "rows": f"{table['rows']:,}",
        "columns": f"{len(run.schema.names):,}",
    }


def _judged(metrics: Mapping[str, Any], document: Mapping[str, Any]) -> dict[str, Any]:
    test, split = metrics["test"], metrics["split"]
    measure = "accuracy" if "accuracy" in test else "r2"
    name = {"accuracy": "accuracy", "r2": "R²"}[measure]
    heads = [Cell(""), *(Cell(text, number=True) for text in (name, "95 % interval", "learned − this", "parameters"))]
    size = metrics["network"]["parameters"]
    rows = [Row([Cell("learned fields"), *_scored(test, measure), Cell(""), _count(size)], strong=True)]
    for model, control in metrics["controls"].items():
        draws = len(control["draws"])
        text = MODELS.get(model, model) + (f" ({draws} draws)" if draws > 1 else "")
        gain = control["difference"]
        low, high = gain["interval"]
        paired = Cell(f"{_said(gain['mean'], '+.3f')} ({_said(low, '+.3f')} to {_said(high, '+.3f')})", number=True)
        rows.append(Row([Cell(text), *_scored(control, measure), paired, _count(control.get("parameters"))]))
    kinds = {"calendar": f"whole {split.get('unit')}s", "group": f"whole groups of {split.get('column')}"}
    drawn = kinds.get(str(split["kind"]), "rows")
    return {
        "verdict_code": metrics["verdict"]["code"],
        "verdict_title": VERDICTS.get(metrics["verdict"]["code"], metrics["verdict"]["code"]),
        "verdict_sentence": metrics["verdict"]["sentence"],
        "warnings": document["warnings"],
        "source": SOURCES.get(metrics["source"], metrics["source"]),
        "test_rows": f"{test['rows']:,}",
        "scores": Grid(rows, heads),
        "interval_note": f"Intervals by bootstrap over {drawn}; differences are paired: both models on the same rows.",
    }


def _scored(scores: Mapping[str, Any], measure: str) -> list[Cell]:
    low, high = scores["interval"]
    return [Cell(_said(scores[measure]), number=True), Cell(f"{_said(low)} – {_said(high)}", number=True)]


def _said(number: float | None, form: str = ".3f") -> str:
    return "?" if number is None else format(number, form)


def _count(number: int | None) -> Cell:
    return Cell("" if number is None else f"{number:,}", number=True)


def _fields(document: Mapping[str, Any]) -> dict[str, Any]:
    names = [column["name"] for column in document["columns"]]
    several = len({field["layer"] for field in document["fields"]}) > 1
    heads = [
        Cell("centre"),
        Cell("members, slot by slot"),
        Cell("support", number=True),
        Cell("importance", number=True),
    ]
    rows = [Row(_field(field, names, several)) for field in document["fields"][:_MOST_FIELDS]]
    groups = groups_of(document)
    return {
        "fields": Grid(rows, heads),
        "more_fields": max(0, len(document["fields"]) - _MOST_FIELDS),
        "groups": groups[:_MOST_GROUPS],
        "more_groups": max(0, len(groups) - _MOST_GROUPS),
    }


def _field(field: Mapping[str, Any], names: Sequence[str], several: bool) -> list[Cell]:
    members = [member for member in field["members"] if not member["fixed"]]
    known = [member["support"] for member in members if member["support"] is not None]
    support = sum(known) / len(known) if known else None
    centre = names[field["centre"]] + (f" (layer {field['layer']})" if several else "")
    shown = ", ".join(f"{names[member['column']]} ({member['weight']:.2f})" for member in members)
    return [Cell(centre), Cell(shown), _value(support, ".2f"), _value(field["importance"], ".3f")]


def _value(number: float | None, form: str) -> Cell:
    return Cell("", -1e300, number=True) if number is None else Cell(format(number, form), number, number=True)


def _contest(rows: Sequence[Mapping[str, Any]]) -> Grid:
    texts = ("brief loss", "loss", "behind the best", "standard error", "")
    heads = [Cell("fields"), *(Cell(text, number=True) for text in texts)]
    keys = ("brief_loss", "valid_loss", "behind_best", "standard_error")
    return Grid(
        [
            Row(
                [
                    Cell(row["entry"] + (f" ({row['geometry']})" if row["geometry"] else "")),
                    *(Cell("" if row[key] is None else f"{row[key]:.4f}", number=True) for key in keys),
                    Cell("chosen" if row["chosen"] else ""),
                ],
                strong=row["chosen"],
            )
            for row in rows
        ],
        heads,
    )


def _how(metrics: Mapping[str, Any]) -> list[str]:
    lines = []
    if search := metrics["search"]:
        lines.append(
            f"Search: R {search['parameterisation']}, {search['estimator']}, {search['level']}, "
            f"{search['steps']:,} steps; "
            f"validation score {_said(search['relaxed'])} relaxed and {_said(search['discrete'])} with discrete fields."
        )
    if stability := metrics["verdict"].get("stability"):
        low, high = stability["phi_interval"]
        lines.append(
            f"Found again on {stability['halves']} half-samples of the training rows: selection stability "
            f"Φ = {stability['phi']:.2f} ({low:.2f} to {high:.2f}; Nogueira, Sechidis and Brown 2018), "
            f"{stability['stable_edges']} edges in at least {stability['threshold']:.0%} of them."
        )
        if null := stability.get("null"):
            lines.append(f"The same with a shuffled target: Φ = {null['phi']:.2f}, {null['stable_edges']} such edges.")
    return lines


def _data(run: Run, metrics: Mapping[str, Any]) -> dict[str, Any]:
    table, rows, split = run.document["table"], metrics["rows"], metrics["split"]
    unit = f" by {split['unit']}" if split.get("unit") else ""
    column = f" of {split['column']}" if split.get("column") else ""
    pairs = {
        "table": table["name"],
        "sha256": str(table["sha256"] or "not known: it came from a pipe"),
        "rows": f"{table['rows']:,}",
        "training, validation and test rows": " + ".join(f"{rows[part]:,}" for part in ("train", "valid", "test")),
        "split": f"{split['kind']}{unit}{column}",
        "target": f"{metrics['task']['target']} ({metrics['task']['type']})",
        "classes": ", ".join(str(label) for label in metrics["task"]["classes"]),
    }
    left_out = [Row([Cell(name), Cell(reason)]) for name, reason in run.schema.left_out]
    return {"data": _pairs(pairs), "left_out": Grid(left_out) if left_out else None}


def _again(run: Run) -> dict[str, Any]:
    table, target = run.document["table"], run.schema.target.name
    words = ["rfconv", "learn", table["name"], "--target", target, *as_words(unusual(run.settings))]
    if test := run.document.get("test_table"):
        words += ["--test-data", test["name"]]
    is_given = run.document_of("metrics.json")["source"] == "given"
    given = " and with --fields, the fields.json that was given" if is_given else ""
    seconds = ", ".join(f"{stage} {value:.1f} s" for stage, value in run.document["seconds"].items())
    return {
        "command": shlex.join(words),
        "again_note": f"On the same table (see its sha256){given}. On the same machine the fields and scores are the "
        "same to the last digit.",
        "settings": to_toml(run.settings).decode(),
        "versions": _pairs({**run.document["versions"], "seconds": seconds}),
    }


def _pairs(pairs: Mapping[str, str]) -> Grid:
    return Grid([Row([Cell(key), Cell(str(value))]) for key, value in pairs.items() if value])


def _pictures(figures: Mapping[str, Any]) -> list[Picture]:
    return [picture(figure, _CAPTIONS[name]) for name, figure in figures.items()]
