"""A test kit for plugin authors: check a component against the contract of its kind.

Each check takes a class, and options as in a recipe, and raises an ``AssertionError`` that names every broken rule,
what was seen, and what to do. Pytest is not needed::

    from reorder_kit.testing import check_ordering

    def test_contract():
        check_ordering(Checkerboard, {"first": "light"})

The rules of a kind, such as :data:`ORDERING_RULES`, can be called one by one with a case, for example from
:func:`ordering_case`. Pytest fixtures are in :mod:`reorder_kit.testing.fixtures`.
"""

from reorder_kit.testing.backbone import BACKBONE_RULES, backbone_case, check_backbone
from reorder_kit.testing.data_source import DATA_SOURCE_RULES, check_data_source, data_source_case
from reorder_kit.testing.host import host_with
from reorder_kit.testing.order_learner import ORDER_LEARNER_RULES, check_order_learner, order_learner_case
from reorder_kit.testing.ordering import ORDERING_RULES, check_ordering, ordering_case
from reorder_kit.testing.prior import PRIOR_RULES, check_prior, prior_case
from reorder_kit.testing.rule import BrokenRulesError, Rule
from reorder_kit.testing.target_kind import TARGET_KIND_RULES, check_target_kind, target_kind_case
from reorder_kit.testing.task import TASK_RULES, check_task, task_case
from reorder_kit.testing.tokenizer import TOKENIZER_RULES, check_tokenizer, tokenizer_case
from reorder_kit.testing.tracker import TRACKER_RULES, check_tracker, tracker_case

__all__ = [
    "BACKBONE_RULES",
    "DATA_SOURCE_RULES",
    "ORDERING_RULES",
    "ORDER_LEARNER_RULES",
    "PRIOR_RULES",
    "TARGET_KIND_RULES",
    "TASK_RULES",
    "TOKENIZER_RULES",
    "TRACKER_RULES",
    "BrokenRulesError",
    "Rule",
    "backbone_case",
    "check_backbone",
    "check_data_source",
    "check_order_learner",
    "check_ordering",
    "check_prior",
    "check_target_kind",
    "check_task",
    "check_tokenizer",
    "check_tracker",
    "data_source_case",
    "host_with",
    "order_learner_case",
    "ordering_case",
    "prior_case",
    "target_kind_case",
    "task_case",
    "tokenizer_case",
    "tracker_case",
]
