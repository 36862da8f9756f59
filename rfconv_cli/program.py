"""The program around the commands: one command line in, the documented exit code out, every error said once."""

import os
import sys
import traceback
from typing import NoReturn, TextIO

from typer.exceptions import TyperException
from typer.main import get_command

from rfconv_cli.cli import app
from rfconv_cli.errors import GateError, LostProcessError, RfconvError, TrainingError, UsageError, printable
from rfconv_cli.interrupt import heed_signals

_OUT_OF_MEMORY = ("DefaultCPUAllocator", "CUDA out of memory", "MPS backend out of memory")  # as torch says it
_VERBOSE = frozenset({"-v", "--verbose"})


def main() -> NoReturn:
    """Run the program and exit with the documented code."""
    heed_signals()
    if "WORLD_SIZE" in os.environ and os.environ.get("RANK", "0") != "0":  # of torchrun's processes the first speaks
        sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115
    sys.exit(run_app(sys.argv[1:]))


def run_app(arguments: list[str]) -> int:
    """The exit code of one command line; the one place where errors are caught and said."""
    verbose = bool(_VERBOSE & set(arguments))
    given = [argument for argument in arguments if argument not in _VERBOSE]
    try:
        code = int(app(given, prog_name="rfconv", standalone_mode=False) or 0)
    except RfconvError as error:
        _show_traceback(verbose)
        # a gate fails after the result was printed, and stdout carries one document
        return _say(error, as_json="--json" in given and not isinstance(error, GateError))
    except TyperException as error:
        return _say_usage(error, given, as_json="--json" in given)
    except BrokenPipeError:  # the reader of our output left, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        _show_traceback(verbose)
        if isinstance(error, MemoryError) or any(words in str(error) for words in _OUT_OF_MEMORY):
            hint = (
                "use a smaller --max-memory, fewer columns (--features), or a smaller --kernel-size or --search-batch"
            )
            full = TrainingError("memory does not suffice", hint=hint, code="out_of_memory")
            return _say(full, as_json="--json" in given)
        told = f"a bug in rfconv: {type(error).__name__}: {error}"
        return _say(RfconvError(told, hint="-v shows where; please report it", code="bug"), as_json="--json" in given)
    if code == 130:
        _print_error("interrupted")
    return code


def _say_usage(error: TyperException, given: list[str], *, as_json: bool) -> int:
    """What typer says of a command line, with the way to the help of the command that was meant."""
    context = getattr(error, "ctx", None)
    if context is not None and error.message == context.get_help():  # commands were asked for none of them
        print(error.message, file=sys.stderr)
        return UsageError.exit_code
    command, path = get_command(app), "rfconv"
    for word in given:
        if word not in getattr(command, "commands", {}):
            break
        command, path = command.commands[word], f"{path} {word}"  # type: ignore[attr-defined]
    there = "commands" if hasattr(command, "commands") else "flags"
    message = error.format_message().rstrip(".")
    return _say(UsageError(message, hint=f"{path} --help lists its {there}", code="usage"), as_json=as_json)


def _show_traceback(verbose: bool) -> None:
    if verbose:
        traceback.print_exc()


def _say(error: RfconvError, *, as_json: bool) -> int:
    # a lost process may be the one that speaks
    _print_error(f"{error.message}\n  {error.hint}", sys.__stderr__ if isinstance(error, LostProcessError) else None)
    if as_json:
        from rfconv_cli.files import to_json

        document = {"format": "rfconv.error", "format_version": 1, "code": error.code, "message": error.message}
        sys.stdout.write(to_json({**document, "hint": error.hint, "exit_code": error.exit_code}))
    return error.exit_code


def _print_error(text: str, file: TextIO | None = None) -> None:
    print(printable(f"rfconv: {text}"), file=file or sys.stderr)
