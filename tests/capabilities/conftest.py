"""Every folder here is a capability: a plugin in one file, a recipe that uses it, and tests of the results."""

from __future__ import annotations

from pathlib import Path

import pytest

from capability_cases import Capability, load
from children import Children
from reorder_kit.runs.run_folder import RunFolder


@pytest.fixture(scope="module")
def capability(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Capability:
    """The capability of the folder that contains a test."""
    name = request.path.parent.name
    return load(name, tmp_path_factory.mktemp(name))


@pytest.fixture(scope="module")
def finished(capability: Capability) -> RunFolder:
    """The recipe, trained."""
    return capability.run()


@pytest.fixture(scope="session")
def children() -> Children:
    """Processes that train capabilities."""
    return Children(Path(__file__).parent, "capability_process")
