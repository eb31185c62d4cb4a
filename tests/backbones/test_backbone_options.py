"""Options of backbones that have no meaning given others."""

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
        ("arm", {"size": "base", "dim": 16, "depth": 2}, "size"),
        ("mamba", {"size": "base", "dim": 16, "depth": 2}, "size"),
        ("mamba2", {"size": "base", "dim": 32, "depth": 2}, "size"),
        ("gated-deltanet", {"size": "base", "dim": 16, "depth": 2, "heads": 2}, "size"),
        ("sparse", {"pattern": "strided", "block": 4}, "block"),
        ("sparse", {"pattern": "fixed", "stride": 4}, "stride"),
        ("sparse", {"pattern": "fixed", "num_global": 1}, "num_global"),
        ("sparse", {"pattern": "bigbird", "num_summary": 1}, "num_summary"),
        ("sparse", {"pattern": "bigbird", "num_random": 0, "random_seed": 1}, "random_seed"),
        ("vmamba", {"size": "base", "dim": 16, "depths": (1, 1)}, "size"),
    ],
)
def test_options_that_would_do_nothing_are_refused(name: str, options: dict[str, Any], unused: str) -> None:
    with pytest.raises(ValueError, match=f"{unused} does nothing"):
        BACKBONES.get(name).Options(patch_size=4, **options)
    BACKBONES.get(name).Options(patch_size=4, **{key: value for key, value in options.items() if key != unused})
