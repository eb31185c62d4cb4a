"""What the tests run in separate processes, to kill them or to run several at once."""

import multiprocessing
import os
import signal
import sys
from contextlib import nullcontext
from pathlib import Path

import torch
from accelerate import Accelerator
from safetensors.torch import save_file
from torch import nn

import reorder_kit
from children import join_group
from in_this_process import InThisProcess
from race_cases import opened_race
from reorder_kit import hookimpl
from reorder_kit.cli.main import main
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import gather_images
from reorder_kit.jobs.local_processes import LocalProcesses
from reorder_kit.jobs.slots import slots_for
from reorder_kit.studies.checking import check_study
from reorder_kit.studies.run_study import StudyRun
from reorder_kit.studies.study_folder import StudyFolder
from reorder_kit.tasks.classification import Classification
from reorder_kit.testing import host_with
from reorder_kit.training.optimization import average_policy_over_processes


class Watched(Classification):
    """Classification that remembers the trained model."""

    name = "watched"
    model = None

    def step(self, model, batch, progress):
        if model.training:
            Watched.model = model
        return super().step(model, batch, progress)


class WatchedPlugin:
    @hookimpl
    def register_tasks(self):
        return [Watched]


def start_loaders_as_programs_do():
    """In a process of these tests, the workers of a data loader would have to import everything."""
    multiprocessing.set_start_method("fork", force=True)


def train(recipe, out, resume=False, process=0, processes=1, port=0):
    """Train a recipe; as one of several processes, save the weights this process ends with."""
    start_loaders_as_programs_do()
    if processes > 1:
        join_group(process, processes, port)
    host = host_with(WatchedPlugin())
    reorder_kit.run(recipe, out=out, resume=resume, host=host)
    if Watched.model is not None:
        save_file(Watched.model.state_dict(), f"{out}-process-{process}.safetensors")


def train_here(recipe, home):
    """Train a recipe in the first free run folder of a folder."""
    os.chdir(home)
    reorder_kit.run(recipe, host=host_with())


def study(content, out, jobs):
    """Train a study; with jobs, in that many separate processes."""
    start_loaders_as_programs_do()
    host = PluginHost.from_environment()
    run = StudyRun(check_study(content, host, "study", Path()), StudyFolder(Path(out)), host, "reorder-kit study")
    run.train(LocalProcesses(slots_for(jobs, [])) if jobs else InThisProcess(), lambda report: None)


def command_line(arguments, folder, errors):
    """Call the command line in a folder, with the output in a file."""
    start_loaders_as_programs_do()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored if a shell runs the tests in the background
    os.chdir(folder)
    sys.argv = ["reorder-kit", *arguments]
    with Path(errors).open("w") as file:
        os.dup2(file.fileno(), 2)
    main()


def average(path, process, processes, port):
    """Average a policy whose gradients, mean and count are numbers of the process."""
    join_group(process, processes, port)
    policy = nn.Module()
    policy.scores = nn.Parameter(torch.zeros(2))
    policy.untouched = nn.Parameter(torch.zeros(2))
    policy.register_buffer("mean", torch.tensor(10.0 * process))
    policy.register_buffer("count", torch.tensor(process))
    policy.scores.grad = torch.tensor([1.0, -2.0]) * (process + 1)
    average_policy_over_processes(policy, Accelerator(cpu=True))
    assert policy.untouched.grad is None
    save_file(
        {"gradient": policy.scores.grad, "mean": policy.mean, "count": policy.count},
        Path(path) / f"process-{process}.safetensors",
    )


def gather(path, process, processes, port):
    """Compare the rows of this process with those of all, and average the gradients as data parallelism does."""
    join_group(process, processes, port)
    Accelerator(cpu=True)
    found = {}
    for number, sizes in enumerate(GATHERED_SIZES):
        inputs, weight = gather_case(number)
        weight.requires_grad_()
        rows, mine = gather_images(inputs.split(sizes)[process] @ weight)
        contrast(rows, mine).backward()
        torch.distributed.all_reduce(weight.grad)
        found[f"gradient-{number}"] = weight.grad / processes
        found[f"rows-{number}"] = rows.detach()
        found[f"mine-{number}"] = torch.tensor([mine.start, mine.stop])
    labels, _ = gather_images(torch.arange(3 + process) + 10 * process)
    found["labels"] = labels
    save_file(found, Path(path) / f"process-{process}.safetensors")


GATHERED_SIZES = [[4, 4], [3, 5], [6, 2], [0, 3]]


def gather_case(number):
    """The inputs of all processes, and a weight that they share."""
    generator = torch.Generator().manual_seed(number)
    inputs = torch.randn(sum(GATHERED_SIZES[number]), 3, generator=generator, dtype=torch.float64)
    return inputs, torch.randn(3, 2, generator=generator, dtype=torch.float64)


def contrast(rows, mine):
    """The mean over some rows of how hard each is to distinguish from all others."""
    likeness = rows[mine] @ rows.T
    loss = likeness.logsumexp(dim=1) - rows[mine].square().sum(dim=1)
    return loss.sum() / max(1, len(loss))


def race(out):
    """A complete race on planted data."""
    start_loaders_as_programs_do()
    run = opened_race(Path(out), budget=2)
    run.begin(lambda what: None)
    run.train(None, lambda standing: nullcontext(lambda standing: None))
