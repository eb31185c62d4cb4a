"""reorder-kit: measure, learn and trust the order of image patches."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from reorder_kit.hookspecs import hookimpl

if TYPE_CHECKING:
    from reorder_kit.api.evaluating import evaluate
    from reorder_kit.api.orders import load_order, order
    from reorder_kit.api.predicting import predict
    from reorder_kit.api.reporting import report
    from reorder_kit.api.running import load_run, run
    from reorder_kit.api.studying import study
    from reorder_kit.api.wrapping import wrap
    from reorder_kit.errors import ReorderKitError, ReorderKitWarning
    from reorder_kit.model.ordered_model import OrderedModel
    from reorder_kit.orders.grid import Grid
    from reorder_kit.orders.order import Order
    from reorder_kit.own_loop import learner

__version__ = "0.1.0"
__all__ = [
    "Grid",
    "Order",
    "OrderedModel",
    "ReorderKitError",
    "ReorderKitWarning",
    "evaluate",
    "hookimpl",
    "learner",
    "load_order",
    "load_run",
    "order",
    "predict",
    "report",
    "run",
    "study",
    "wrap",
]

# Imported on first use: torch takes seconds, and `reorder-kit --help` should not.
_HOMES = {
    "Grid": "reorder_kit.orders.grid",
    "Order": "reorder_kit.orders.order",
    "OrderedModel": "reorder_kit.model.ordered_model",
    "ReorderKitError": "reorder_kit.errors",
    "ReorderKitWarning": "reorder_kit.errors",
    "evaluate": "reorder_kit.api.evaluating",
    "learner": "reorder_kit.own_loop",
    "load_order": "reorder_kit.api.orders",
    "load_run": "reorder_kit.api.running",
    "order": "reorder_kit.api.orders",
    "predict": "reorder_kit.api.predicting",
    "report": "reorder_kit.api.reporting",
    "run": "reorder_kit.api.running",
    "study": "reorder_kit.api.studying",
    "wrap": "reorder_kit.api.wrapping",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(["__version__", *__all__])
