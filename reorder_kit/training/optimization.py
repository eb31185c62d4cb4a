"""Optimizers, and the step size over a run."""

from __future__ import annotations

import math

import torch
from accelerate import Accelerator
from accelerate.utils import GradScalerKwargs, broadcast
from torch import nn

from reorder_kit.interfaces import Policy
from reorder_kit.interfaces.epochs import epochs_in
from reorder_kit.interfaces.progress import Progress
from reorder_kit.model.policy_checks import check_optimizer
from reorder_kit.recipe.settings import OptimizerSettings, ScheduleSettings


def parameter_groups(modules: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Parameter groups with weight decay only for weight matrices, not for norms, biases, embeddings and the like."""
    decayed: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for module in modules.modules():
        for name, parameter in module.named_parameters(recurse=False):
            is_matrix = name.startswith("weight") and parameter.ndim >= 2 and not isinstance(module, nn.Embedding)
            (decayed if is_matrix else others).append(parameter)
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


def step_size_ratio(settings: ScheduleSettings, progress: Progress) -> float:
    """The step size at a step, relative to the peak."""
    lengths = (epochs_in(length, progress.epochs) for length in (settings.warmup_epochs, settings.hold_epochs))
    warmup, hold = (epochs * progress.steps_per_epoch for epochs in lengths)
    floor = settings.min_ratio
    if progress.step < warmup:
        return floor + (1 - floor) * progress.step / warmup
    decay_steps = progress.total_steps - 1 - warmup - hold
    if progress.step < warmup + hold or settings.shape == "constant" or decay_steps <= 0:
        return 1.0
    share = min(1.0, (progress.step - warmup - hold) / decay_steps)
    fall = share if settings.shape == "linear" else (1 - math.cos(math.pi * share)) / 2
    return 1 - (1 - floor) * fall


class Optimizers:
    """The optimizer of backbone and head, and the policy's own; both step together with the same loss scale.

    Args:
        modules: backbone and head.
        policy: the policy.
        settings: settings of the optimizer of backbone and head.
        schedule: the schedule of its step size.
        clip_grad: largest norm of its gradient; None for no limit.
        accelerator: unscales fp16 gradients, and averages the policy's gradients over processes.
    """

    def __init__(
        self,
        modules: nn.Module,
        policy: Policy,
        settings: OptimizerSettings,
        schedule: ScheduleSettings,
        clip_grad: float | None,
        accelerator: Accelerator,
    ) -> None:
        self._modules, self._policy, self._accelerator = modules, policy, accelerator
        self._peak, self._schedule, self._clip_grad = settings.lr, schedule, clip_grad
        groups = parameter_groups(modules, settings.weight_decay)
        self.main = torch.optim.AdamW(groups, lr=settings.lr, betas=settings.betas)
        self.policy = check_optimizer(policy.build_optimizer(), policy)
        self._reset_loss_scale()

    def step(self, progress: Progress) -> float:
        """Take a step, clear the gradients, and return the step size.

        Args:
            progress: the progress of training the current weights.
        """
        average_policy_over_processes(self._policy, self._accelerator)
        step_size = self._peak * step_size_ratio(self._schedule, progress)
        for group in self.main.param_groups:
            group["lr"] = step_size
        optimizers = [self.main, *([self.policy] if self.policy and self._policy_has_gradient() else [])]
        scaler = self._accelerator.scaler
        for optimizer in optimizers if scaler else ():
            scaler.unscale_(optimizer)
        if self._clip_grad is not None:
            torch.nn.utils.clip_grad_norm_(self._modules.parameters(), self._clip_grad)
        for optimizer in optimizers:
            if scaler:
                scaler.step(optimizer)
            else:
                optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        if scaler:
            scaler.update()
        return step_size

    def forget(self) -> None:
        """Start over with new weights, without the moments and the loss scale of the old ones."""
        self.main.state.clear()
        self._reset_loss_scale()

    def _reset_loss_scale(self) -> None:
        """Reset the loss scale, because an accelerator serves several trainings, which must be independent."""
        scaler = self._accelerator.scaler
        if scaler:
            first = (self._accelerator.scaler_handler or GradScalerKwargs()).init_scale
            scaler.load_state_dict({**scaler.state_dict(), "scale": first, "_growth_tracker": 0})

    def _policy_has_gradient(self) -> bool:
        return any(parameter.grad is not None for parameter in self._policy.parameters())

    def state_dict(self) -> dict[str, object]:
        """Moments of both, and the loss scale: tensors, numbers and plain containers."""
        return {
            "main": self.main.state_dict(),
            "policy": self.policy.state_dict() if self.policy else None,
            "scaler": self._accelerator.scaler.state_dict() if self._accelerator.scaler else None,
        }

    def load_state_dict(self, state: dict[str, dict[str, object]]) -> None:
        """Continue from a saved state."""
        self.main.load_state_dict(state["main"])
        if self.policy:
            self.policy.load_state_dict(state["policy"])
        if self._accelerator.scaler and state["scaler"]:
            self._accelerator.scaler.load_state_dict(state["scaler"])


def average_policy_over_processes(policy: Policy, accelerator: Accelerator) -> None:
    """Average the policy's gradients and running means; integers and booleans are copied from process 0.

    Data parallelism does not cover the policy, whose parameters have no gradient in some phases; the phases are the
    same in every process.
    """
    if accelerator.num_processes == 1:
        return
    for parameter in policy.parameters():
        if parameter.grad is not None:
            parameter.grad = accelerator.reduce(parameter.grad, reduction="mean")
    for buffer in policy.buffers():
        is_mean = buffer.is_floating_point()
        buffer.copy_(accelerator.reduce(buffer, reduction="mean") if is_mean else broadcast(buffer))
