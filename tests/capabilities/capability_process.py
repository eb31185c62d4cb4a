"""What the tests of capabilities run in separate processes."""

import multiprocessing
from pathlib import Path

from capability_cases import load
from children import join_group
from step_record import StepRecord


def train(name, out, changes=None, resume=False, process=0, processes=1, port=0):
    """Train a capability; as one of several processes, save what happened in its steps."""
    multiprocessing.set_start_method("fork", force=True)
    if processes > 1:
        join_group(process, processes, port)
    out = Path(out)
    capability = load(name, out.parent)
    with StepRecord().of(capability.plugin.register_tasks()[0]) as record:
        capability.run(out.name, changes, resume)
    record.save(out.parent / f"{out.name}-process-{process}.safetensors")
