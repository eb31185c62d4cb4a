"""The registry of one kind of component."""

from __future__ import annotations

import pytest

from reorder_kit.errors import ReorderKitError
from reorder_kit.host.registry import Registry
from reorder_kit.interfaces import Prior, ScoringPrior


def prior(name):
    class Constant(ScoringPrior):
        """The same score for all."""

        def score(self, patches, orders):
            return dict.fromkeys(orders, 0.0)

    Constant.name = name
    return Constant


@pytest.fixture
def priors():
    return Registry(Prior)


def test_what_was_added_is_found_with_its_owner(priors):
    component = prior("lzma")
    priors.check(component)
    priors.add(component, "plugin 'entropy' of my-priors")

    assert priors.get("lzma") is component
    assert priors.owner("lzma") == "plugin 'entropy' of my-priors"
    assert "lzma" in priors
    assert "gzip" not in priors


def test_names_come_in_alphabetical_order(priors):
    for name in ("lzma", "entropy", "smoothness"):
        priors.add(prior(name), "mine")
    assert list(priors) == ["entropy", "lzma", "smoothness"]
    assert len(priors) == 3


def test_an_unknown_name_gets_the_closest_as_a_hint(priors):
    priors.add(prior("lzma"), "mine")
    priors.add(prior("smoothness"), "mine")
    with pytest.raises(ReorderKitError) as caught:
        priors.get("smothness")
    assert caught.value.message == "there is no prior 'smothness'"
    assert caught.value.hint == "did you mean 'smoothness'?"


def test_a_name_far_from_all_gets_the_list(priors):
    priors.add(prior("lzma"), "mine")
    priors.add(prior("entropy"), "mine")
    with pytest.raises(ReorderKitError) as caught:
        priors.get("wavelet")
    assert caught.value.hint == "known: entropy, lzma"


def test_an_empty_registry_says_so(priors):
    with pytest.raises(ReorderKitError) as caught:
        priors.get("lzma")
    assert caught.value.hint == "there is none"


def test_a_taken_name_is_refused_with_its_owner(priors):
    priors.add(prior("lzma"), "plugin 'entropy' of my-priors")
    with pytest.raises(ReorderKitError, match="prior 'lzma' is already provided by plugin 'entropy' of my-priors"):
        priors.check(prior("lzma"))


class WithoutScore(ScoringPrior):
    """Not finished."""

    name = "unfinished"


class WithLooseOptions(prior("loose")):
    """Options of its own making."""

    class Options:
        pass


@pytest.mark.parametrize(
    ("component", "reason"),
    [
        (WithoutScore, "prior WithoutScore lacks score"),
        (WithLooseOptions, "the Options of prior 'loose' do not derive from ComponentOptions"),
        (prior(None), "prior Constant has no name"),
        (prior("lzma").score, "is not a subclass of Prior"),
        (int, "<class 'int'> is not a subclass of Prior"),
        ("lzma", "'lzma' is not a subclass of Prior"),
    ],
)
def test_what_is_no_complete_component_is_refused(priors, component, reason):
    with pytest.raises(ReorderKitError, match=reason):
        priors.check(component)
    assert len(priors) == 0
