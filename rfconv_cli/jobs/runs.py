"""`runs`: what runs there are, from the small files of each."""

from pathlib import Path
from typing import Any

from rfconv_cli.errors import RunError
from rfconv_cli.run import RUNS_FOLDER, Run, latest_of, list_runs


def run_list(folder: Path | None, here: Path) -> list[dict[str, Any]]:
    """One entry per whole run, oldest first: id, path, created, target, task, the test score, the verdict's code.

    folder: where to look; None: the nearest rfconv-runs in `here` or above. Raises RunError when there is none.
    """
    runs = folder or _nearest(here)
    if not runs.is_dir():
        raise RunError(
            f"there is no folder {runs}", hint="rfconv learn DATA --target COLUMN makes a run", code="run_not_found"
        )
    latest = latest_of(runs)
    return [_entry(run) | {"latest": run.path.name == latest} for run in list_runs(runs)]


def _entry(run: Run) -> dict[str, Any]:
    try:
        metrics = run.document_of("metrics.json")
    except RunError:  # a damaged run is listed, so that it can be found and removed
        metrics = {}
    return {
        "id": run.id,
        "path": str(run.path),
        "created": run.document.get("created"),
        "target": run.schema.target.name,
        "task": run.schema.target.task,
        "test": metrics.get("test", {}),
        "verdict": metrics.get("verdict", {}).get("code", "damaged"),
    }


def _nearest(here: Path) -> Path:
    for folder in (here, *here.parents):
        if (folder / RUNS_FOLDER).is_dir():
            return folder / RUNS_FOLDER
    raise RunError(
        f"no run yet: no {RUNS_FOLDER} folder here or above",
        hint="rfconv learn DATA --target COLUMN makes one",
        code="run_not_found",
    )
