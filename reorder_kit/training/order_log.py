"""A log of the orders of a run."""

from __future__ import annotations

import json

from reorder_kit.interfaces import StepResult
from reorder_kit.machine_failures import naming
from reorder_kit.orders.checksums import with_checksum
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.orders.order_file import OrderFile
from reorder_kit.runs.epoch_record import EpochOrder, cut_after
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.training.order_summary import OrderSummary


class OrderLog:
    """Writes the order of every epoch, and the first order that each process sampled in it.

    Args:
        folder: the run folder.
        grid: the grid of patches.
        start: the starting order.
        process: index of this process; only process 0 writes the orders of epochs.
    """

    def __init__(self, folder: RunFolder, grid: Grid, start: Order, process: int) -> None:
        self._folder, self._grid, self._process = folder, grid, process
        self.start = start
        self.last = OrderSummary(start)
        self._last_sampled_epoch = 0

    def begin(self) -> None:
        """Write the start."""
        self._folder.orders.mkdir(parents=True, exist_ok=True)
        if self._process == 0:
            OrderFile("start", self._grid, self.start).save(self._folder.start_order)

    def resume(self, epoch: int) -> None:
        """Drop what was written after an epoch, and continue from the order at its end."""
        if epoch:
            stored = OrderFile.load(self._folder.epoch_order(epoch))  # checked with the checkpoint
            self.last = OrderSummary(stored.order, stored.spread, stored.examples)
        cut_after(self._folder.sampled_orders(self._process), epoch)
        if self._process == 0:
            for path in self._folder.orders.glob("epoch-*.json"):
                number = path.stem.removeprefix("epoch-")
                if number.isdecimal() and int(number) > epoch:
                    path.unlink()

    def sampled(self, epoch: int, result: StepResult) -> None:
        """Write the first order of the epoch's first random proposal."""
        if epoch <= self._last_sampled_epoch or not result.passes:
            return
        proposal = result.passes[0].proposals[0]
        if proposal.log_prob is not None:
            self._last_sampled_epoch = epoch
            line = {"epoch": epoch, "order": proposal.order.indices.reshape(-1, proposal.order.num_slots)[0].tolist()}
            path = self._folder.sampled_orders(self._process)
            with naming(path), path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(with_checksum(line)) + "\n")

    def epoch(self, epoch: int, summary: OrderSummary) -> EpochOrder:
        """Write the order at the end of an epoch, and compare it with the start and the previous epoch."""
        order, written = summary.order, order_file(f"epoch-{epoch}", self._grid, summary)
        if self._process == 0:
            written.save(self._folder.epoch_order(epoch))
        to_last = order.kendall_tau(self.last.order)
        self.last = summary
        return EpochOrder(
            kendall_tau_to_start=order.kendall_tau(self.start),
            mean_rank_shift=order.mean_rank_shift(self.start),
            adjacency=order.adjacency(self._grid),
            kendall_tau_to_last_epoch=to_last,
            spread=summary.spread,
            sha256=written.digest,
        )


def order_file(name: str, grid: Grid, summary: OrderSummary) -> OrderFile:
    """The file of a policy's order."""
    return OrderFile(name, grid, summary.order, summary.spread, summary.examples)
