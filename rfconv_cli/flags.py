"""Settings as command-line flags: one flag per field of `Settings`, so that a setting is written down once."""

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Annotated, Any, get_args

import typer
from pydantic.fields import FieldInfo
from typer.core import TyperCommand

from rfconv_cli.complete import columns
from rfconv_cli.config import Settings

_METAVARS = {
    "na": "TEXT",
    "id": "COLUMN",
    "delimiter": "CHARACTER",
    "encoding": "NAME",
    "max_memory": "SIZE",
    "flag_suffix": "TEXT",
    "flag_good": "TEXT",
}  # where the type's own word would mislead

COLUMNS = ("group", "time", "split_column", "weight", "id")  # settings that name a column of DATA
DIALECT = ("delimiter", "decimal", "encoding", "skip_lines", "header_rows")  # how a text table is written
Command = Callable[..., None]


class SectionedCommand(TyperCommand):
    """A command whose plain help lists options by section instead of in one long column."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write one block of options per section, in the order in which sections first occur."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                title = getattr(param, "rich_help_panel", None) or "Options"
                sections.setdefault("Arguments" if param.param_type_name == "argument" else title, []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)


def with_settings(*names: str) -> Callable[[Command], Command]:
    """Add a flag for each of these settings to a command; it receives those given as the dictionary `flags`.

    Without names, for every setting.
    """
    fields = {name: Settings.model_fields[name] for name in names or Settings.model_fields}
    # a command with a few of them takes the others, and what is unset, from a run
    defaults = {name: "" if names else _default(field.default) for name, field in fields.items()}
    settings = [_parameter(name, field, defaults[name]) for name, field in fields.items()]
    return lambda command: _with_flags(command, settings)


def _with_flags(command: Command, settings: Sequence[inspect.Parameter]) -> Command:
    own = [p for p in inspect.signature(command).parameters.values() if p.name != "flags"]

    @functools.wraps(command)
    def wrapper(**given: Any) -> None:
        flags = {parameter.name: given.pop(parameter.name) for parameter in settings}
        command(**given, flags={name: value for name, value in flags.items() if value not in (None, [])})

    wrapper.__signature__ = inspect.Signature([*own, *settings])  # type: ignore[attr-defined]
    wrapper.__annotations__ = {p.name: p.annotation for p in (*own, *settings)}
    return wrapper


def _parameter(name: str, field: FieldInfo, default: str) -> inspect.Parameter:
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    option = typer.Option(
        help=f"{field.description} {default}".strip(),
        rich_help_panel=str(extra.get("section", "Other")),
        show_default=False,
        metavar=_METAVARS.get(name) or _metavar(field.annotation),
        autocompletion=columns if name in COLUMNS else None,
    )
    annotation: Any = Annotated[_plain(field.annotation), option]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _metavar(annotation: Any) -> str | None:
    """What stands for the value in the help; None where the choices themselves do."""
    kinds = {tuple[str, ...]: "GLOB", int: "N", float: "X", str: "COLUMN"}
    return next((word for kind, word in kinds.items() if kind in (annotation, *get_args(annotation))), None)


def _plain(annotation: Any) -> Any:
    """The field's type as typer takes it, with None for a flag that was not given."""
    if annotation == tuple[str, ...]:
        return list[str] | None
    return annotation if type(None) in get_args(annotation) else annotation | None


def _default(value: Any) -> str:
    if value is None or value == ():
        return ""
    return f"[{'yes' if value is True else 'no' if value is False else value}]"
