"""What run.json, metrics.json and fields.json must look like before anything is read from them.

A stranger may have written them, so types, lengths and references are looked at once, here, and what works with the
documents can rely on them. Keys that are not named here are left alone.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

Count = Annotated[int, Field(ge=0, le=2**53)]
Sum = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Label = str | bool | int | float


class _Shape(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)


class _TableSaid(_Shape):
    name: str
    sha256: str | None
    rows: Count = 0
    columns: list[str] = []


class RunShape(_Shape):
    """run.json. What only a report needs may be missing."""

    id: str
    files: dict[str, Sum]
    created: str = ""
    versions: dict[str, str] = {}
    seconds: dict[str, float] = {}
    table: _TableSaid = Field(default=None)  # type: ignore[assignment]  # may be missing, but not null
    test_table: _TableSaid | None = None


class _Task(_Shape):
    target: str
    type: str
    classes: list[Label]


class _Scores(_Shape):
    interval: Annotated[list[float | None], Field(min_length=2, max_length=2)]
    accuracy: float | None = None
    r2: float | None = None
    rmse: float | None = None

    @model_validator(mode="after")
    def _of_one_kind(self) -> "_Scores":
        if not self.model_fields_set & {"accuracy", "r2"}:
            raise ValueError("neither accuracy nor r2")
        return self


class _TestScores(_Scores):
    rows: Count


class _Difference(_Shape):
    mean: float | None
    interval: Annotated[list[float | None], Field(min_length=2, max_length=2)]


class _Control(_Scores):
    draws: list[float | None]
    difference: _Difference
    parameters: Count | None = None


class _Null(_Shape):
    phi: float
    stable_edges: Count


class _Stability(_Null):
    halves: Count
    phi_interval: Annotated[list[float], Field(min_length=2, max_length=2)]
    threshold: Annotated[float, Field(ge=0, le=1)]
    null: _Null | None = None


class _Verdict(_Shape):
    code: str
    sentence: str
    stability: _Stability | None = None


class _Epoch(_Shape):
    train_loss: float | None
    valid_loss: float | None


class _Network(_Shape):
    parameters: Count
    history: list[_Epoch]


class _Entry(_Shape):
    entry: str
    geometry: str | None
    brief_loss: float | None
    valid_loss: float | None
    behind_best: float | None
    standard_error: float | None
    chosen: bool


class _Search(_Shape):
    parameterisation: str
    estimator: str
    level: str
    steps: Count
    losses: list[float | None]
    relaxed: float | None
    discrete: float | None


class _Rows(_Shape):
    train: Count
    valid: Count
    test: Count


class _Split(_Shape):
    kind: str
    column: str | None
    unit: Literal["day", "week", "month", "year"] | None

    @model_validator(mode="after")
    def _calendar_has_a_unit(self) -> "_Split":
        if self.kind == "calendar" and self.unit is None:
            raise ValueError("a calendar without a unit")
        return self


class MetricsShape(_Shape):
    """metrics.json."""

    format: Literal["rfconv.result"]
    run: dict[Literal["id"], str]
    task: _Task
    test: _TestScores
    controls: dict[str, _Control]
    verdict: _Verdict
    network: _Network
    source: str
    contest: list[_Entry] | None
    search: _Search | None
    rows: _Rows
    split: _Split


class _Column(_Shape):
    id: Count
    name: str
    source: str
    lag: Count
    dtype: str


class _Layer(_Shape):
    id: Count
    fields_from: Count
    kernel_size: Count
    channels: Count


class _Member(_Shape):
    slot: Count
    column: Count
    fixed: bool
    weight: float
    runner_up: Count | None
    support: float | None


class _Field(_Shape):
    layer: Count
    centre: Count
    members: list[_Member]
    importance: float | None


class _Group(_Shape):
    id: Count
    columns: Annotated[list[Count], Field(min_length=1)]


class _Edge(_Shape):
    from_: Count = Field(alias="from")
    to: Count
    slots: list[Count]
    weight: float
    support: Annotated[float, Field(ge=0, le=1)] | None


class _Origin(_Shape):
    id: str


class FieldsShape(_Shape):
    """fields.json, with groups and edges of columns that are there. The fields themselves `export.document` reads."""

    run: _Origin
    task: _Task
    source: str
    columns: list[_Column]
    layers: list[_Layer]
    fields: list[_Field]
    groups: list[_Group]
    edges: list[_Edge]
    stability: _Stability | None
    verdict: _Verdict
    warnings: list[str]

    @model_validator(mode="after")
    def _columns_are_there(self) -> "FieldsShape":
        count = len(self.columns)
        if sorted(column for group in self.groups for column in group.columns) != list(range(count)):
            raise ValueError("groups must hold each column once")
        if any(max(edge.from_, edge.to) >= count for edge in self.edges):
            raise ValueError("an edge of a column that is not there")
        return self


def require_shape(shape: type[BaseModel], document: Any) -> None:
    """Raises ValueError that says where the document is not of this shape."""
    try:
        shape.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])[:80]
        raise ValueError(f"{place}: {first['msg']}" if place else first["msg"]) from None
