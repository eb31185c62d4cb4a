"""Ways of learning an order while the model trains: one per file; each file is a plugin module.

Shared parts, also for learners in plugins:

* :class:`PhasedLearner` with :class:`PhaseOptions`: warm-up, search, and what follows. :class:`ExploreOptions` adds a
  share of the search in which the policy stays unchanged.
* :class:`TemperatureSchedule`: a temperature that changes during the search.
* :class:`SoftOrderLearner` with :class:`SoftOptions` and :class:`SoftPolicy`: learning through a soft permutation. A
  policy defines ``soft_permutation`` and ``best_order``.
"""

from reorder_kit.order_learners._phases import ExploreOptions, PhasedLearner, PhaseOptions
from reorder_kit.order_learners._soft_policy import SMALLEST_TEMPERATURE, SoftOptions, SoftOrderLearner, SoftPolicy
from reorder_kit.order_learners._temperature import TemperatureSchedule, TemperatureShape

__all__ = [
    "SMALLEST_TEMPERATURE",
    "ExploreOptions",
    "PhaseOptions",
    "PhasedLearner",
    "SoftOptions",
    "SoftOrderLearner",
    "SoftPolicy",
    "TemperatureSchedule",
    "TemperatureShape",
]
