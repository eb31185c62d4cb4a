"""The names of what computes the selective scan; :func:`~reorder_kit.ops.selective_scan.selective_scan` explains them."""

from __future__ import annotations

from typing import Literal

ScanBackend = Literal["auto", "torch", "compiled", "mamba-ssm"]
