"""From a prepared table to fields, a trained network, its verdict. Nothing sees the test rows before all is fitted."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from rfconv_cli.config import Settings
from rfconv_cli.export.groups import communities
from rfconv_cli.fields.search import Progress, Rows
from rfconv_cli.fields.value import ReceptiveFields
from rfconv_cli.jobs.prepare import Notice
from rfconv_cli.jobs.prepared import Prepared
from rfconv_cli.jobs.save import Learned
from rfconv_cli.judge.compare import compare
from rfconv_cli.judge.controls import RANDOM_FIELDS, train_with_controls
from rfconv_cli.judge.importance import field_importance
from rfconv_cli.judge.metrics import Resamples
from rfconv_cli.judge.repeated import repeat_on_halves
from rfconv_cli.network.contest import GIVEN, Found, find_fields
from rfconv_cli.network.cost import estimate_line, measured_speed, stage_costs
from rfconv_cli.network.device import CPU, device_for, name_of, prepare
from rfconv_cli.network.fitted import Encoding, FittedModel, decode_outputs, row_weights
from rfconv_cli.network.learn import Problem, entropy, fit_settings
from rfconv_cli.network.memo import NO_MEMO, Memo
from rfconv_cli.network.model import count_parameters
from rfconv_cli.network.train import Trained, predict
from rfconv_cli.table.room import Room
from rfconv_cli.table.split import PARTS

T = TypeVar("T")


@dataclass(frozen=True)
class Course:
    """The course of one `learn`: who is told of it, the seconds of its stages in the order they were first seen, and
    what was found out so far.
    """

    notice: Notice
    progress: Progress
    seconds: dict[str, float] = field(default_factory=dict)
    memo: Memo = NO_MEMO

    def measure(self, stage: str, work: Callable[[], T]) -> T:
        """Run `work`, add its wall time to `stage`, return its result."""
        start = time.perf_counter()
        result = work()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start
        return result


def fit_and_judge(
    prepared: Prepared, settings: Settings, given: ReceptiveFields | None, room: Room, course: Course
) -> Learned:
    """All that `learn` finds out from a table. given: fields that are taken as they are; room: where the numbers lie.

    Raises TrainingError.
    """
    settings = fit_settings(settings, len(prepared.schema.names))
    if (device := prepare(settings, len(prepared.schema.names))) != CPU:
        course.notice(f"networks are trained on {name_of(device)}; --device cpu takes the processor")
    train = prepared.is_in("train")
    encoding = Encoding.fit(prepared.schema.names, prepared.x, prepared.y, settings, train)
    problem = replace(_problem(prepared, encoding, settings, room), memo=course.memo)
    found = Found(given, GIVEN, ()) if given is not None else _find(problem, settings, room, course)
    trained, controls = course.measure(
        "train", lambda: train_with_controls(problem, found.fields, settings, course.progress, found.trained)
    )
    found = replace(found, trained={})  # networks may be large
    stability, support = course.measure(
        "stability",
        lambda: repeat_on_halves(problem, found, settings, trained, controls[RANDOM_FIELDS], course.progress),
    )
    model = FittedModel(encoding, found.fields, trained.network, prepared.outputs)
    # from here on the test rows are open, and nothing is fitted any more
    predicted, scores, importance = _on_test(prepared, model, controls, stability, settings, room, course)
    metrics = (
        scores | {"groups": communities(found.fields)} | _about(prepared, found, trained, problem, name_of(device))
    )
    return Learned(model, predicted, metrics, support, importance)


def _problem(prepared: Prepared, encoding: Encoding, settings: Settings, room: Room) -> Problem:
    """The training and validation rows, encoded."""
    train, valid, _ = (prepared.is_in(part) for part in PARTS)
    weights = row_weights(prepared.y, train, prepared.weight, settings)
    problem = encoding.problem(prepared.x, prepared.y, train, valid, prepared.outputs, weights, room)
    if prepared.groups is None:
        return problem
    return replace(problem, valid_groups=prepared.groups[valid], train_groups=prepared.groups[train])


def _find(problem: Problem, settings: Settings, room: Room, course: Course) -> Found:
    """The fields, after a line on what finding them and all that follows will cost."""
    held = None if room.folder is None else 0
    costs = stage_costs(len(problem.train), len(problem.names), problem.outputs, settings, held)
    course.notice(estimate_line(costs, measured_speed(device_for(settings, len(problem.names)))))
    return course.measure("search", lambda: find_fields(problem, settings, course.progress))


def _on_test(
    prepared: Prepared,
    model: FittedModel,
    controls: Mapping[str, Sequence[Trained]],
    stability: dict[str, Any] | None,
    settings: Settings,
    room: Room,
    course: Course,
) -> tuple[NDArray[Any], dict[str, Any], NDArray[np.float64] | None]:
    """What the model predicts for the test rows, its scores there beside the controls, and each field's importance."""
    test = prepared.is_in("test")
    x = model.encoding.encode_x(prepared.x, np.flatnonzero(test), room)

    def predictions(network: torch.nn.Module) -> NDArray[Any]:
        return decode_outputs(predict(network, x), model.encoding, prepared.outputs)

    predicted = predictions(model.network)
    others = {name: [predictions(one.network) for one in each] for name, each in controls.items()}
    groups = None if prepared.groups is None else prepared.groups[test]
    resamples = Resamples(int(test.sum()), settings.bootstrap, settings.seed, groups)
    scores = course.measure("judge", lambda: compare(prepared.y[test], predicted, others, resamples, stability))
    for name, each in controls.items():
        scores["controls"][name]["parameters"] = count_parameters(each[0].network)
    rows, rng = (
        Rows(x, model.encoding.encode_y(prepared.y[test])),
        np.random.default_rng(entropy(settings.seed, "worth")),
    )
    importance = course.measure("judge", lambda: field_importance(model.network, model.fields, rows, rng))
    return predicted, scores, importance


def _about(prepared: Prepared, found: Found, trained: Trained, problem: Problem, device: str) -> dict[str, Any]:
    plan = prepared.plan
    return {
        "network": {
            "device": device,
            "parameters": count_parameters(trained.network),
            "epochs": len(trained.history),
            "history": [{"train_loss": e.train_loss, "valid_loss": e.valid_loss} for e in trained.history],
        },
        "source": found.source,
        "contest": [dict(row) for row in found.table],
        "search": None if found.search is None else found.search.to_json(),
        "rows": {"train": len(problem.train), "valid": len(problem.valid), "test": int(prepared.is_in("test").sum())},
        "split": {"kind": plan.kind, "column": plan.column, "unit": plan.unit},
    }
