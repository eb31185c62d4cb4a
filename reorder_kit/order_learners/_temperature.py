"""How a temperature changes during the search for an order."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field, model_validator

from reorder_kit.interfaces.component import ComponentOptions
from reorder_kit.interfaces.numbers import Amount

TemperatureShape = Literal["constant", "linear", "exponential", "triangular", "plateau"]


class TemperatureSchedule(ComponentOptions):
    """A temperature as a function of the share of the search that is done, updated at every optimizer step.

    * ``constant``: ``peak`` throughout.
    * ``linear``, ``exponential``: from ``initial`` to ``final``, by equal differences or by equal ratios.
    * ``triangular``: from ``initial`` up to ``peak`` at half time, and down to ``final``.
    * ``plateau``: up in the first quarter, ``peak`` for half the time, down in the last quarter.
    """

    shape: TemperatureShape = Field("triangular", description="form of the curve")
    initial: Amount = Field(0.0, description="temperature at the start of the search")
    peak: Amount = Field(0.2, description="highest temperature of triangular and plateau, or the constant one")
    final: Amount = Field(0.0, description="temperature at the end of the search")

    @model_validator(mode="after")
    def _check(self) -> TemperatureSchedule:
        if self.shape == "exponential" and min(self.initial, self.final) <= 0:
            raise ValueError("an exponential schedule needs initial and final above 0")
        return self

    def unused(self) -> dict[str, str]:
        """Options that the shape does not use."""
        match self.shape:
            case "constant":
                return dict.fromkeys(("initial", "final"), "a constant temperature is peak throughout")
            case "linear" | "exponential":
                return {"peak": f"a temperature of shape {self.shape} goes from initial to final"}
            case "triangular" | "plateau":
                return {}

    @property
    def is_zero(self) -> bool:
        """Whether it is 0 from start to end."""
        ends = self.initial == self.final == 0
        match self.shape:
            case "constant":
                return self.peak == 0
            case "linear" | "exponential":
                return ends
            case "triangular" | "plateau":
                return ends and self.peak == 0

    def at(self, share: float) -> float:
        """The temperature when ``share`` (0 to 1) of the search is done."""
        match self.shape:
            case "constant":
                return self.peak
            case "linear":
                return self.initial + (self.final - self.initial) * share
            case "exponential":
                return self.initial * math.pow(self.final / self.initial, share)
            case "triangular":
                return self._rise_and_fall(share, rise=0.5)
            case "plateau":
                return self._rise_and_fall(share, rise=0.25)

    def _rise_and_fall(self, share: float, rise: float) -> float:
        if share < rise:
            return self.initial + (self.peak - self.initial) * share / rise
        if share > 1 - rise:
            return self.final + (self.peak - self.final) * (1 - share) / rise
        return self.peak
