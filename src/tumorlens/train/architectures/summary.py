"""What a network is made of: its layers, the shapes between them, and what is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from tumorlens.train.architectures.classifier import Classifier

BYTES_A_PARAMETER = 4


@dataclass(frozen=True, slots=True)
class LayerSummary:
    """One layer.

    Attributes:
        name: Its name in the network, dotted.
        kind: What it is, such as ``Conv2d``.
        output: The shape that it gives for one slice, without the batch.
        trainable: Parameters that training changes.
        frozen: Parameters that it does not, batch statistics included.
    """

    name: str
    kind: str
    output: tuple[int, ...]
    trainable: int
    frozen: int


@dataclass(frozen=True, slots=True)
class NetworkSummary:
    """A network's layers with parameters, from the image to the logits.

    Attributes:
        architecture: Name of the feature extractor.
        layers: Those that have parameters.
    """

    architecture: str
    layers: tuple[LayerSummary, ...]

    @property
    def trainable(self) -> int:
        """Parameters that training changes."""
        return sum(layer.trainable for layer in self.layers)

    @property
    def frozen(self) -> int:
        """Parameters that it does not, counted as Keras does: batch statistics are among them."""
        return sum(layer.frozen for layer in self.layers)

    @property
    def size(self) -> int:
        """Bytes of all parameters in 32-bit float."""
        return (self.trainable + self.frozen) * BYTES_A_PARAMETER

    @property
    def line(self) -> str:
        """All in one line, as a training run says it first."""
        return (
            f"{self.architecture}: {self.trainable:,} trainable and {self.frozen:,} frozen "
            f"parameters, {self.size / 1e6:.1f} MB"
        )

    def __str__(self) -> str:
        name = max(len(layer.name) for layer in self.layers)
        kind = max(len(layer.kind) for layer in self.layers)
        rows = [f"{'layer':{name}}  {'kind':{kind}}  {'output':16}  {'trainable':>11}  frozen"]
        for layer in self.layers:
            shape = " x ".join(map(str, layer.output))
            rows.append(
                f"{layer.name:{name}}  {layer.kind:{kind}}  {shape:16}  "
                f"{layer.trainable:>11,}  {layer.frozen:,}"
            )
        return "\n".join([*rows, self.line])


def summary(network: Classifier) -> NetworkSummary:
    """What a network is made of; nothing is computed for it, so it is quick for any size."""
    shapes = _output_shapes(network)
    modules = dict(network.named_modules())
    layers = tuple(_layer(name, modules[name], shape) for name, shape in shapes.items())
    return NetworkSummary(network.spec.architecture.value, layers)


def _output_shapes(network: Classifier) -> dict[str, tuple[int, ...]]:
    """Layer with parameters → shape of its output, in the order of a forward pass."""
    shapes: dict[str, tuple[int, ...]] = {}

    def note(name: str) -> Any:
        def hook(_module: nn.Module, _given: object, output: torch.Tensor) -> None:
            shapes[name] = tuple(output.shape[1:])

        return hook

    hooks = [
        module.register_forward_hook(note(name))
        for name, module in network.named_modules()
        if next(module.parameters(recurse=False), None) is not None
    ]
    state = {name: tensor.to("meta") for name, tensor in network.state_dict().items()}
    image = torch.empty(1, 1, network.height, network.width, device="meta")
    mode = network.training
    try:
        torch.func.functional_call(network.eval(), state, (image,))
    finally:
        network.train(mode)
        for hook in hooks:
            hook.remove()
    return shapes


def _layer(name: str, module: nn.Module, output: tuple[int, ...]) -> LayerSummary:
    own = list(module.parameters(recurse=False))
    trainable = sum(p.numel() for p in own if p.requires_grad)
    # The count of batches that PyTorch keeps beside mean and variance is no parameter.
    statistics = sum(b.numel() for b in module.buffers(recurse=False) if b.ndim)
    frozen = sum(p.numel() for p in own) - trainable + statistics
    return LayerSummary(name, type(module).__name__, output, trainable, frozen)
