"""What a stranger could put into a run: each forgery changes a copy of a real run and mends every checksum after it."""

import hashlib
import io
import json
import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

Forge = Callable[[Path], None]
ODD = "\x1b]0;owned\x07\x9b2J\u202e\u2066<script>alert(1)</script>&\"'|`=1+1\x00\x7f\ud7ff𝛑酒田"
FORMULA = "=HYPERLINK(1)"


def seal(run: Path, **changes: Any) -> None:
    """Write run.json with these changes, and with checksums that fit what lies there now."""
    document = json.loads((run / "run.json").read_bytes()) | changes
    if isinstance(document.get("files"), dict):
        here = {name for name in document["files"] if (run / name).is_file()}
        sums = {name: hashlib.sha256((run / name).read_bytes()).hexdigest() for name in here}
        document["files"] = document["files"] | sums
    write_run_json(run, document)


def write_run_json(run: Path, document: Any) -> None:
    content = {key: value for key, value in document.items() if key != "sha256"}
    checksum = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    (run / "run.json").write_text(json.dumps(content | {"sha256": checksum}))


def with_bytes(name: str, data: bytes | Callable[[bytes], bytes]) -> Forge:
    def forge(run: Path) -> None:
        path = run / name
        path.write_bytes(data(path.read_bytes()) if callable(data) else data)
        if name != "run.json":
            seal(run)

    return forge


def with_json(name: str, change: Callable[[Any], Any]) -> Forge:
    """`change` alters the document it is given; what it returns does not count."""

    def forge(run: Path) -> None:
        document = json.loads((run / name).read_bytes())
        change(document)
        if name == "run.json":
            write_run_json(run, document)
        else:
            (run / name).write_text(json.dumps(document))
            seal(run)

    return forge


def at(*path: str | int, to: Any) -> Callable[[Any], None]:
    """The change that puts a value at a place in a document."""

    def change(document: Any) -> None:
        for key in path[:-1]:
            document = document[key]
        document[path[-1]] = to

    return change


def with_setting(line: str) -> Forge:
    """A line of config.toml in place of the one with its key."""

    def change(data: bytes) -> bytes:
        key = line.partition(" ")[0]
        lines = [old for old in data.decode().splitlines() if not old.startswith(f"{key} ")]
        return "\n".join([*lines, line]).encode()

    return with_bytes("config.toml", change)


def with_table(name: str, change: Callable[[pa.Table], pa.Table]) -> Forge:
    def changed(data: bytes) -> bytes:
        sink = io.BytesIO()
        pq.write_table(change(pq.read_table(io.BytesIO(data))), sink, compression="zstd")
        return sink.getvalue()

    return with_bytes(name, changed)


