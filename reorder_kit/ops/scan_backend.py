"""The names of the implementations of the selective scan; :mod:`reorder_kit.ops.selective_scan` explains each."""

from __future__ import annotations

from typing import Literal

ScanBackend = Literal["auto", "torch", "compiled", "mamba-ssm"]
