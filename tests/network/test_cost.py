"""The preflight: memory by its formula, work that grows as the method does, and the line that is printed."""

import pytest

from rfconv_cli.config import Settings, from_values
from rfconv_cli.errors import TrainingError
from rfconv_cli.network.cost import Speed, StageCost, estimate_line, measured_speed, search_memory, stage_costs
from rfconv_cli.network.device import CPU
from rfconv_cli.network.learn import require_memory

GB = 10**9


def settings(**changes) -> Settings:
    return from_values({"kernel_size": 9, "parameterisation": "dense"} | changes)


def test_a_dense_r_takes_seven_copies_and_what_the_network_needs():
    need = search_memory(5000, settings(hidden=128))
    assert need == pytest.approx(7 * 8 * 5000**2 * 4, rel=0.07)
    assert need > 7 * 8 * 5000**2 * 4


def test_own_fields_for_each_layer_take_as_many_r_as_layers():
    one, three = (search_memory(5000, settings(layers=3, share_fields=share)) for share in (True, False))
    assert three - one == 2 * 7 * 8 * 5000**2 * 4


@pytest.mark.parametrize("parameterisation", ["dense", "candidates", "factored"])
def test_noise_takes_two_more_copies(parameterisation):
    without, drawn = (
        search_memory(5000, settings(parameterisation=parameterisation, estimator=estimator))
        for estimator in ("straight-through", "gumbel")
    )
    width = 32 if parameterisation == "candidates" else 5000
    assert drawn - without == 2 * 8 * 5000 * width * 4


def test_a_factored_r_carries_no_moments_of_its_own():
    dense, factored = (search_memory(5000, settings(hidden=128, parameterisation=p)) for p in ("dense", "factored"))
    assert factored / dense == pytest.approx(4 / 7, abs=0.03)


def test_candidates_take_memory_in_proportion_to_the_columns():
    small, large = (search_memory(n, settings(parameterisation="candidates")) for n in (20_000, 40_000))
    assert large < 2.01 * small
    assert large < search_memory(40_000, settings()) / 90


def test_more_candidates_than_columns_are_not_paid_for():
    some, many = (settings(parameterisation="candidates", candidates=size) for size in (39, 512))
    assert search_memory(40, some) == search_memory(40, many)


@pytest.mark.parametrize(("parameterisation", "fits"), [("dense", False), ("factored", False), ("candidates", True)])
def test_what_does_not_fit_is_refused_and_candidates_are_the_way_out(parameterisation, fits):
    chosen = settings(parameterisation=parameterisation)
    if fits:
        require_memory(20_000, chosen, available=8 * GB)
        return
    with pytest.raises(TrainingError, match="20000 columns") as caught:
        require_memory(20_000, chosen, available=8 * GB)
    assert caught.value.code == "out_of_memory"
    assert "--parameterisation candidates" in str(caught.value.hint)


def test_the_stages_are_those_that_the_source_asks_for():
    def stages(**changes) -> list[str]:
        return [cost.stage for cost in stage_costs(1000, 50, 3, settings(**changes))]

    assert stages() == ["screen", "align", "search", "choose", "train", "controls", "stability"]
    assert stages(source="searched") == ["search", "train", "controls", "stability"]
    assert stages(source="correlation") == ["screen", "align", "train", "controls", "stability"]
    assert "stability" not in stages(stability=0)


def work(stage: str, columns: int = 1000, **changes) -> float:
    costs = {cost.stage: cost for cost in stage_costs(5000, columns, 3, settings(**{"source": "contest", **changes}))}
    return costs[stage].products


def test_dense_work_grows_with_the_square_of_the_columns_and_candidates_with_the_columns():
    assert 3.4 < work("search", 16_000) / work("search", 8000) <= 4
    assert work("search", 16_000, parameterisation="candidates") == pytest.approx(
        2 * work("search", 8000, parameterisation="candidates"), rel=1e-3
    )


@pytest.mark.parametrize(("level", "times"), [("first-order", 2), ("second-order", 4)])
def test_bilevel_work_is_counted_in_gradients(level, times):
    assert work("search", level=level) == times * work("search")


@pytest.mark.parametrize(("source", "more"), [("contest", 1), ("searched", 2)])
def test_controls_are_the_draws_the_mlp_and_correlation_fields_that_the_contest_has_not_trained(source, more):
    assert work("controls", random_draws=3, source=source) == (3 + more) * work("train", source=source)


def test_the_contest_is_seven_short_trainings_and_three_whole_ones_beside_the_final_one():
    assert work("choose", epochs=40, contest_epochs=10) == pytest.approx((7 / 4 + 3) * work("train", epochs=40))


def test_fields_by_moments_take_memory_by_the_square_of_the_columns_where_they_are_found():
    align = {columns: stage_costs(1000, columns, 12, settings())[1].memory for columns in (1000, 2000, 20_000)}
    assert align[2000] == 4 * align[1000]
    assert align[20_000] < align[1000]


def test_seconds_are_products_numbers_and_what_comes_on_top():
    assert StageCost("search", 4e9, 3e8, 0.5, 0).seconds(Speed(products=1e9, numbers=1e8)) == pytest.approx(7.5)


def test_the_line_tells_the_total_the_memory_and_the_stages_worth_a_second():
    costs = [StageCost("screen", 0, 0, 0.2, GB), StageCost("search", 0, 0, 40, 2 * GB), StageCost("train", 0, 0, 7, 0)]
    assert estimate_line(costs, Speed(1, 1)) == "about 47 s and 2.6 GB: search 40 s, train 7 s"


@pytest.mark.parametrize(("seconds", "said"), [(0.1, "1 s"), (99, "99 s"), (150, "2 min"), (9000, "2.5 h")])
def test_durations_are_told_in_a_unit_that_fits(seconds, said):
    assert f"about {said} and" in estimate_line([StageCost("search", 0, 0, seconds, 0)], Speed(1, 1))


def test_a_machine_multiplies_at_some_speed():
    speed = measured_speed(CPU)
    assert 1e6 < speed.numbers < speed.products < 1e15


def test_a_search_over_candidates_is_not_told_to_use_candidates():
    with pytest.raises(TrainingError) as caught:
        require_memory(20_000, settings(parameterisation="candidates"), available=1000)
    assert "candidates" not in str(caught.value.hint)
