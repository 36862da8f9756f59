"""Everything a user can set, once: flags, environment, rfconv.toml, JSON Schema and estimator come from here."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rfconv_cli.errors import UsageError, nearest

Source = Literal[
    "contest", "searched", "correlation", "interaction", "aligned", "aligned partial", "aligned interaction", "moments"
]
Preset = Literal["default", "fast", "best", "paper"]


def _setting(default: Any, section: str, description: str, **bounds: Any) -> Any:
    """One setting: its default, the section of the help it stands in, and what it means."""
    return Field(default, description=description, json_schema_extra={"section": section}, **bounds)


class Settings(BaseModel):
    """All settings of one `learn`. Immutable; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    task: Literal["auto", "classification", "regression"] = _setting("auto", "Table", "What the target is.")
    features: tuple[str, ...] = _setting((), "Table", "Use only columns that match this glob; may be repeated.")
    exclude: tuple[str, ...] = _setting((), "Table", "Leave out columns that match this glob; may be repeated.")
    na: tuple[str, ...] = _setting(
        (),
        "Table",
        "Cells that say this are missing, such as ERR or -999, beside empty ones, NA, NaN and null; may be repeated.",
    )
    missing: Literal["indicator", "median"] = _setting(
        "indicator",
        "Table",
        "Fill gaps with the median and add columns that say where they were, or do no more than fill.",
    )
    category: tuple[str, ...] = _setting(
        (), "Table", "Take the values of columns that match this glob as categories, numbers too; may be repeated."
    )
    most_categories: int = _setting(
        32, "Table", "Values of a column of text or categories that become columns; 0: text is left out.", ge=0, le=1000
    )
    delimiter: str | None = _setting(
        None, "Table", "What stands between cells of a text table: a character, or tab; unset: the header shows it."
    )
    decimal: Literal[".", ","] | None = _setting(
        None,
        "Table",
        "The decimal sign of a text table; unset: a comma where cells lie between semicolons and show one.",
    )
    encoding: str | None = _setting(
        None, "Table", "How a text table is encoded, such as latin-1; unset: UTF-8, or cp932 where it is not that."
    )
    skip_lines: int = _setting(0, "Table", "Lines above the header of a text table.", ge=0, le=10_000)
    header_rows: int = _setting(
        1, "Table", "Rows that the header of a text table takes; their cells are joined by _.", ge=1, le=20
    )
    flag_suffix: str | None = _setting(
        None, "Table", "Columns called like another with this behind are its quality flags: not learned from."
    )
    flag_good: tuple[str, ...] = _setting(
        (), "Table", "Values whose flag says anything but this are missing; may be repeated. Unset: all stay."
    )
    scaling: Literal["column", "shared"] = _setting(
        "column", "Table", "Standardise each column by itself, or all alike (one unit everywhere, as in pixels)."
    )

    group: str | None = _setting(None, "Split", "Rows with one value in this column stay in one part.")
    time: str | None = _setting(None, "Split", "The last rows by this column are the test part.")
    split_by: Literal["none", "day", "week", "month", "year"] | None = _setting(
        None, "Split", "Rows of one such period stay in one part; none splits row by row."
    )
    split_column: str | None = _setting(None, "Split", "This column says train, valid or test for each row.")
    test_size: float = _setting(0.2, "Split", "Share of the rows held out for the test part.", gt=0, lt=0.9)
    valid_size: float = _setting(0.1, "Split", "Share of the rows held out for validation.", gt=0, lt=0.9)

    id: tuple[str, ...] = _setting(
        (), "Table", "This column names the rows: not learned from, and given beside predictions; may be repeated."
    )
    weight: str | None = _setting(
        None, "Table", "This column says what a row counts in the training loss: a number, 0 or more."
    )
    class_weight: Literal["none", "balanced"] = _setting(
        "none", "Table", "All rows count alike in the training loss, or all classes together do."
    )
    window: int = _setting(
        1, "Table", "Learn from so many rows in time: each column also as it was 1, 2, … rows before.", ge=1, le=1000
    )
    stride: int = _setting(1, "Table", "Of the windows, learn from every so-many-th.", ge=1, le=100_000)

    kernel_size: int = _setting(5, "Network", "K: slots of a receptive field, centre included.", ge=2, le=512)
    channels: int = _setting(16, "Network", "Channels of each convolution layer.", ge=1, le=4096)
    layers: int = _setting(1, "Network", "Convolution layers.", ge=1, le=32)
    hidden: int = _setting(256, "Network", "Units of the hidden layer after the fields; 0: none.", ge=0, le=65536)
    heads: int = _setting(
        8,
        "Network",
        "Heads that share the hidden units out, 8 or more each, and predict together.",
        ge=1,
        le=256,
    )
    ensemble: int = _setting(
        1, "Network", "Networks on the same fields that are trained alike and predict together.", ge=1, le=64
    )
    embedding: Literal["none", "piecewise-linear"] = _setting(
        "piecewise-linear", "Network", "What a number becomes before the fields: itself, or a vector by its bin."
    )
    bins: int = _setting(32, "Network", "Bins of the piecewise-linear embedding, for each column.", ge=1, le=1024)
    embedding_size: int = _setting(16, "Network", "Numbers that the embedding makes of one.", ge=1, le=256)
    activation: Literal["relu", "gelu"] = _setting("relu", "Network", "Nonlinearity.")
    dropout: float = _setting(0.3, "Network", "Dropout before each dense layer of the final network.", ge=0, lt=1)
    shifts: float = _setting(
        0.0,
        "Network",
        "Share of the training rows that are moved along the fields: every column takes the value of its member in one "
        "slot, the same for all. For slots of a common order.",
        ge=0,
        le=1,
    )
    kernel: Literal["shared", "own"] = _setting(
        "shared",
        "Network",
        "One kernel W for all positions, or for each centre its own, whose slots need no common order.",
    )
    share_fields: bool = _setting(True, "Network", "All layers use the same receptive fields.")

    source: Source = _setting(
        "contest", "Search", "Where fields come from: one source, or the winner of a contest between all."
    )
    find_rows: int = _setting(
        200_000,
        "Search",
        "Rows, drawn from each part, on which fields are found and compared; the final network learns from all.",
        ge=2,
    )
    contest_epochs: int = _setting(6, "Search", "Passes over the training rows for each entry of the contest.", ge=1)
    level: Literal["one-level", "first-order", "second-order"] = _setting(
        "one-level", "Search", "What R descends: the training loss, the held-out loss, or the unrolled one of eq. 4."
    )
    parameterisation: Literal["dense", "candidates", "factored"] | None = _setting(
        None,
        "Search",
        "R: a number for every column, for a few candidates of each centre, or from an embedding; unset: dense up to "
        "300 columns, then candidates.",
    )
    candidates: int = _setting(
        32, "Search", "Columns each centre chooses from where R is over candidates.", ge=2, le=512
    )
    rank: int = _setting(16, "Search", "Size of the columns' embedding where R is factored.", ge=1, le=1024)
    estimator: Literal["straight-through", "gumbel", "softmax"] = _setting(
        "straight-through",
        "Search",
        "How R meets the data: the best column, one drawn by L_c, or L_c itself.",
    )
    hyper_gradient: Literal["exact", "finite-difference"] = _setting(
        "exact", "Search", "How the second-order gradient is computed."
    )
    gamma: float | None = _setting(
        None, "Search", "γ, the unrolled step of eq. 4; unset: the largest learning rate of W.", ge=0
    )
    mask_centre: bool = _setting(True, "Search", "Keep a centre out of the free slots of its own field.")
    distinct: bool = _setting(True, "Search", "No column twice in one field, by an assignment for each centre.")
    search_steps: int | None = _setting(
        None, "Search", "Steps of the search; unset: 2000, or 100 passes over the rows where that is less.", ge=1
    )
    search_batch: int = _setting(128, "Search", "Rows of a search step.", ge=1)
    logits_lr: float | None = _setting(
        None, "Search", "Learning rate of R; unset: 0.05, and 0.005 where R is factored.", gt=0
    )
    temperature: float = _setting(1.0, "Search", "Temperature of the softmax over R.", gt=0)
    temperature_end: float | None = _setting(
        None, "Search", "Temperature at the end of the search, reached geometrically; unset: constant.", gt=0
    )

    epochs: int = _setting(60, "Training", "Most passes over the training rows for the final network.", ge=1)
    most_steps: int = _setting(
        50_000,
        "Training",
        "Most steps of one training, but one pass at least: of a table of millions of rows, fewer passes.",
        ge=1,
    )
    batch_size: int | None = _setting(
        None, "Training", "Rows of a training step; unset: a power of two near √(2·rows), 16 to 256.", ge=1
    )
    lr: float = _setting(2e-3, "Training", "Largest learning rate of W.", gt=0)
    weight_decay: float = _setting(0.3, "Training", "Decoupled weight decay of W in the final network.", ge=0)
    averaging: float = _setting(
        1.0, "Training", "Passes over the rows that the moving average of W remembers; 0: no average.", ge=0
    )
    patience: int = _setting(8, "Training", "Stop after so many epochs without a better validation loss.", ge=1)

    refit: bool = _setting(
        True, "Training", "In the end train on the validation rows too, for as long as they found best."
    )

    random_draws: int = _setting(5, "Judging", "Random-field networks to compare with.", ge=1, le=100)
    stability: int | None = _setting(
        None,
        "Judging",
        "Half-samples on which fields are found again; unset: 20, for searched fields 4; 0: none.",
        ge=0,
        le=1000,
    )
    bootstrap: int = _setting(2000, "Judging", "Bootstrap draws behind each interval.", ge=100, le=100_000)

    preset: Preset = _setting(
        "default",
        "Other",
        "Where unset settings come from: default, fast (a look), best (patience), or the paper's method.",
    )
    seed: int = _setting(0, "Other", "The one number all randomness comes from.", ge=0, lt=2**63)
    max_memory: str | None = _setting(
        None,
        "Other",
        "Memory that the table may take, such as 2GB; what takes more is worked on in files beside what is written, "
        "which are gone when it ends; unset: half of what is free.",
        pattern=r"^\d+(\.\d+)? ?[KMGTkmgt]?[Bb]?$",
    )
    threads: int | None = _setting(
        None, "Other", "CPU threads; unset: one for a small table, else all cores.", ge=1, le=1024
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = _setting(
        "auto", "Other", "Where networks are trained; auto: on a CUDA GPU where there is one and the table is large."
    )
    precision: Literal["float32", "bfloat16"] = _setting(
        "float32", "Other", "Numbers in the products of the final training; bfloat16 is mixed with float32."
    )
    plots: bool = _setting(True, "Other", "Draw the fields into the run folder.")


PRESETS: dict[str, dict[str, Any]] = {
    "default": {},
    "fast": {
        "search_steps": 600,
        "contest_epochs": 3,
        "epochs": 20,
        "patience": 4,
        "refit": False,
    },
    "best": {
        "search_steps": 6000,
        "contest_epochs": 15,
        "epochs": 150,
        "patience": 20,
        "random_draws": 10,
        "stability": 50,
        "ensemble": 4,
    },
    # The paper's method as written: L_c multiplied, no mask, duplicates allowed, one own L per layer, no extras.
    "paper": {
        "source": "searched",
        "level": "second-order",
        "parameterisation": "dense",
        "estimator": "softmax",
        "temperature_end": None,
        "mask_centre": False,
        "distinct": False,
        "share_fields": False,
        "hidden": 0,
        "heads": 1,
        "embedding": "none",
        "dropout": 0.0,
        "weight_decay": 0.0,
        "averaging": 0.0,
    },
}


def from_values(given: Mapping[str, Any]) -> Settings:
    """Settings from plain values, the rest from the preset they name. Raises UsageError."""
    for key in given:
        if key not in Settings.model_fields:
            close = nearest(key, Settings.model_fields)
            raise UsageError(
                f"unknown setting {key!r}; the nearest are {', '.join(close)}",
                hint="rfconv config schema settings lists them all",
                code="unknown_setting",
            )
    return stored_settings(with_preset(given))


def with_preset(given: Mapping[str, Any]) -> dict[str, Any]:
    """The given values, and what the preset that they name says of others."""
    return {**PRESETS.get(str(given.get("preset", "default")), {}), **given}


def stored_settings(values: Mapping[str, Any]) -> Settings:
    """Settings from values as `to_toml` wrote them; what they lack has its plain default. Raises UsageError."""
    try:
        return Settings(**values)
    except ValidationError as error:
        name, value, reason = fault_of(error)
        flag = f"--{name.replace('_', '-')}"
        raise UsageError(
            f"{flag} {value}: {reason}", hint=f"see {flag} in rfconv learn --help", code="bad_setting"
        ) from None


def fault_of(error: ValidationError) -> tuple[str, Any, str]:
    """The first setting at fault, the value it was given, and why it cannot have that."""
    first = error.errors()[0]
    return str(first["loc"][0]), first["input"], f"{first['msg'][:1].lower()}{first['msg'][1:]}"


def to_toml(settings: Settings) -> bytes:
    """The settings as a TOML file; those that are unset are left out. What could steer a terminal stands in escapes."""
    import tomli_w

    values = {key: value for key, value in settings.model_dump(mode="json").items() if value is not None}
    text = tomli_w.dumps(values)
    return "".join(c if c.isprintable() or c == "\n" else f"\\U{ord(c):08X}" for c in text).encode()


def as_words(values: Mapping[str, Any]) -> list[str]:
    """Settings as flags that can be typed: `--na ERR --no-refit --channels 8`."""
    words: list[str] = []
    for name, value in values.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            for one in value if isinstance(value, list | tuple) else [value]:
                words += [f"--{flag}", str(one)]
    return words


def unusual(settings: Settings) -> dict[str, Any]:
    """The settings that are not what their preset makes them, the preset among them where it is not the default."""
    usual = from_values({"preset": settings.preset}).model_dump()
    found = {key: value for key, value in settings.model_dump().items() if value is not None and value != usual[key]}
    return found if settings.preset == "default" else {"preset": settings.preset, **found}


def settings_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of rfconv.toml."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Settings.model_json_schema()}
