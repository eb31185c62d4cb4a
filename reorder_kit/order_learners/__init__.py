"""Ways of learning an order while the model trains: one a file, each file a plugin module.

What several of them share, for learners in plugins too:

* :class:`PhasedLearner` with :class:`PhaseOptions`: warm-up, search, and what follows. :class:`ExploreOptions` adds a
  share of the search in which the policy stays as it is.
* :class:`TemperatureSchedule`: a temperature that moves during the search.
* :class:`SoftOrderLearner` with :class:`SoftOptions` and :class:`SoftPolicy`: learning through a soft permutation. A
  policy gives ``soft_permutation`` and ``best_order``.
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
