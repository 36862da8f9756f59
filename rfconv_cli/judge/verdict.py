"""The verdict: is there structure, and would other rows have shown the same?

Two questions. Do the fields help: the paired difference to random fields on rows that nothing was fitted to. Are they
settled by the rows: the same edges on half-samples (see `stability`), more alike than with a shuffled target.
"""

from collections.abc import Mapping
from typing import Any

_LEAST_PHI = 0.4  # below it agreement is poor, by Nogueira, Sechidis and Brown 2018
_MOST_FALSE = 0.5  # share of the stable edges that chance may explain

Numbers = Mapping[str, Any]


def verdict(
    against_random: dict[str, Any], draws: int, *, regression: bool, stability: Numbers | None = None
) -> dict[str, Any]:
    """A code and its sentence, from the difference to random fields (`metrics.difference`) and `stability`.

    `no_evidence`: the 95 % interval of the difference reaches 0. `structure_found`: its 99 % interval lies above 0, and
    the half-samples agree: Φ's interval above 0.4 and above that of a shuffled target, at most half of the stable edges
    expected false. `not_unique`: between the two; the fields help, but other fields may do as well.
    stability: `Stability.to_json`, with `uses_target`, and `null`, the same for a shuffled target; None: not measured.
    """
    low, high = against_random["interval"]
    numbers = f"({difference_in_words(against_random, regression=regression)}; {_draws(draws)})"
    if low <= 0:
        claim = "do worse than random fields" if high < 0 else "do not beat random fields"
        code, sentence = "no_evidence", f"Learned fields {claim}: no evidence of structure {numbers}."
    elif objection := _objection(against_random, stability):
        code = "not_unique"
        sentence = f"Learned fields beat random fields {numbers}, but other fields may do as well: {objection}."
    else:
        assert stability is not None
        code = "structure_found"
        sentence = (
            f"Structure found: learned fields beat random fields {numbers}, and {stability['halves']} half-samples of "
            f"the rows agree on them ({_phi(stability)}).{_origin(stability)}"
        )
    measured = None if stability is None else dict(stability)
    return {"code": code, "sentence": sentence, "against_random": against_random, "stability": measured}


def _objection(against_random: Numbers, stability: Numbers | None) -> str:
    """Why the fields, though they help, are not called structure; empty where nothing speaks against it."""
    if stability is None:
        return "whether half-samples of the rows find the same was not tested"
    if stability["phi_interval"][0] <= _LEAST_PHI:
        return f"half-samples of the rows choose others ({_phi(stability)})"
    null = stability["null"]
    if null is not None and null["phi_interval"][1] >= stability["phi_interval"][0]:
        return f"a shuffled target gives fields as stable (Φ {null['phi']:.2f}, here {stability['phi']:.2f})"
    if stability["expected_false"] > _MOST_FALSE * stability["stable_edges"]:
        return f"of {stability['stable_edges']} stable edges {stability['expected_false']:.0f} may be chance"
    if against_random["interval_99"][0] <= 0:
        return "the lead is small (its 99 % interval reaches 0)"
    return ""


def difference_in_words(difference: Numbers, *, regression: bool) -> str:
    """A difference of `metrics.difference` with its 95 % interval."""
    scale, unit, digits = (1.0, "R²", 3) if regression else (100.0, "points of accuracy", 1)
    mean, low, high = (value * scale for value in (difference["mean"], *difference["interval"]))
    return f"{mean:+.{digits}f} {unit}, 95 % interval {low:+.{digits}f} to {high:+.{digits}f}"


def _draws(draws: int) -> str:
    return f"mean of {draws} random draws" if draws > 1 else "1 random draw"


def _phi(stability: Numbers) -> str:
    low, high = stability["phi_interval"]
    return f"Φ {stability['phi']:.2f}, 95 % interval {low:.2f} to {high:.2f}"


def _origin(stability: Numbers) -> str:
    return "" if stability["uses_target"] else " They were read off the columns; the target had no part in them."
