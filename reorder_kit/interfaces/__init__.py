"""The interfaces of everything a plugin can provide, and the words they speak in."""

from reorder_kit.grid import Grid
from reorder_kit.interfaces.backbone import AttentionMaps, Backbone, ImageShape
from reorder_kit.interfaces.component import Component, ComponentOptions
from reorder_kit.interfaces.control import Control, EvaluatedControl, InRunControl, Need, TrainedControl
from reorder_kit.interfaces.data_source import DataSource, DataSplits, Sample, SampleSet, TargetKind, Unreadable
from reorder_kit.interfaces.order_learner import Evaluate, LearnerContext, OrderLearner, Phase, Policy
from reorder_kit.interfaces.ordering import Ordering, OrderingOptions
from reorder_kit.interfaces.prior import Prior, TokenPrior
from reorder_kit.interfaces.targets import IGNORED, Annotation, BoxTarget
from reorder_kit.interfaces.task import Batch, Features, Metrics, Model, ModelOutput, StepResult, Task
from reorder_kit.interfaces.tokenizer import Tokenizer
from reorder_kit.patch_order import Order
from reorder_kit.progress import Progress
from reorder_kit.proposal import Proposal
from reorder_kit.sequence import Encoded, PatchSequence
from reorder_kit.soft_permutation import SoftPermutation

__all__ = [
    "IGNORED",
    "Annotation",
    "AttentionMaps",
    "Backbone",
    "Batch",
    "BoxTarget",
    "Component",
    "ComponentOptions",
    "Control",
    "DataSource",
    "DataSplits",
    "Encoded",
    "Evaluate",
    "EvaluatedControl",
    "Features",
    "Grid",
    "ImageShape",
    "InRunControl",
    "LearnerContext",
    "Metrics",
    "Model",
    "ModelOutput",
    "Need",
    "Order",
    "OrderLearner",
    "Ordering",
    "OrderingOptions",
    "PatchSequence",
    "Phase",
    "Policy",
    "Prior",
    "Progress",
    "Proposal",
    "Sample",
    "SampleSet",
    "SoftPermutation",
    "StepResult",
    "TargetKind",
    "Task",
    "TokenPrior",
    "Tokenizer",
    "TrainedControl",
    "Unreadable",
]
