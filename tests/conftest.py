"""What tests of several folders share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from reorder_kit.hookspecs import API_VERSION

# So that what fails in them is told in detail, too.
pytest.register_assert_rewrite("shards", "wrong", "reorder_kit.testing.fixtures")


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """Install a distribution as pip would: its metadata and modules in a folder on the path.

    The folder is given; entry points are of the group ``reorder_kit``, modules are source by name, written for a
    version of the plugin API, or for none.
    """
    modules_before = set(sys.modules)

    def install(
        name: str,
        entry_points: Mapping[str, str],
        modules: Mapping[str, str] | None = None,
        version: str = "1.0",
        api: object = API_VERSION,
    ) -> Path:
        folder = tmp_path / f"site-{len(list(tmp_path.glob('site-*')))}"
        metadata = folder / f"{name.replace('-', '_')}-{version}.dist-info"
        metadata.mkdir(parents=True)
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        lines = [f"{entry_point} = {value}" for entry_point, value in entry_points.items()]
        (metadata / "entry_points.txt").write_text("\n".join(["[reorder_kit]", *lines, ""]))
        for module, source in (modules or {}).items():
            (folder / f"{module}.py").write_text(source if api is None else f"{source}\nreorder_kit_api = {api!r}\n")
        monkeypatch.syspath_prepend(folder)
        return metadata

    yield install
    for module in set(sys.modules) - modules_before:
        home = getattr(sys.modules[module], "__file__", None)
        if home and Path(home).is_relative_to(tmp_path):
            del sys.modules[module]
