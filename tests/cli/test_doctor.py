"""`reorder-kit doctor`: what is installed and what is missing."""

from __future__ import annotations

import json
import shutil
import sys
from contextlib import nullcontext
from importlib.metadata import version
from types import ModuleType

import pytest
import torch

from made_results import study_result
from reorder_kit.statistics.estimate import Estimate
from reorder_kit.studies.results import Row


def diagnosis(cli):
    done = cli("doctor", "--json")
    assert done.exit_code == 0
    return json.loads(done.stdout)


def test_versions_are_those_installed(cli):
    versions = diagnosis(cli)["versions"]
    assert versions["python"]["version"] == ".".join(map(str, sys.version_info[:3]))
    for package in ("torch", "torchvision", "timm", "accelerate", "pluggy"):
        assert versions[package] == {"version": version(package), "problem": None}


def test_devices_are_those_torch_sees(cli):
    devices = diagnosis(cli)["devices"]
    assert devices["cpu"]["torch_threads"] == torch.get_num_threads()
    assert len(devices["gpus"]) == torch.cuda.device_count()


def test_gpus_are_described(cli, monkeypatch):
    class Properties:
        name, total_memory = "Some GPU", 80 * 2**30

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "device", nullcontext)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: Properties)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    assert "GPU Some GPU: 80.0 GiB, bf16 yes" in cli("doctor").stdout


