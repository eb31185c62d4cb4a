"""``reorder-kit doctor``: what is installed and what is missing, or whether a folder is intact."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reorder_kit.cli._completion import complete_run_or_study
from reorder_kit.cli._output import console, print_json, table
from reorder_kit.cli._parameters import JsonOption, as_path

if TYPE_CHECKING:
    from reorder_kit.training.run_check import FileCheck


def doctor(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FOLDER]",
            help="The folder of a run, a study, a race or a transfer to check.",
            parser=as_path,
            autocompletion=complete_run_or_study,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Report what is installed and what is missing, or check a folder.

    Without a folder: versions, devices, compiled kernels and broken plugins, and how to install what is missing. The
    exit code is 0.

    With the folder of a run, a study, a race or a transfer: whether each file is present, unchanged, and belongs to the
    others. Pictures, pages and files of plugins are not checked. The exit code is 2 if a file is missing or damaged.

    \b
    Example:
      reorder-kit doctor
      reorder-kit doctor --json
      reorder-kit doctor runs/quickstart
    """
    if folder is not None:
        _check(folder, as_json)
        return
    from reorder_kit.cli._diagnosis import diagnose

    diagnosis = diagnose()
    if as_json:
        print_json(diagnosis)
    else:
        _print_diagnosis(diagnosis)


def _check(folder: Path, as_json: bool) -> None:
    from reorder_kit.cli._folder_check import check_folder

    found = check_folder(folder)
    problems = [check for checks in found.values() for check in checks if check.problem is not None]
    if as_json:
        files = [{"file": str(each.file), "problem": each.problem} for checks in found.values() for each in checks]
        print_json({"folder": str(folder), "is_whole": not problems, "files": files})
    else:
        _print_checks(found)
    if problems:
        raise typer.Exit(2)


def _print_checks(found: dict[Path, list[FileCheck]]) -> None:
    out = console()
    for place, checks in found.items():
        problems = dict.fromkeys(each.problem for each in checks if each.problem is not None)
        broken = {each.file for each in checks if each.problem is not None}
        whole = len({each.file for each in checks} - broken)
        out.print(f"{place}: {whole} files are intact, {len(broken)} are not", soft_wrap=True)
        for problem in problems:
            out.print(f"  {problem}", soft_wrap=True)


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
    out.print(f"Mamba scan with backend auto: {scans}")
    plugins = diagnosis["plugins"]
    out.print(f"plugins: {plugins['ok']} ok, {plugins['blocked']} blocked, {len(plugins['failed'])} failed")
    for plugin in plugins["failed"]:
        out.print(f"failed: {plugin['name']} of {plugin['distribution']}: {plugin['reason']}", soft_wrap=True)
