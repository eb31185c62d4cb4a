"""Options of backbones that mean nothing beside others."""

from __future__ import annotations

from typing import Any

import pytest

from reorder_kit.host.plugin_host import PluginHost

BACKBONES = PluginHost(third_party=False).backbones


@pytest.mark.parametrize(
    ("name", "options", "unused"),
    [
        ("vit", {"size": "base", "dim": 16, "depth": 2, "heads": 2}, "size"),
        ("vit", {"dim": 16, "depth": 1, "heads": 2, "drop_path": 0.5}, "drop_path"),
        ("longformer", {"size": "base", "dim": 16, "depth": 2, "heads": 2}, "size"),
        ("transformer-xl", {"memory": 0, "memory_gradient": True}, "memory_gradient"),
        ("mamba", {"size": "base", "dim": 16, "depth": 2}, "size"),
        ("vmamba", {"size": "base", "dim": 16, "depths": (1, 1)}, "size"),
    ],
)
def test_options_that_would_do_nothing_are_refused(name: str, options: dict[str, Any], unused: str) -> None:
    with pytest.raises(ValueError, match=f"{unused} does nothing"):
        BACKBONES.get(name).Options(patch_size=4, **options)
    BACKBONES.get(name).Options(patch_size=4, **{key: value for key, value in options.items() if key != unused})
