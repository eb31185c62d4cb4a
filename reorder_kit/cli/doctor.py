"""``reorder-kit doctor``: what is installed, what it runs on, and what is missing."""

from __future__ import annotations

from typing import Any

from reorder_kit.cli._output import console, print_json, table
from reorder_kit.cli._parameters import JsonOption


def doctor(as_json: JsonOption = False) -> None:
    """Report what is installed and what is missing.

    Versions, devices, compiled kernels and broken plugins, and how to get what is not there. Nothing of it is an error:
    the command ends with 0 whatever it finds.

    \b
    Example:
      reorder-kit doctor
      reorder-kit doctor --json
    """
    from reorder_kit.cli._diagnosis import diagnose

    diagnosis = diagnose()
    if as_json:
        print_json(diagnosis)
    else:
        _print_diagnosis(diagnosis)


def _print_diagnosis(diagnosis: dict[str, Any]) -> None:
    out = console()
    versions = table("package", "version", "")
    for package, found in diagnosis["versions"].items():
        versions.add_row(package, found["version"] or "missing", found["problem"] or "")
    out.print(versions)
    out.print()
    devices = diagnosis["devices"]
    out.print(f"CPU: {devices['cpu']['cores']} cores; threads of torch: {devices['cpu']['torch_threads']}")
    for gpu in devices["gpus"]:
        out.print(f"GPU {gpu['name']}: {gpu['memory_gib']:.1f} GiB, bf16 {'yes' if gpu['has_bf16'] else 'no'}")
    if not devices["gpus"]:
        out.print(f"GPU: torch sees none (torch is built for CUDA {devices['cuda'] or 'nothing'})")
    out.print()
    kernels = table("compiled", "active", "")
    for name, kernel in diagnosis["kernels"].items():
        kernels.add_row(name, "yes" if kernel["is_active"] else "no", kernel["note"])
    out.print(kernels)
    out.print()
    scans = ", ".join(f"{backend} on {device}" for device, backend in diagnosis["scan_backends"].items())
    out.print(f"scan of the backbone mamba, backend auto: {scans}")
    plugins = diagnosis["plugins"]
    out.print(f"plugins: {plugins['ok']} ok, {plugins['blocked']} blocked, {len(plugins['failed'])} failed")
    for plugin in plugins["failed"]:
        out.print(f"failed: {plugin['name']} of {plugin['distribution']}: {plugin['reason']}", soft_wrap=True)