def test_a_missing_kernel_comes_with_the_way_to_get_it(cli, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchsort", None)
    kernel = diagnosis(cli)["kernels"]["torchsort"]
    assert kernel["is_active"] is False
    assert "pip install --no-build-isolation torchsort" in kernel["note"]


def test_a_kernel_that_loads_is_active(cli, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchsort", ModuleType("torchsort"))
    assert diagnosis(cli)["kernels"]["torchsort"] == {"is_active": True, "note": ""}


def test_a_kernel_for_gpus_is_inactive_without_one(cli, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    kernels = diagnosis(cli)["kernels"]
    for name in ("mamba-ssm", "FlexAttention"):
        assert kernels[name] == {"is_active": False, "note": "used on a GPU only"}


def test_flex_attention_is_active_on_a_gpu_and_a_missing_kernel_is_named(cli, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setitem(sys.modules, "mamba_ssm", None)
    kernels = diagnosis(cli)["kernels"]
    assert kernels["FlexAttention"]["is_active"]
    assert "pip install --no-build-isolation mamba-ssm" in kernels["mamba-ssm"]["note"]


def test_the_scan_backend_of_each_device_is_shown(cli, monkeypatch):
    from reorder_kit.ops import selective_scan

    assert "Mamba scan with backend auto: torch on cpu\n" in cli("doctor").stdout
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(selective_scan, "_kernel", lambda: ImportError("no CUDA"))
    assert diagnosis(cli)["scan_backends"] == {"cpu": "torch", "cuda": "torch"}
    monkeypatch.setattr(selective_scan, "_kernel", lambda: print)
    assert diagnosis(cli)["scan_backends"] == {"cpu": "torch", "cuda": "mamba-ssm"}


def test_without_a_compiler_it_says_how_to_get_one(cli, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    compiler = diagnosis(cli)["kernels"]["torch.compile"]
    assert compiler["is_active"] is False
    assert "install g++ or clang" in compiler["note"]


def test_a_named_compiler_is_found(cli, monkeypatch, tmp_path):
    compiler = tmp_path / "my-c++"
    compiler.write_text("#!/bin/sh\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    assert diagnosis(cli)["kernels"]["torch.compile"] == {"is_active": True, "note": str(compiler)}


def test_a_torchvision_that_does_not_fit_torch_is_explained(cli, monkeypatch):
    import reorder_kit.cli._diagnosis as module

    def fail(name):
        if name == "torchvision":
            raise RuntimeError("operator torchvision::nms does not exist\nand more")
        return sys.modules.get(name)

    monkeypatch.setattr(module, "import_module", fail)
    problem = diagnosis(cli)["versions"]["torchvision"]["problem"]
    assert problem.startswith("RuntimeError: operator torchvision::nms does not exist; torch and torchvision must")


def test_broken_plugins_are_named(cli, install):
    install("broken-dist", {"broken": "broken_plugin"}, {"broken_plugin": "raise RuntimeError('no luck')"})
    reason = "RuntimeError: no luck\n  hint: python -c 'import broken_plugin' shows the traceback"
    expected = {"name": "broken", "distribution": "broken-dist", "reason": reason}
    assert expected in diagnosis(cli)["plugins"]["failed"]
    assert "failed: broken of broken-dist: RuntimeError: no luck" in cli("doctor").stdout


def test_text_names_everything(cli):
    shown = cli("doctor").stdout
    assert all(name in shown for name in ("python", "torchvision", "mamba-ssm", "torchsort", "FlexAttention"))
    assert all(character.isprintable() or character == "\n" for character in shown)


def test_a_run_that_is_whole_is_said_to_be(cli, trained):
    done = cli("doctor", trained.folder)
    assert done.exit_code == 0, done.output
    assert f"{trained.folder}: " in done.stdout
    assert " files are intact, 0 are not\n" in done.stdout
    content = json.loads(cli("doctor", trained.folder, "--json").stdout)
    assert content["is_whole"] is True
    names = {name["file"].removeprefix(f"{trained.folder}/") for name in content["files"]}
    assert {"result.json", "recipe.yaml", "test_scores.npy", "orders/epoch-0001.json"} <= names
    assert {"checkpoints/epoch-000001/policy.safetensors", "controls/fixed-start/metrics.jsonl"} <= names
    assert not [file for file in content["files"] if file["problem"]]


def test_what_is_damaged_or_missing_is_named(cli, trained, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(trained.folder, copy)
    weights, metrics = copy / "checkpoints/epoch-000001/model.safetensors", copy / "controls/fixed-start/metrics.jsonl"
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    metrics.unlink()
    done = cli("doctor", "copy")
    assert done.exit_code == 2
    assert "copy: " in done.stdout
    assert "files are intact, 2 are not\n" in done.stdout
    assert "  copy/checkpoints/epoch-000001/model.safetensors: is damaged, or from another run: " in done.stdout
    assert "  copy/controls/fixed-start/metrics.jsonl: cannot be read: No such file or directory\n" in done.stdout
    done = cli("doctor", "copy", "--json")
    assert done.exit_code == 2
    content = json.loads(done.stdout)
    assert content["is_whole"] is False
    assert {each["file"] for each in content["files"] if each["problem"]} == {
        "copy/checkpoints/epoch-000001/model.safetensors",
        "copy/controls/fixed-start/metrics.jsonl",
    }


@pytest.mark.parametrize(("folder", "said"), [("gone", "folder not found"), (".", "not the folder of a run")])
def test_what_is_no_folder_of_a_run_is_refused(cli, folder, said):
    done = cli("doctor", folder)
    assert done.exit_code == 2
    assert said in done.stderr


def test_the_runs_and_the_table_of_a_study_are_checked(cli, trained, tmp_path):
    shutil.copytree(trained.folder, tmp_path / "study" / "cells" / "a")
    estimate = {"mean": 0.5, "low": None, "high": None, "values": (trained.result["metrics"]["test"]["top1"],)}
    row = Row("digits", "local", "hilbert", None, None, Estimate(**estimate), (0,), ("cells/a",), 16, 16, False, 1.0)
    study_result("top1", True, (row,), ()).write(tmp_path / "study" / "study.json")
    (tmp_path / "study" / "study.yaml").write_text("name: s\n")
    done = cli("doctor", "study")
    assert (done.exit_code, "study/cells/a: " in done.stdout) == (0, True), done.output
    estimate["values"] = (0.123,)
    row = Row("digits", "local", "hilbert", None, None, Estimate(**estimate), (0,), ("cells/a",), 16, 16, False, 1.0)
    study_result("top1", True, (row,), ()).write(tmp_path / "study" / "study.json")
    done = cli("doctor", "study")
    assert done.exit_code == 2
    assert "study/cells/a/result.json: the score is " in done.stdout
    assert " here but 0.123 in study.json" in done.stdout
    (tmp_path / "study" / "study.json").write_text("{}")
    assert "study/study.json: format_version None is not 1" in cli("doctor", "study").stdout