def with_tensors(change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> Forge:
    return with_bytes("model.safetensors", lambda data: save_tensors(change(load_tensors(data))))


def all_of(*forgeries: Forge) -> Forge:
    def forge(run: Path) -> None:
        for one in forgeries:
            one(run)

    return forge


class _Payload:
    """Unpickled, it leaves a file behind."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.mknod, (str(self.marker),)


def marker_of(run: Path) -> Path:
    return run.parent.parent / "executed"


def pickled(name: str) -> Forge:
    return lambda run: with_bytes(name, pickle.dumps(_Payload(marker_of(run))))(run)


def torch_saved(run: Path) -> None:
    sink = io.BytesIO()
    torch.save({"weights": _Payload(marker_of(run))}, sink)
    with_bytes("model.safetensors", sink.getvalue())(run)


def linked(name: str) -> Forge:
    """The file lies elsewhere, and a link stands in its place."""

    def forge(run: Path) -> None:
        elsewhere = run.parent.parent / "elsewhere"
        (run / name).rename(elsewhere)
        (run / name).symlink_to(elsewhere)

    return forge


def piped(name: str) -> Forge:
    def forge(run: Path) -> None:
        (run / name).unlink()
        os.mkfifo(run / name)

    return forge


def device(name: str) -> Forge:
    def forge(run: Path) -> None:
        (run / name).unlink()
        (run / name).symlink_to("/dev/zero")

    return forge


def listed(name: str) -> Forge:
    """run.json lists a file more, outside the run."""

    def forge(run: Path) -> None:
        document = json.loads((run / "run.json").read_bytes())
        outside = run.parent.parent / "outside"
        outside.write_bytes(b"secret")
        spelled = name.format(outside=outside)
        write_run_json(run, document | {"files": document["files"] | {spelled: hashlib.sha256(b"secret").hexdigest()}})

    return forge


def linked_folder(run: Path) -> None:
    outside = run.parent.parent / "outside"
    outside.mkdir()
    (outside / "x.png").write_bytes(b"secret")
    (run / "plots").symlink_to(outside)
    document = json.loads((run / "run.json").read_bytes())
    document["files"]["plots/x.png"] = hashlib.sha256(b"secret").hexdigest()
    write_run_json(run, document)


def large(name: str, size: int = 1 << 30) -> Forge:
    """A file of this size, no byte of which is on the disk; its checksum need not fit, since nobody is to read it."""

    def forge(run: Path) -> None:
        os.truncate(run / name, size)

    return forge


def header_of(header: Any, length: int | None = None) -> Forge:
    """A safetensors file of a header and 16 bytes. length: what it says its header has."""
    text = json.dumps(header).encode()
    return with_bytes(
        "model.safetensors", struct.pack("<Q", len(text) if length is None else length) + text + bytes(16)
    )


def tensor(shape: list[int], offsets: list[int]) -> dict[str, Any]:
    return {"head.bias": {"dtype": "F32", "shape": shape, "data_offsets": offsets}}


def runs_of_one_value(rows: int) -> Callable[[pa.Table], pa.Table]:
    """A table of so many rows that its file says in a few bytes."""
    return lambda table: pa.table(
        {"row": np.zeros(rows, np.int64), "part": pa.array(["test"]).take(np.zeros(rows, int))}
    )


def long_text(table: pa.Table) -> pa.Table:
    """A dictionary of one text of 1 MB, which stands in every row."""
    text = pa.array(["x" * (1 << 20)]).dictionary_encode()
    index = pa.array(np.zeros(20_000, np.int32))
    return pa.table({"row": np.arange(20_000), "part": pa.DictionaryArray.from_arrays(index, text.dictionary)})


def renamed(new: str, old: str = "pressure") -> Forge:
    """The column called anew in every file, as a table with such a header would have it."""

    def forge(run: Path) -> None:
        for name in ("schema.json", "preprocess.json", "fields.json", "metrics.json", "run.json"):
            text = (run / name).read_text().replace(json.dumps(old), json.dumps(new))
            (run / name).write_text(text)
        seal(run)

    return forge


def odd_words(run: Path) -> None:
    """Odd text wherever a run has words that are shown."""
    words = {
        "metrics.json": [
            ("verdict", "sentence"),
            ("verdict", "code"),
            ("source",),
            ("task", "target"),
            ("split", "kind"),
        ],
        "fields.json": [("verdict", "sentence"), ("source",), ("task", "target"), ("warnings",), ("run", "id")],
        "run.json": [("id",), ("created",), ("table", "name"), ("versions", "torch")],
    }
    for name, places in words.items():
        for place in places:
            with_json(name, at(*place, to=[ODD] if place == ("warnings",) else ODD))(run)
    with_json("fields.json", lambda d: [column.update(source=ODD, dtype=ODD) for column in d["columns"]])(run)
    with_json("schema.json", at("target", "classes", to=[ODD, "same"]))(run)
    with_json("schema.json", lambda d: d["left_out"].append({"name": ODD, "reason": ODD}))(run)
    with_json("metrics.json", lambda d: d["contest"][0].update(entry=ODD, geometry=ODD))(run)
    with_json("metrics.json", lambda d: d["controls"].update({ODD: d["controls"]["mlp"]}))(run)
    relabel = {"other": ODD, "same": "same"}
    with_table(
        "predictions-test.parquet",
        lambda t: (
            t.rename_columns([name.replace("probability_other", f"probability_{ODD}") for name in t.column_names])
            .set_column(1, "target", pa.array([relabel[label] for label in t["target"].to_pylist()]))
            .set_column(2, "prediction", pa.array([relabel[label] for label in t["prediction"].to_pylist()]))
        ),
    )(run)
    seal(run)


def many_layers(document: Any) -> None:
    """As many layers as columns, in a list that none of them fills: their product must not be counted out."""
    count = 5000
    document["columns"] = [{**document["columns"][0], "id": i, "name": f"c{i}"} for i in range(count)]
    document["fields"] = [{**document["fields"][0], "layer": i, "centre": i} for i in range(count)]
    document["groups"] = [{"id": 0, "columns": list(range(count))}]


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


# What must be refused by everything that reads the file: (file at fault, forgery)
DAMAGED: dict[str, tuple[str, Forge]] = {
    **{f"a pickle called {name}": (name, pickled(name)) for name in ("model.safetensors", "run.json", "schema.json")},
    "a pickle called splits.parquet": ("splits.parquet", pickled("splits.parquet")),
    "a torch.save called model.safetensors": ("model.safetensors", torch_saved),
    **{
        f"{what} called {name}": (name, make(name))
        for what, make in {"a link": linked, "a pipe": piped, "a device": device}.items()
        for name in ("run.json", "config.toml", "fields.json", "model.safetensors", "predictions-test.parquet")
    },
    "a folder behind a link": ("plots/x.png", linked_folder),
    **{
        f"a file listed as {name!r}": ("run.json", listed(name))
        for name in (
            "../../outside",
            "{outside}",
            "plots/../../../outside",
            "./run.json",
            "..",
            "",
            "a\\b",
            "C:x",
            "a\nb",
        )
    },
    **{
        f"{name} of 1 GB": (name, large(name))
        for name in ("run.json", "config.toml", "schema.json", "preprocess.json", "metrics.json", "fields.json")
    },
    "a model of 1 TB": ("model.safetensors", large("model.safetensors", 1 << 40)),
    "a header of 2^63 bytes": ("model.safetensors", header_of({}, 2**63)),
    "a header said to be long": ("model.safetensors", header_of({}, 1 << 30)),
    "a tensor of 2^62 numbers": ("model.safetensors", header_of(tensor([2**31, 2**31], [0, 16]))),
    "a tensor of shapes that overflow": ("model.safetensors", header_of(tensor([2**63, 4], [0, 16]))),
    "a tensor of a negative shape": ("model.safetensors", header_of(tensor([-4], [0, 16]))),
    "a tensor beyond the file": ("model.safetensors", header_of(tensor([4], [2**40, 2**40 + 16]))),
    "a tensor of half floats": ("model.safetensors", with_tensors(lambda t: {k: v.half() for k, v in t.items()})),
    "weights that are NaN": (
        "model.safetensors",
        with_tensors(lambda t: {k: torch.full_like(v, float("nan")) for k, v in t.items()}),
    ),
    "a newer run": ("run.json", with_json("run.json", at("format_version", to=2))),
    "a version of a million digits": ("run.json", with_json("run.json", at("format_version", to="9" * 1_000_000))),
    "a newer schema": ("schema.json", with_json("schema.json", at("format_version", to=2))),
    "newer fields": ("fields.json", with_json("fields.json", at("format_version", to=2))),
    "metrics of another format": ("metrics.json", with_json("metrics.json", at("format", to="x"))),
    "settings that are nested": ("config.toml", with_bytes("config.toml", b"a = " + b"[" * 100_000 + b"]" * 100_000)),
    "a setting of a long dotted key": (
        "config.toml",
        with_bytes("config.toml", b".".join([b"a"] * 200_000) + b" = 1"),
    ),
    "settings with tables": ("config.toml", with_bytes("config.toml", lambda d: d + b"\n[a.b.c]\n")),
    "JSON that is nested": ("metrics.json", with_bytes("metrics.json", b"[" * 100_000 + b"]" * 100_000)),
    "JSON nested in a document": ("metrics.json", with_json("metrics.json", at("source", to=nested(400)))),
    "JSON with NaN": ("metrics.json", with_json("metrics.json", at("test", "log_loss", to=float("nan")))),
    "half a surrogate pair": ("schema.json", with_json("schema.json", at("target", "name", to="\ud800"))),
    **{
        f"{line} of nothing": ("model.safetensors", with_setting(line))
        for line in (
            *("channels = 4096", "hidden = 65536", "ensemble = 64", "layers = 32", "bins = 1024"),
            *("embedding_size = 256", 'kernel = "own"'),
        )
    },
    "everything as large as it can be": (
        "model.safetensors",
        all_of(*map(with_setting, ("channels = 4096", "hidden = 65536", "ensemble = 64", "bins = 1024"))),
    ),
    **{
        line: ("config.toml", with_setting(line))
        for line in ("threads = 1000000000", "bootstrap = 1000000000000", "random_draws = 1000000000", "seed = -1")
    },
    "fields of more layers than fields": ("fields.json", with_json("fields.json", many_layers)),
    "a label beyond int64": (
        "schema.json",
        with_json("schema.json", at("target", "classes", to=[2**63, 2**64])),
    ),
    "labels no float holds": ("schema.json", with_json("schema.json", at("target", "classes", to=[2**60 + 1, 0.5]))),
    "splits of a billion rows": ("splits.parquet", with_table("splits.parquet", runs_of_one_value(30_000_000))),
    "splits with a long text in each row": ("splits.parquet", with_table("splits.parquet", long_text)),
    "splits that are nested": (
        "splits.parquet",
        with_table("splits.parquet", lambda t: t.set_column(0, "row", pa.array([[1]] * len(t)))),
    ),
}

ODD_VALUES: list[Any] = [None, [], {}, "x", -1, 10**400, 1.5, True, [None], {"a": 1}, ODD]


def misshapen(name: str, *places: tuple[str | int, ...]) -> dict[str, tuple[str, Forge]]:
    """Each of these places with some kinds of values that do not belong there (or do: then nothing may break).

    Which, goes by turns; `fuzz` takes them all.
    """
    return {
        f"{name} {'.'.join(map(str, place))} = {json.dumps(value)[:20]}": (name, with_json(name, at(*place, to=value)))
        for turn, place in enumerate(places)
        for value in ODD_VALUES[turn % 5 :: 5]
    }


# What may be refused or be taken as it is, but never ends as anything else
ODDITIES: dict[str, tuple[str, Forge]] = {
    **misshapen(
        "metrics.json",
        *(("test",), ("test", "interval"), ("test", "rows"), ("test", "accuracy"), ("controls",), ("controls", "mlp")),
        *(("controls", "mlp", "difference"), ("controls", "mlp", "draws"), ("verdict",), ("verdict", "stability")),
        *(("verdict", "code"), ("network",), ("network", "history"), ("network", "history", 0, "valid_loss")),
        *(("search",), ("search", "losses"), ("search", "steps"), ("contest",), ("contest", 0), ("split",)),
        *(
            ("split", "kind"),
            ("split", "column"),
            ("rows",),
            ("rows", "test"),
            ("task",),
            ("task", "classes"),
            ("run",),
        ),
        *(("source",), ("contest", 0, "entry"), ("network", "parameters")),
    ),
    **misshapen(
        "fields.json",
        *(("columns",), ("columns", 0), ("columns", 0, "name"), ("columns", 0, "lag"), ("layers",), ("fields",)),
        *(("fields", 0), ("fields", 0, "members"), ("fields", 0, "members", 1, "support"), ("fields", 0, "importance")),
        *(("fields", 0, "members", 1, "column"), ("groups",), ("groups", 0), ("groups", 0, "columns"), ("edges",)),
        *(("groups", 0, "id"), ("edges", 0, "from"), ("edges", 0, "slots"), ("edges", 0, "weight"), ("stability",)),
        *(("edges", 0, "support"), ("stability", "threshold"), ("verdict",), ("warnings",), ("run",), ("task",)),
    ),
    **misshapen(
        "run.json",
        *(
            ("id",),
            ("created",),
            ("versions",),
            ("versions", "torch"),
            ("table",),
            ("table", "name"),
            ("table", "rows"),
        ),
        *(("table", "columns"), ("table", "sha256"), ("test_table",), ("seconds",), ("seconds", "read"), ("files",)),
        *(("files", "config.toml"),),
    ),
    **misshapen(
        "schema.json",
        *(("target",), ("target", "name"), ("target", "task"), ("target", "classes"), ("features",), ("features", 0)),
        *(("features", 0, "dtype"), ("features", 0, "minimum"), ("features", 0, "lag"), ("left_out",), ("order",)),
    ),
    **misshapen(
        "preprocess.json",
        *(("columns",), ("scaling",), ("scaling", "median"), ("scaling", "scale", 0), ("target",), ("target", "scale")),
    ),
    "odd words everywhere": ("metrics.json", odd_words),
    "a column with an odd name": ("schema.json", renamed(ODD)),
    "a column that is a formula": ("schema.json", renamed(FORMULA)),
    "a run called after another place": ("run.json", with_json("run.json", at("id", to="../../../escaped"))),
    "a table called after another place": ("run.json", with_json("run.json", at("table", "name", to="/dev/zero"))),
    **{
        f"{name} without {column}": (name, with_table(name, lambda t, c=column: t.drop_columns(c)))  # type: ignore[misc]
        for name, columns in {
            "splits.parquet": ["row", "part"],
            "predictions-test.parquet": ["row", "target", "prediction", "probability_same"],
        }.items()
        for column in columns
    },
    **{
        f"{name} {column} of {kind}": (
            name,
            with_table(
                name,
                lambda t, c=column, v=values: t.set_column(t.column_names.index(c), c, pa.array(v(len(t)))),  # type: ignore[misc]
            ),
        )
        for name, columns in {
            "splits.parquet": ["row", "part"],
            "predictions-test.parquet": ["target", "probability_same"],
        }.items()
        for column in columns
        for kind, values in {
            "text": lambda n: ["x"] * n,
            "nothing": lambda n: pa.nulls(n),
            "gaps": lambda n: pa.array([None] * n, pa.float64()),
            "NaN": lambda n: np.full(n, np.nan),
            "infinities": lambda n: np.full(n, np.inf),
            "huge numbers": lambda n: np.full(n, -1e300),
            "large integers": lambda n: np.full(n, 2**62),
            "booleans": lambda n: [True] * n,
            "dates": lambda n: pa.array([0] * n, pa.timestamp("ns")),
            "decimals": lambda n: pa.array([1] * n, pa.decimal128(10, 2)),
            "bytes": lambda n: [b"\xff"] * n,
        }.items()
    },
}
