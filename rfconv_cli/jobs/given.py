"""Fields from a file: what `learn --fields` trains on instead of a search, and `load_fields` in Python."""

from pathlib import Path

from rfconv_cli.config import Settings
from rfconv_cli.errors import DataError, UsageError
from rfconv_cli.export.document import fields_from_document
from rfconv_cli.fields.value import ReceptiveFields
from rfconv_cli.table.select import quoted
from rfconv_cli.untrusted import parse_json, read_file

_LARGEST = 1 << 30  # bytes of a file that is read


def load_fields(path: str | Path) -> ReceptiveFields:
    """The fields in a fields.json, in a run, or in a folder that `export-fields` wrote; columns in the file's order.

    Raises DataError fields_unreadable.
    """
    path = Path(path)
    return _read(path / "fields.json", inside=True) if path.is_dir() else _read(path)


def read_given(path: Path, names: tuple[str, ...]) -> ReceptiveFields:
    """The fields in a fields.json, their columns sorted by name.

    names: the columns that are learned from; the file must speak of these and no others.
    Raises DataError: fields_unreadable, fields_mismatch.
    """
    fields = _read(path)
    absent, odd = sorted(set(fields.names) - set(names)), sorted(set(names) - set(fields.names))
    if absent or odd:
        told = [f"the table lacks {quoted(absent, 5)}"] * bool(absent) + [f"the file lacks {quoted(odd, 5)}"] * bool(
            odd
        )
        raise DataError(
            f"{path.name} and the table speak of different columns: {'; '.join(told)}",
            hint="choose the columns with --features and --exclude, or give fields of this table",
            code="fields_mismatch",
        )
    return fields.reordered(sorted(names))


def _read(path: Path, *, inside: bool = False) -> ReceptiveFields:
    try:
        # a file that the user named may be a link or a pipe; what lies in a folder may be a stranger's
        data = read_file(path.parent, path.name, _LARGEST) if inside else _beginning(path)
        return fields_from_document(parse_json(data))
    except (OSError, ValueError) as error:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
        raise DataError(
            f"{path.name} gives no fields: {reason.lower()}",
            hint="rfconv export-fields > fields.json writes such a file; rfconv config schema fields describes it",
            code="fields_unreadable",
        ) from None


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        size, data = 0, []
        if path.stat().st_size > _LARGEST:
            raise ValueError(f"it is larger than {_LARGEST >> 30} GB")
        while size <= _LARGEST and (piece := file.read(1 << 20)):  # a pipe does not know its size
            size += len(piece)
            data.append(piece)
    if size > _LARGEST:
        raise ValueError(f"it is larger than {_LARGEST >> 30} GB")
    return b"".join(data)


def settings_for(fields: ReceptiveFields, settings: Settings) -> Settings:
    """`settings` with the fields' own number of slots and layers. Raises UsageError layers_mismatch."""
    if fields.depth not in (1, settings.layers):
        raise UsageError(
            f"the given fields have {fields.depth} layers of their own, --layers is {settings.layers}",
            hint=f"--layers {fields.depth}",
            code="layers_mismatch",
        )
    return settings.model_copy(update={"kernel_size": fields.kernel_size, "share_fields": fields.depth == 1})
