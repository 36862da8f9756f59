"""The gate a user may set on a score, `--fail-under accuracy=0.8`: read before the work, checked after it."""

from collections.abc import Mapping
from typing import Any

from rfconv_cli.errors import GateError, UsageError

MEASURES = ("accuracy", "balanced_accuracy", "r2")  # those of which more is better
Gate = tuple[str, float]


def read_gate(text: str | None) -> Gate | None:
    """(measure, least value) from "accuracy=0.8"; None for None. Raises UsageError bad_gate."""
    if text is None:
        return None
    measure, _, value = text.partition("=")
    try:
        least = float(value)
    except ValueError:
        least = float("nan")
    if measure not in MEASURES or least != least:
        raise UsageError(
            f"--fail-under {text} is not MEASURE=VALUE with one of {', '.join(MEASURES)}",
            hint="--fail-under accuracy=0.8",
            code="bad_gate",
        )
    return measure, least


def check_gate(gate: Gate | None, scores: Mapping[str, Any]) -> None:
    """Raises GateError when the score is below the gate, UsageError bad_gate when there is no such score."""
    if gate is None:
        return
    measure, least = gate
    if measure not in scores:
        there = next(known for known in MEASURES if known in scores)
        raise UsageError(f"this run has no {measure}", hint=f"--fail-under {there}={least:g}", code="bad_gate")
    if scores[measure] < least:
        raise GateError(
            f"{measure} is {scores[measure]:.4f}, below {least:g}",
            hint="look at the scores above, or lower the bar",
            code="gate_failed",
        )
