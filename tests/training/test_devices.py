import pytest
import torch
from pydantic import ValidationError

from reorder_kit.errors import ReorderKitError
from reorder_kit.recipe.settings import TrainSettings
from reorder_kit.training.devices import build_accelerator, describe_device, runnable_here

without_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")


def test_the_cpu_is_used_when_asked_for():
    accelerator = build_accelerator(TrainSettings(device="cpu"))
    assert accelerator.device == torch.device("cpu")
    assert describe_device(accelerator) == "cpu, fp32"


@without_gpu
def test_a_missing_gpu_is_said():
    with pytest.raises(ReorderKitError, match="torch sees no GPU") as error:
        build_accelerator(TrainSettings(device="cuda"))
    assert "train.device=auto" in error.value.hint


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="there is an Apple GPU")
def test_apples_gpu_is_refused_where_there_is_none():
    with pytest.raises(ReorderKitError, match="mps, but torch does not support MPS here") as error:
        build_accelerator(TrainSettings(device="mps"))
    assert "train.device=auto" in error.value.hint
    assert build_accelerator(runnable_here(TrainSettings(device="mps"))).device == torch.device("cpu")


def test_half_precision_where_no_gpu_is_asked_for_is_no_setting():
    with pytest.raises(ValidationError, match="precision: fp16 needs a CUDA GPU, which device: cpu does not use"):
        TrainSettings(device="cpu", precision="fp16")


@without_gpu
def test_half_precision_without_a_gpu_is_refused_with_a_hint():
    with pytest.raises(ReorderKitError, match="fp16 needs a GPU") as error:
        build_accelerator(TrainSettings(device="auto", precision="fp16"))
    assert "bf16" in error.value.hint


def test_precision_can_change_from_run_to_run():
    for precision, dtype in [("bf16", torch.bfloat16), ("fp32", torch.float32), ("bf16", torch.bfloat16)]:
        accelerator = build_accelerator(TrainSettings(device="cpu", precision=precision))
        with accelerator.autocast():
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype
        assert describe_device(accelerator) == f"cpu, {precision}"
