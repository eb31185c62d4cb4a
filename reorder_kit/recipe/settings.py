"""Settings of a run outside its components: optimizer, schedule, training."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from reorder_kit.interfaces.epochs import Epochs, ShareOfRun
from reorder_kit.interfaces.numbers import Amount, Count, Fraction, Positive, Real, Size, Whole
from reorder_kit.interfaces.paths import HomePath


class Settings(BaseModel):
    """A section of a recipe with a fixed set of fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)


class OptimizerSettings(Settings):
    """The optimizer of backbone and head. Norms, biases, embeddings and policy parameters have no weight decay."""

    name: Literal["adamw"] = Field("adamw", description="the optimizer")
    lr: Positive = Field(1e-3, description="peak step size")
    weight_decay: Amount = Field(0.03, description="decoupled weight decay of weight matrices")
    betas: tuple[Fraction, Fraction] = Field((0.9, 0.999), description="decay of the running moments")


class ScheduleSettings(Settings):
    """The step size over the run, the same with and without a learner: warm-up, hold, then decay until the end."""

    warmup_epochs: Epochs = Field(0.0, description="epochs of linear warm-up from min_ratio, or a share of the run")
    hold_epochs: Epochs = Field(0.0, description="epochs at the peak, after the warm-up, or a share of the run")
    shape: Literal["cosine", "linear", "constant"] = Field("cosine", description="shape of the decay")
    min_ratio: Real = Field(0.01, ge=0, le=1, description="last step size, relative to the peak")

    def of_run(self, epochs: float, steps_per_epoch: int) -> ScheduleSettings:
        """The same schedule with lengths in epochs; shares of the run are rounded to whole steps.

        Args:
            epochs: the epochs of the run.
            steps_per_epoch: optimizer steps per epoch.
        """
        lengths: dict[str, float] = {}
        for name, length in (("warmup_epochs", self.warmup_epochs), ("hold_epochs", self.hold_epochs)):
            if isinstance(length, ShareOfRun):
                length = round(length.of(epochs) * steps_per_epoch) / steps_per_epoch
            lengths[name] = length
        return self.model_copy(update=lengths)

    def scaled(self, epochs: float, of: float) -> ScheduleSettings:
        """The same schedule for a run of another length: lengths in epochs scale in proportion, and shares stay.

        Args:
            epochs: the epochs of that run.
            of: the epochs of the run that this schedule belongs to.
        """
        lengths: dict[str, float | ShareOfRun] = {}
        for name, length in (("warmup_epochs", self.warmup_epochs), ("hold_epochs", self.hold_epochs)):
            lengths[name] = length if isinstance(length, ShareOfRun) else length * epochs / of
        return self.model_copy(update=lengths)


ModelPart = Literal["backbone", "head"]


class WeightsSettings(Settings):
    """Initial weights from a finished run. A run folder alone means all of its parts."""

    run: HomePath = Field(description="run folder whose final weights training starts from")
    parts: tuple[ModelPart, ...] = Field(("backbone", "head"), min_length=1, description="parts to take from it")
    freeze: tuple[ModelPart, ...] = Field((), description="parts that are not trained, without gradients and dropout")

    @model_validator(mode="before")
    @classmethod
    def _accept_bare_folder(cls, value: Any) -> Any:
        return {"run": value} if isinstance(value, (str, Path)) else value

    @model_validator(mode="after")
    def _check(self) -> WeightsSettings:
        if untaken := [part for part in self.freeze if part not in self.parts]:
            raise ValueError(f"freeze: {untaken[0]} would keep its random weights; also list it in parts")
        if {*self.freeze} == {"backbone", "head"}:
            raise ValueError("freeze: nothing would be left to train; use reorder-kit evaluate instead")
        return self


class TrainSettings(Settings):
    """How long, where and how precisely a run trains."""

    epochs: Whole = Field(10, ge=1, le=1_000_000, description="passes over the training split")
    steps: Count | None = Field(None, description="optimizer steps of the run, instead of epochs; null: use epochs")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto", description="auto: bf16 on a GPU that supports it, fp16 on other GPUs, fp32 on a CPU"
    )
    clip_grad: Positive | None = Field(5.0, description="largest gradient norm of backbone and head; null: no limit")
    accumulate: Size = Field(1, description="batches whose gradients are accumulated for one optimizer step")
    ema_decay: Fraction | None = Field(
        None, gt=0, description="average the weights with this decay and evaluate the average; null: no averaging"
    )
    compile: bool = Field(False, description="compile the backbone's encode with torch.compile")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        "auto", description="auto: a CUDA GPU if there is one, otherwise the CPU; mps (Apple) is untested"
    )
    weights: WeightsSettings | None = Field(
        None, description="final weights of another run to start from, or its folder; null: new weights"
    )
    max_unreadable: Whole = Field(
        10, ge=0, le=1_000_000_000, description="most unreadable images per epoch; with more, the run stops"
    )

    @model_validator(mode="after")
    def _check_length(self) -> TrainSettings:
        if self.steps is not None and "epochs" in self.model_fields_set:
            raise ValueError("epochs and steps both set the length of the run; give only one of them")
        return self

    @model_validator(mode="after")
    def _check_precision(self) -> TrainSettings:
        if self.precision == "fp16" and self.device in ("cpu", "mps"):
            raise ValueError(f"precision: fp16 needs a CUDA GPU, which device: {self.device} does not use")
        return self

    @model_serializer(mode="wrap")
    def _leave_out_unused(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        unused = "epochs" if self.steps is not None else "steps"
        return {name: value for name, value in write(self).items() if name != unused}

    def epochs_of(self, steps_per_epoch: int) -> float:
        """The epochs of the run, including a fraction of the last one."""
        return self.epochs if self.steps is None else self.steps / steps_per_epoch
