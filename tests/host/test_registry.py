"""The registry of one kind of component."""

from __future__ import annotations

import re

import pytest

from reorder_kit.errors import ReorderKitError
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.host.registry import Registry
from reorder_kit.interfaces import Prior, ScoringPrior
from reorder_kit.interfaces.component import is_name
from reorder_kit.recipe.read_yaml import read_yaml


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
    assert caught.value.hint == "none is known"


def test_a_taken_name_is_refused_with_its_owner(priors):
    priors.add(prior("lzma"), "plugin 'entropy' of my-priors")
    with pytest.raises(ReorderKitError, match="prior 'lzma' is already provided by plugin 'entropy' of my-priors"):
        priors.check(prior("lzma"))


class WithoutScore(ScoringPrior):
    """Not finished."""

    name = "unfinished"


class WithLooseOptions(prior("loose")):
    """Options that do not derive from the right class."""

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


@pytest.mark.parametrize("name", ["my_order", "MyOrder", "my.order", "2d-order", "order2", "yes"])
def test_a_name_that_yaml_reads_as_text_is_one(name):
    assert is_name(name)
    assert read_yaml(f"name: {name}", "") == {"name": name}


@pytest.mark.parametrize(
    "name", ["my order", "my/order", "-x", "x-", "a--b", "a: b", "é", "3", "1.5", "1e3", "0x1F", "True"]
)
def test_what_would_need_quotes_is_no_name(name):
    assert not is_name(name)


def test_names_of_the_package_are_lower_case_with_hyphens():
    names = [name for registry in PluginHost(third_party=False).registries.values() for name in registry]
    assert len(names) > 50
    assert [name for name in names if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)] == []
