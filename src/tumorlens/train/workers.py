"""Training on several devices or machines at once, as ``torchrun`` starts it: one process each.

Each process computes its share of every batch, and the gradients are averaged, so that the steps
are those of one process with the whole batch.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import distributed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Workers:
    """This process among those that train together.

    Attributes:
        rank: Its number, from 0; the first one writes the files.
        count: How many there are.
    """

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes and speaks for all."""
        return self.rank == 0

    def share(self, items: Tensor) -> Tensor:
        """This process' part of something that all of them have."""
        return items[self.rank :: self.count]

    def wait(self) -> None:
        """Go on when all have come here."""
        if self.count > 1:
            distributed.barrier()

    def add(self, values: Tensor) -> Tensor:
        """The sum over all processes, in each of them."""
        if self.count > 1:
            distributed.all_reduce(values)
        return values

    @contextmanager
    def first_goes_first(self) -> Iterator[None]:
        """The first process does what is inside before the others do."""
        if not self.is_first:
            self.wait()
        yield
        if self.is_first:
            self.wait()


ALONE = Workers()


@contextmanager
def joined(device: torch.device) -> Iterator[Workers]:
    """The processes that ``torchrun`` started, or this one alone where it did not."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield ALONE
        return
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Workers(distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()


def speaks() -> bool:
    """Whether this process tells people how far all of them are: the first one does."""
    return int(os.environ.get("RANK", "0")) == 0


def local_rank() -> int:
    """The number of this process on its machine, by which it takes its device."""
    return int(os.environ.get("LOCAL_RANK", "0"))
