"""Temperature schedules, with points worked out by hand."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from pydantic import ValidationError

from reorder_kit.interfaces import Phases
from reorder_kit.interfaces.progress import Progress
from reorder_kit.order_learners._temperature import TemperatureSchedule

UP_AND_DOWN = {"initial": 0.1, "peak": 0.5, "final": 0.2}
USED = {
    "constant": {"peak"},
    "linear": {"initial", "final"},
    "exponential": {"initial", "final"},
    "triangular": {"initial", "peak", "final"},
    "plateau": {"initial", "peak", "final"},
}


def schedule_of(shape: str, **temperatures: float) -> TemperatureSchedule:
    """A schedule, with the temperatures that its shape uses."""
    return TemperatureSchedule(shape=shape, **{name: temperatures[name] for name in USED[shape]})


@pytest.mark.parametrize(
    ("options", "points"),
    [
        ({"shape": "constant", "peak": 0.5}, {0: 0.5, 0.3: 0.5, 1: 0.5}),
        ({"shape": "linear", "initial": 0.1, "final": 0.2}, {0: 0.1, 0.25: 0.125, 0.5: 0.15, 1: 0.2}),
        ({"shape": "linear", "initial": 1.0, "final": 0.0}, {0: 1, 0.25: 0.75, 1: 0}),
        ({"shape": "exponential", "initial": 1.0, "final": 0.01}, {0: 1, 0.25: 0.316228, 0.5: 0.1, 1: 0.01}),
        ({"shape": "exponential", "initial": 0.1, "final": 0.8}, {0: 0.1, 1 / 3: 0.2, 2 / 3: 0.4, 1: 0.8}),
        ({"shape": "triangular", **UP_AND_DOWN}, {0: 0.1, 0.25: 0.3, 0.5: 0.5, 0.75: 0.35, 1: 0.2}),
        ({"shape": "plateau", **UP_AND_DOWN}, {0: 0.1, 0.125: 0.3, 0.25: 0.5, 0.75: 0.5, 0.875: 0.35, 1: 0.2}),
    ],
)
def test_points_are_worked_out_by_hand(options: dict[str, Any], points: dict[float, float]) -> None:
    schedule = TemperatureSchedule(**options)
    assert [schedule.at(share) for share in points] == pytest.approx(list(points.values()), rel=1e-5)


@pytest.mark.parametrize("shape", USED)
@pytest.mark.parametrize("field", ["initial", "peak", "final"])
def test_a_temperature_that_the_shape_does_not_look_at_is_refused(shape: str, field: str) -> None:
    given = schedule_of(shape, initial=0.3, peak=0.7, final=0.1).model_dump() | {field: 0.2}
    if field in USED[shape]:
        assert TemperatureSchedule(**given).model_dump() == given
    else:
        with pytest.raises(ValidationError, match=f"{field} does nothing"):
            TemperatureSchedule(**given)


@pytest.mark.parametrize("shape", USED)
def test_no_share_gives_a_negative_temperature(shape: str) -> None:
    schedule = schedule_of(shape, initial=0.3, peak=0.7, final=0.001)
    assert min(schedule.at(step / 997) for step in range(998)) >= 0


@pytest.mark.parametrize("shape", ["triangular", "plateau", "linear"])
def test_an_end_at_zero_is_exactly_zero(shape: str) -> None:
    assert schedule_of(shape, initial=0.7, peak=0.2, final=0.0).at(1.0) == 0.0


@pytest.mark.parametrize("end", [{"initial": 0.0, "final": 0.1}, {"initial": 0.1, "final": 0.0}])
def test_an_exponential_schedule_cannot_touch_zero(end: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match="needs initial and final above 0"):
        TemperatureSchedule(shape="exponential", **end)


@pytest.mark.parametrize("field", ["initial", "peak", "final"])
def test_a_temperature_below_zero_is_refused(field: str) -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        TemperatureSchedule(**{field: -0.1})


def over_a_search(schedule: TemperatureSchedule, epochs: int, steps_per_epoch: int) -> list[float]:
    """The temperature at every optimizer step of a search that takes the whole run."""
    phases = Phases(warmup_epochs=0, search_epochs=epochs)
    steps = [Progress(step, steps_per_epoch, epochs) for step in range(epochs * steps_per_epoch)]
    return [schedule.at(phases.locate(progress).share) for progress in steps]


@pytest.mark.parametrize("shape", ["linear", "exponential", "triangular"])
def test_the_temperature_moves_at_every_optimiser_step(shape: str) -> None:
    schedule = schedule_of(shape, initial=0.05, peak=0.6, final=0.1)
    temperatures = over_a_search(schedule, epochs=3, steps_per_epoch=13)
    assert all(before != after for before, after in pairwise(temperatures))


@pytest.mark.parametrize("shape", ["triangular", "plateau"])
@pytest.mark.parametrize(("epochs", "steps_per_epoch"), [(30, 1251), (30, 13), (3, 13), (1, 3)])
def test_the_peak_is_reached(shape: str, epochs: int, steps_per_epoch: int) -> None:
    # A schedule built for iterations and stepped once per epoch would end at 0.2 * 2 * 30 / (30 * 1251) = 0.0003.
    temperatures = over_a_search(TemperatureSchedule(shape=shape), epochs, steps_per_epoch)
    steps = epochs * steps_per_epoch
    assert max(temperatures) == pytest.approx(0.2, rel=1e-9 if steps % 2 or shape == "plateau" else 1 / (steps - 1))
    assert temperatures[0] == temperatures[-1] == 0


def test_a_search_of_even_length_nearly_reaches_the_peak_of_a_triangle() -> None:
    # 100 steps: shares 49/99 and 50/99 are on both sides of one half.
    temperatures = over_a_search(TemperatureSchedule(), epochs=10, steps_per_epoch=10)
    assert temperatures[49:51] == pytest.approx([0.2 * 98 / 99] * 2)
    assert max(temperatures) == pytest.approx(0.2 * 98 / 99)
