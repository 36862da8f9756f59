"""Tables 4.1 to 4.3 and figure 4.1 of the paper (Tazume, Ochi, Sakata, Mori), our figures beside theirs."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.learning import Case, Line, latest_run, learn_line
from benchmarks.record import emit
from benchmarks.tables import data_file
from rfconv_cli.export.centres import centre_views
from rfconv_cli.export.map import field_map
from rfconv_cli.export.plots import save_figure
from rfconv_cli.files import write_bytes
from rfconv_cli.jobs.compare import Asked, compare
from rfconv_cli.jobs.pictures import groups_of, on_grid
from rfconv_cli.jobs.places import read_places
from rfconv_cli.run import Run
from rfconv_cli.stored import stored_fields

SIDE = 28
CENTRES = ((15, 15), (13, 25), (25, 25))  # (row, column) in figure 4.1
STATIONS = ("sapporo", "matsumoto", "naha")  # one of Hokkaido, of Honshu, and Naha
STATIONS_FILE = "jma_daily_stations.csv"
# accuracy as printed, in percent
MNIST = {"learned fields": 97.37, "CNN": 97.47, "linear layers": 96.21}
SHUFFLED_MNIST = {"learned fields": 97.49, "CNN": 95.89, "linear layers": 96.27}
WEATHER = {
    "learned fields": 80.08,
    "linear layers": 76.62,
    "linear SVM": 75.79,
    "RBF SVM": 75.86,
    "decision tree": 61.61,
    "random forest": 71.19,
    "k-NN": 58.54,
    "logistic regression": 65.36,
}
# our methods' keys → the paper's rows
_THEIRS = {
    "linear_layers": "linear layers",
    "linear_SVM": "linear SVM",
    "RBF_SVM": "RBF SVM",
    "decision_tree": "decision tree",
    "random_forest": "random forest",
    "k-NN": "k-NN",
    "logistic_regression": "logistic regression",
}


def table(title: str, theirs: Mapping[str, float], ours: Mapping[str, float]) -> str:
    """A Markdown table: each of the paper's rows with our accuracy, then ours that the paper has not. In percent."""
    rows = [f"| {name} | {theirs[name]:.2f} | {_percent(ours.get(name))} |" for name in theirs]
    rows += [f"| {name} | — | {_percent(value)} |" for name, value in ours.items() if name not in theirs]
    return "\n".join([f"**{title}**", "", "| | paper | here |", "|---|---|---|", *rows, ""])


def of_lines(lines: Iterable[Line]) -> dict[str, float]:
    """Mean accuracy over seeds or folds: learned fields, the plain MLP as linear layers, and the controls."""
    kept = list(lines)
    names = {"learned": "learned fields", "mlp": "linear layers", "random_fields": "random fields"}
    names["correlation_fields"] = "correlation fields"
    return {text: sum(line[key] for line in kept) / len(kept) for key, text in names.items() if kept and key in kept[0]}


def weather(
    cases: Iterable[Case],
    data: Path,
    given: Mapping[str, Any],
    cache: Path,
    out: Path | None,
    methods: Sequence[str] = (),
) -> None:
    """Learn on each fold, tune the usual methods on its rows, print table 4.3; draw the last fields on the map.

    methods: their names; none: all.
    """
    lines, others = [], []
    for case in cases:
        lines.append(learn_line(case, given, cache, out))
        run = latest_run(cache)
        asked = Asked(tuple(methods), None, None, 20_000, None, False)
        document = compare(run, case.table, None, asked, lambda _: None, lambda *_: None)
        done = {
            one["label"]: one["accuracy"] for one in document["methods"] if one["status"] == "done" and not one["own"]
        }
        others.append(emit(out, "weather-jma-compare", fold=case.fold, **{_key(name): done[name] for name in done}))
        draw_map(run, data_file(data, STATIONS_FILE), cache / "map-of-japan")
    names = [key for key in others[0] if key not in ("benchmark", "fold", "date", "machine")]
    tuned = {_THEIRS.get(name, name): sum(line[name] for line in others) / len(others) for name in names}
    print(table("Table 4.3: Japanese weather, month", WEATHER, of_lines(lines) | tuned))


def draw_grid(run: Run, pixel_of: Sequence[int], stem: Path) -> list[Path]:
    """Figure 4.1: the fields of its three centres on the grid of pixels. pixel_of: (784,) pixel p that column p shows.

    Columns are called p000 … p783 by their place in the table. Returns the paths of the PNG and the SVG.
    """
    document = run.json("fields.json")
    columns = [f"p{list(pixel_of).index(pixel):03d}" for pixel in range(SIDE * SIDE)]
    fields = on_grid(stored_fields(run, document), columns)
    centres = [columns[row * SIDE + column] for row, column in CENTRES]
    figure = centre_views(fields, centres, (SIDE, SIDE), groups=groups_of(document))
    return save_figure(figure, stem, write_bytes)


def draw_map(run: Run, stations: Path, stem: Path) -> list[Path]:
    """The fields of mean temperature at three stations on the map. stations: station, latitude, longitude."""
    document = run.json("fields.json")
    fields = stored_fields(run, document)
    places, _ = read_places(stations, {column["name"]: column["source"] for column in document["columns"]})
    wanted = [
        next(name for name in fields.names if word in name and "avg_temperature" in name)
        for word in STATIONS
        if any(word in name for name in fields.names)
    ]
    return save_figure(field_map(fields, places, wanted, groups=groups_of(document)), stem, write_bytes)


def _key(label: str) -> str:
    """A method's label as a key of a line, its spaces as underscores."""
    return label.replace(" ", "_")


def _percent(value: Any) -> str:
    return "—" if value is None else f"{100 * value:.2f}"
