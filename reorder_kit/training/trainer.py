"""One run: epochs of optimiser steps, each epoch ending with an evaluation and a checkpoint."""

from __future__ import annotations

import json
import time
from itertools import batched
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from reorder_kit.compose import Experiment
