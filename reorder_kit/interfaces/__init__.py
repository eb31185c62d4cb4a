"""The interfaces of everything a plugin can provide, and the types that they use."""

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces.annotation import Annotation
from reorder_kit.interfaces.answer import Answer, BoxAnswer, ClassAnswer, PixelAnswer, Threshold
from reorder_kit.interfaces.backbone import AttentionMaps, Backbone, BackboneFacts, Level
from reorder_kit.interfaces.batch import Batch
from reorder_kit.interfaces.component import Component, ComponentOptions, Kind
from reorder_kit.interfaces.control import Control, EvaluatedControl, InRunControl, Need, TrainedControl
from reorder_kit.interfaces.data_source import (
    DataSource,
    DataSplits,
    HasIdentities,
    HasTargets,
    HasViews,
    Sample,
    SampleSet,
    Unreadable,
)
from reorder_kit.interfaces.decoding import Decoding
from reorder_kit.interfaces.deprecation import Deprecation
from reorder_kit.interfaces.features import Features, ModelOutput
from reorder_kit.interfaces.finding import Finding, merged
from reorder_kit.interfaces.gather_images import gather_images
from reorder_kit.interfaces.identity import Identity
from reorder_kit.interfaces.model import Model
from reorder_kit.interfaces.order_learner import Evaluate, LearnerContext, OrderLearner, Policy
from reorder_kit.interfaces.ordering import Ordering, OrderingOptions
from reorder_kit.interfaces.part import Part
from reorder_kit.interfaces.passes import Pass
from reorder_kit.interfaces.paths import HomePath, PathFromRoot
from reorder_kit.interfaces.phases import Phases, Trials
from reorder_kit.interfaces.pixel_scale import IMAGENET, PixelScale
from reorder_kit.interfaces.preparation import Preparation
from reorder_kit.interfaces.prior import Influence, Prior, PriorContext, ScoringPrior
from reorder_kit.interfaces.progress import Phase, Progress
from reorder_kit.interfaces.ranking_prior import PatchRanking, RankingOptions, RankingPrior
from reorder_kit.interfaces.recorded_splits import SPLITS, RecordedSplits
from reorder_kit.interfaces.requirements import (
    require_causal,
    require_first_block_only,
    require_hard,
    require_no_leaks,
    require_order_sensitive,
    require_static,
)
from reorder_kit.interfaces.supervised_task import SupervisedTask
from reorder_kit.interfaces.target_kind import TargetKind
from reorder_kit.interfaces.target_kinds import BOXES, CAPTION, CLASS, MASK, MULTI_LABEL, NONE
from reorder_kit.interfaces.target_kinds.boxes import BoxTarget
from reorder_kit.interfaces.target_kinds.mask import IGNORED
from reorder_kit.interfaces.task import Metrics, StepResult, Task
from reorder_kit.interfaces.task_context import TaskContext
from reorder_kit.interfaces.task_wrapper import TaskWrapper
from reorder_kit.interfaces.tokenizer import Tokenizer
from reorder_kit.interfaces.tracker import Status, TrackedRun, Tracker, TrackerOptions
from reorder_kit.interfaces.training_data import TrainingData
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.image_shape import ImageShape
from reorder_kit.orders.order import Order
from reorder_kit.orders.patches import cut, paste
from reorder_kit.orders.proposal import Proposal
from reorder_kit.orders.sequence import Encoded, PatchSequence
from reorder_kit.orders.soft_permutation import SoftPermutation

INTERFACES: tuple[type[Component], ...] = (
    Ordering,
    Backbone,
    OrderLearner,
    Prior,
    Tokenizer,
    Task,
    DataSource,
    Tracker,
)
"""One for each kind of component. Everything that lists kinds iterates over these."""

__all__ = [
    "BOXES",
    "CAPTION",
    "CLASS",
    "IGNORED",
    "IMAGENET",
    "INTERFACES",
    "MASK",
    "MULTI_LABEL",
    "NONE",
    "SPLITS",
    "Annotation",
    "Answer",
    "AttentionMaps",
    "Backbone",
    "BackboneFacts",
    "Batch",
    "BoxAnswer",
    "BoxTarget",
    "ClassAnswer",
    "Component",
    "ComponentOptions",
    "Control",
    "DataSource",
    "DataSplits",
    "Decoding",
    "Deprecation",
    "Encoded",
    "Evaluate",
    "EvaluatedControl",
    "Features",
    "Finding",
    "Grid",
    "HasIdentities",
    "HasTargets",
    "HasViews",
    "HomePath",
    "Identity",
    "ImageShape",
    "InRunControl",
    "Influence",
    "Kind",
    "LearnerContext",
    "Level",
    "Metrics",
    "Model",
    "ModelOutput",
    "Need",
    "Order",
    "OrderLearner",
    "Ordering",
    "OrderingOptions",
    "Part",
    "Pass",
    "PatchRanking",
    "PatchSequence",
    "PathFromRoot",
    "Phase",
    "Phases",
    "PixelAnswer",
    "PixelScale",
    "Policy",
    "Preparation",
    "Prior",
    "PriorContext",
    "Progress",
    "Proposal",
    "RankingOptions",
    "RankingPrior",
    "RecordedSplits",
    "ReorderKitError",
    "Sample",
    "SampleSet",
    "ScoringPrior",
    "SoftPermutation",
    "Status",
    "StepResult",
    "SupervisedTask",
    "TargetKind",
    "Task",
    "TaskContext",
    "TaskWrapper",
    "Threshold",
    "Tokenizer",
    "TrackedRun",
    "Tracker",
    "TrackerOptions",
    "TrainedControl",
    "TrainingData",
    "Trials",
    "Unreadable",
    "cut",
    "gather_images",
    "merged",
    "paste",
    "require_causal",
    "require_first_block_only",
    "require_hard",
    "require_no_leaks",
    "require_order_sensitive",
    "require_static",
]
