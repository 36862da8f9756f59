"""The verdict: do learned fields beat random ones on rows that nothing was fitted to?"""

from typing import Any


def verdict(against_random: dict[str, Any], draws: int, *, regression: bool) -> dict[str, Any]:
    """A code and one sentence, from the paired difference to random fields (see `metrics.difference`).

    `no_evidence` when the 95 % interval reaches 0; else `not_unique`: the fields help, but whether other fields would
    help as much was not tested.
    """
    low, high = against_random["interval"]
    scale, unit = (1.0, "R²") if regression else (100.0, "points of accuracy")
    digits = 3 if regression else 1
    mean = against_random["mean"] * scale
    numbers = f"{mean:+.{digits}f} {unit}, 95 % interval {low * scale:+.{digits}f} to {high * scale:+.{digits}f}"
    mine = f"mean of {draws} random draws" if draws > 1 else "1 random draw"
    if low > 0:
        code, claim = "not_unique", "Learned fields beat random fields"
    elif high < 0:
        code, claim = "no_evidence", "Learned fields do worse than random fields: no evidence of structure"
    else:
        code, claim = "no_evidence", "Learned fields do not beat random fields: no evidence of structure"
    return {"code": code, "sentence": f"{claim} ({numbers}; {mine}).", "against_random": against_random}
