"""Broken plugins, made from the correct component of each kind: the fault, and when it is found."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, NamedTuple

import pydantic
import torch

from reorder_kit import hookimpl
from reorder_kit.interfaces import (
    BackboneFacts,
    DataSource,
    DataSplits,
    Grid,
    Order,
    OrderLearner,
    Task,
    Tracker,
)
from unruly_components import (
    RIGHT,
    SHAPE,
    Classify,
    Data,
    Images,
    InRun,
    Learner,
    Net,
    Scoring,
    StartPolicy,
    Zeros,
    broken,
)


class BrokenPlugin(NamedTuple):
    """A plugin that cannot be loaded.

    Args:
        name: of the plugin.
        plugin: the object.
        reason: required words of the message.
    """

    name: str
    plugin: Any
    reason: str


class Tracked(Tracker):
    """Keeps nothing."""

    name = "tracked"

    def start(self, run):
        pass

    def log(self, epoch, figures):
        pass

    def finish(self, status, summary):
        pass


class AnyOptions(pydantic.BaseModel):
    fast: bool = True


class NotKnownToPydantic:
    pass


def unloadable() -> Iterator[BrokenPlugin]:
    """Every kind of component with every fault that is detected when a plugin is loaded."""
    for component in (*RIGHT, Scoring, Tracked):
        kind = component.kind
        for fault, (changed, reason) in _faults_of(component).items():
            name = f"{kind.name} {component.__name__.lower()} {fault}"
            yield BrokenPlugin(name, registering(component, changed), reason)
        for fault, (hook, reason) in _wrong_hooks(component).items():
            name = f"{kind.name} {component.__name__.lower()} {fault}"
            yield BrokenPlugin(name, SimpleNamespace(**{kind.hook: hookimpl(hook)}), reason)


def registering(component: type[Any], *registered: Any) -> Any:
    """A plugin whose hook for the kind of a component returns something."""
    return SimpleNamespace(**{component.kind.hook: hookimpl(lambda: list(registered))})


def renamed(component: type[Any], name: Any, **attributes: Any) -> type[Any]:
    """The correct component under another name, with a change."""
    return broken(component, **{"name": name, **attributes})


def with_options(component: type[Any], *, base: type[Any] | None = None, **attributes: Any) -> type[Any]:
    """The correct component with other options."""
    options = type("Options", (base or component.Options,), {"__module__": __name__, **attributes})
    return renamed(component, "broken", Options=options)


def _faults_of(component: type[Any]) -> dict[str, tuple[Any, str]]:
    kind, cls = component.kind.name, component.__name__
    base = next(each for each in component.__mro__ if each.__name__ in _BASES)
    faults: dict[str, tuple[Any, str]] = {
        "empty name": (renamed(component, ""), f"{kind} {cls} has no name"),
        "no name": (renamed(component, None), f"{kind} {cls} has no name"),
        "a number for a name": (renamed(component, 3), f"{kind} {cls} has no name"),
        "a name of several words": (renamed(component, "my rule"), f"{kind} {cls} cannot be named 'my rule'"),
        "a name that YAML reads as nothing": (renamed(component, "null"), f"{kind} {cls} cannot be named 'null'"),
        "a slash": (renamed(component, "my/rule"), f"{kind} {cls} cannot be named 'my/rule'"),
        "a blank at its end": (renamed(component, "rule "), f"{kind} {cls} cannot be named 'rule '"),
        "a name that is taken": (renamed(component, component.name), f"'{component.name}' is already provided by"),
        "an object": (object(), f"is not a subclass of {base.__name__}"),
        "another class": (dict, f"is not a subclass of {base.__name__}"),
        "no methods": (type(cls, (base,), {"name": "broken", "__module__": __name__}), f"{kind} {cls} lacks "),
        "options of another class": (
            renamed(component, "broken", Options=AnyOptions),
            f"the Options of {kind} 'broken' do not derive from {component.Options.__mro__[0].__name__}",
        ),
        "options that are an object": (
            renamed(component, "broken", Options=component.Options()),
            f"the Options of {kind} 'broken' do not derive from",
        ),
        "options that can be changed": (
            with_options(component, model_config=pydantic.ConfigDict(frozen=False)),
            f"the Options of {kind} 'broken' are mutable",
        ),
        "an option called name": (
            with_options(component, __annotations__={"name": str}, name="x"),
            f"the Options of {kind} 'broken' have a field 'name'",
        ),
        "an option of an unknown type": (
            with_options(component, __annotations__={"table": NotKnownToPydantic}),
            f"the Options of {kind} 'broken' cannot be built",
        ),
    }
    for fact in component.class_facts:
        wrong = renamed(component, "broken", **{fact: object()})
        faults[f"{fact} of an object"] = (wrong, f"{kind} 'broken' says that {fact} is <object")
    return faults | _undeclared(component)


_BASES = {"DataSource", "Backbone", "Task", "Ordering", "OrderLearner", "Prior", "Tokenizer", "Tracker"}
_REQUIRED = {DataSource: ("target_kinds",), Task: ("target_kinds", "headline"), OrderLearner: ("uses_reward",)}


def _undeclared(component: type[Any]) -> dict[str, tuple[Any, str]]:
    """A required fact that a class does not declare."""
    base = next((each for each in _REQUIRED if issubclass(component, each)), None)
    found: dict[str, tuple[Any, str]] = {}
    for fact in _REQUIRED.get(base, ()) if base else ():
        # Everything of the correct class except the fact; with the same base classes.
        kept = {name: value for name, value in vars(component).items() if name != fact and name != "__dict__"}
        changed = type(component.__name__, component.__bases__, {**kept, "name": "broken"})
        found[f"{fact} not declared"] = (changed, f"{component.kind.name} 'broken' does not say {fact}")
    return found


def _wrong_hooks(component: type[Any]) -> dict[str, tuple[Any, str]]:
    one, other = renamed(component, "broken"), renamed(component, "broken")

    def stumbles() -> Any:
        raise LookupError("no table")

    def leaves() -> Any:
        raise SystemExit("needs CUDA")

    return {
        "hook raises": (stumbles, "LookupError: no table"),
        "hook exits": (leaves, "SystemExit: needs CUDA"),
        "hook gives nothing": (lambda: None, "not iterable"),
        "hook gives a class": (lambda: one, "not iterable"),
        "two of one name": (lambda: [one, other], "is registered twice by this plugin"),
    }


class Flaw(NamedTuple):
    """A component that loads, but is found to be wrong later.

    Args:
        component: the component.
        reason: required words of the message.
        told: whether ``validate`` reports it; otherwise it is reported before the end of the first epoch.
    """

    component: type[Any]
    reason: str
    told: bool

    def __str__(self) -> str:
        return f"{self.component.kind.name}: {self.reason}"


def gives(value: Any) -> Any:
    return lambda *arguments, **named: value


class KnownData(Data):
    """Four images of a shape that is known before they are opened."""

    image = SHAPE


class _PairsOfTest(Images):
    def __getitem__(self, index):
        return (torch.zeros(SHAPE.axes), 0)


class _ManyClasses(Images):
    """The last class does not exist, which shows only in the known targets."""

    def target(self, index):
        return index


def _splits(**changed: Any) -> Any:
    sets = {"train": Images(), "validation": Images(), "test": Images(), **changed}
    return gives(DataSplits(SHAPE, ["even", "odd"], **sets))


class _NoImages(Images):
    def __len__(self):
        return 0


def _policy(**methods: Any) -> Any:
    return {"policy": type("Theirs", (StartPolicy,), {"__module__": __name__, **methods})}


class _LaterWrong(StartPolicy):
    """Its best order is right until it has taken a step."""

    steps = 0

    def loss(self, passes, batch=None):
        self.steps += 1
        return passes[0].reward.new_zeros(())

    def best_order(self, sequence=None, block=0):
        return Order.trusted(torch.zeros(4, dtype=torch.long), 4) if self.steps else self.start


TWICE, SHORT = Order.trusted(torch.tensor([0, 1, 1, 2]), 4), Order.trusted(torch.tensor([0, 1]), 4)
NAN = torch.full((4,), torch.nan)
FLAWS: dict[str, Flaw] = {
    "no policy": Flaw(broken(Learner, build_policy=gives(None)), "built a NoneType instead of a Policy", True),
    "a policy without blocks": Flaw(broken(Learner, **_policy(blocks=())), "its policy declares blocks as ()", True),
    "an order with a patch twice": Flaw(broken(Learner, **_policy(best_order=gives(TWICE))), "appears twice", True),
    "an order that is too short": Flaw(broken(Learner, **_policy(best_order=gives(SHORT))), "has 2 slots for 4", True),
    "an order that is not the start": Flaw(
        broken(Learner, **_policy(best_order=gives(Order([3, 2, 1, 0])))), "slot 0 holds patch 3, but patch 0", True
    ),
    "no facts": Flaw(broken(Net, facts=classmethod(gives(None))), "facts returned a NoneType", True),
    "facts without a grid": Flaw(
        broken(Net, facts=classmethod(gives(BackboneFacts((2, 2), 1, 1)))), "its grid is a tuple", True
    ),
    "facts of another grid": Flaw(
        broken(Net, facts=classmethod(gives(BackboneFacts(Grid(1, 2), 1, 1)))), "its facts say (4, 2, 1)", False
    ),
    "a control without a name that can be said": Flaw(
        broken(Classify, controls=gives([broken(InRun, name="My Control")()])),
        "its control InRun has an invalid name, 'My Control'",
        True,
    ),
    "an order that becomes wrong": Flaw(broken(Learner, policy=_LaterWrong), "patch 0 appears twice", False),
    "rewards of NaN": Flaw(
        broken(Classify, reward_per_image=gives(NAN)), "its rewards hold NaN or infinity, while its losses", False
    ),
    "a pair in the test split": Flaw(
        broken(KnownData, open=_splits(test=_PairsOfTest())), "test sample 0 is a tuple of Tensor, int", False
    ),
    "an empty test split": Flaw(
        broken(KnownData, open=_splits(test=_NoImages())), "the test split has no image", False
    ),
    "a class that is not there, of a test image": Flaw(
        broken(KnownData, open=_splits(test=_ManyClasses())), "the target of test sample 2 is class 2", False
    ),
    "an ordering of one patch": Flaw(broken(RIGHT[3], cells=gives([(0, 0)] * 4)), "does not visit every patch", True),
    "a prior of another grid": Flaw(broken(RIGHT[5], start=gives(Order.identity(9))), "9 patches", False),
    "tokens of halves": Flaw(broken(Zeros, tokens=gives(torch.full((4, 4, 1), 0.5))), "gave torch.float32", False),
}
