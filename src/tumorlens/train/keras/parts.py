"""A Keras graph as a list of PyTorch modules that can be run one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from tumorlens.errors import ModelCorrupt
from tumorlens.train.keras.given import UnknownLayer
from tumorlens.train.keras.graph import Value
from tumorlens.train.keras.layers import make
from tumorlens.train.keras.modules import KerasModule

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tumorlens.train.keras.graph import Graph, Place
    from tumorlens.train.keras.tree import Array

    Substitute = Callable[[UnknownLayer], KerasModule]

MAX_NUMBERS = 2**28
"""Numbers that one step may give for one slice (1 GiB); real networks stay below a tenth."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One module of a network.

    Attributes:
        module: What is computed.
        inputs: Of which parts' outputs (-1 is the image), and constants.
        shape: Of its output, with a batch of one.
    """

    module: nn.Module
    inputs: tuple[Value | float, ...]
    shape: torch.Size


def run(parts: Sequence[Part], image: Tensor) -> Tensor:
    """The output of the last of some parts."""
    values: dict[int, Tensor] = {-1: image}
    for number, part in enumerate(parts):
        inputs = [v if isinstance(v, float) else values[v.step] for v in part.inputs]
        values[number] = part.module(*inputs)
    return values[len(parts) - 1]


def assemble(
    graph: Graph,
    arrays: Mapping[tuple[str, ...], Sequence[Array]],
    image: torch.Size,
    path: Path,
    substitute: Substitute,
) -> list[Part]:
    """The parts of a graph, the last of which gives the model's output.

    Nothing is computed: shapes alone are followed, so that a file cannot claim memory.

    Args:
        graph: What the file computes.
        arrays: The layers' weights.
        image: (1, channels, height, width).
        path: The file, for messages.
        substitute: Makes a module for a layer that is not understood here, or raises.

    Raises:
        ModelCorrupt: A layer's weights do not fit it, or what it is given.
    """
    parts: list[Part] = []
    ends = {-1: -1}
    made: dict[tuple[str, ...], list[nn.Module]] = {}

    def shape(value: Value) -> torch.Size:
        return image if value.step < 0 else parts[value.step].shape

    for number, step in enumerate(graph.steps):
        inputs = tuple(v if isinstance(v, float) else Value(ends[v.step]) for v in step.inputs)
        place = step.place
        try:
            if place.names not in made:
                first = next(v for v in inputs if isinstance(v, Value))
                made[place.names] = _made(
                    place, arrays.get(place.names, []), shape(first), substitute
                )
            for module in made[place.names]:
                empty = [v if isinstance(v, float) else shape(v) for v in inputs]
                parts.append(Part(module.eval(), inputs, _shape(module, empty)))
                inputs = (Value(len(parts) - 1),)
        except (
            ValueError, TypeError, LookupError, AttributeError, RuntimeError, StopIteration
        ) as error:  # fmt: skip
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            msg = f"{path}: layer {place.name} does not fit: {reason}; save the model again"
            raise ModelCorrupt(msg) from error
        ends[number] = len(parts) - 1
    return parts[: ends[graph.output.step] + 1]


def _made(
    place: Place, arrays: Sequence[Array], shape: torch.Size, substitute: Substitute
) -> list[nn.Module]:
    try:
        return make(place, arrays, shape)
    except UnknownLayer as error:
        return [substitute(error)]


def _shape(module: nn.Module, inputs: Sequence[torch.Size | float]) -> torch.Size:
    """The shape of a module's output, from those of its inputs."""
    if isinstance(module, KerasModule):  # Keras' own layers cannot do without numbers
        zeros = [v if isinstance(v, float) else torch.zeros(v) for v in inputs]
        output: Tensor = module(*zeros)
        return output.shape
    state = {name: tensor.to("meta") for name, tensor in module.state_dict().items()}
    empty = [v if isinstance(v, float) else torch.empty(v, device="meta") for v in inputs]
    output = torch.func.functional_call(module, state, tuple(empty))
    if output.numel() > MAX_NUMBERS:
        msg = f"it would give {output.numel():,} numbers for one image"
        raise ValueError(msg)
    return output.shape
