"""Arrays of Keras layers into networks that carry Keras' layer names, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from tumorlens.errors import ModelCorrupt
from tumorlens.train.keras.saved import Layout, read_saved
from tumorlens.train.keras.weights import named_arrays, numbered_arrays

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from tumorlens.train.keras.saved import Saved
    from tumorlens.train.keras.tree import Array, Branch

    Layers = dict[str, list[Array]]

_STATISTICS = ("weight", "bias", "running_mean", "running_var")
"""Keras' gamma, beta, moving mean and moving variance."""


def load_keras_weights(network: nn.Module, path: Path) -> None:
    """Load the layers of a Keras file into the submodules of the same names.

    1. Layers are found by name, in models within models too; others (a head) are left alone.
    2. Where names differ, as in a user's own network, layers are taken in their order, if those
       of the right shapes are there for all submodules.

    Args:
        network: A network whose direct children are named as Keras' layers.
        path: A weight file (the official ``…_no_top.h5`` among them) or a whole model.

    Raises:
        ModelNotFound: No such file.
        ModelCorrupt: Not a Keras file, or its layers do not fit the network.
        ModelIncompatible: A model of another format, such as a pickle.
    """
    fill(network, stored_layers(read_saved(path)), path)


def fill(network: nn.Module, layers: Layers, path: Path) -> None:
    """Put stored layers into the children of a network, by name or by order.

    Raises:
        ModelCorrupt: They do not fit.
    """
    modules = {name: module for name, module in network.named_children() if _has_weights(module)}
    missing = [name for name in modules if name not in layers]
    if not missing:
        for name, module in modules.items():
            put(module, layers[name], f"{path}: layer {name}")
        return
    chosen = _in_order(modules.values(), layers.values())
    if chosen is None:
        msg = f"{path}: no weights for the layers {_some(missing)}; is it of another network?"
        raise ModelCorrupt(msg)
    for module, arrays in zip(modules.values(), chosen, strict=True):
        put(module, arrays, str(path))


def stored_layers(saved: Saved) -> Layers:
    """Layer → its arrays in Keras' order, of all layers that have any, in the order of the file.

    Raises:
        ModelCorrupt: An array that the file lists is not in it.
    """
    if saved.layout is Layout.NATIVE:
        found: Layers = {}
        _collect(saved.weights, "", found)
        return found
    found = {}
    for top in saved.weights.texts["layer_names"]:
        inside: Layers = {}
        for name, array in named_arrays(saved, top):
            parts = name.split("/")
            inside.setdefault(parts[-2] if len(parts) > 1 else top, []).append(array)
        if len(inside) == 1:
            inside = {top: next(iter(inside.values()))}
        found |= inside
    return found


def put(module: nn.Module, arrays: Sequence[Array], where: str) -> None:
    """Put the arrays of one Keras layer into a module.

    Raises:
        ModelCorrupt: Their number or shapes are not the module's.
    """
    names = _state_names(module)
    wanted = [tuple(array.shape) for array in take(module)]
    given = [tuple(array.shape) for array in arrays]
    if given != wanted:
        msg = f"{where}: has arrays of shape {given}, the network wants {wanted} there"
        raise ModelCorrupt(msg)
    state = module.state_dict()
    for name, array in zip(names, arrays, strict=True):
        turned = array if array.ndim == 1 else array.transpose(_from_keras(module))
        state[name] = torch.from_numpy(np.ascontiguousarray(turned))
    module.load_state_dict(state)


def take(module: nn.Module) -> list[Array]:
    """The arrays of a module as Keras has them: order, axes and all."""
    state = module.state_dict()
    arrays = []
    for name in _state_names(module):
        array = state[name].detach().cpu().float().numpy()
        arrays.append(array if array.ndim == 1 else array.transpose(_to_keras(module)))
    return arrays


def _state_names(module: nn.Module) -> list[str]:
    state = module.state_dict()
    return [name for name in _STATISTICS if name in state]


def _from_keras(module: nn.Module) -> tuple[int, ...]:
    """The order of axes that makes a PyTorch weight of a Keras kernel."""
    return tuple(int(axis) for axis in np.argsort(_to_keras(module)))


def _to_keras(module: nn.Module) -> tuple[int, ...]:
    """The order of axes that makes a Keras kernel of a PyTorch weight."""
    if isinstance(module, nn.Linear):
        return 1, 0
    if isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1:
        return 2, 3, 0, 1  # (in, 1, h, w) → (h, w, in, 1)
    return 2, 3, 1, 0  # (out, in, h, w) → (h, w, in, out)


def _in_order(
    modules: Iterable[nn.Module], layers: Iterable[Sequence[Array]]
) -> list[Sequence[Array]] | None:
    """For each module the next stored layer of its shapes, or None where there is none."""
    left = iter(layers)
    chosen = []
    for module in modules:
        wanted = [array.shape for array in take(module)]
        fitting = next((a for a in left if [array.shape for array in a] == wanted), None)
        if fitting is None:
            return None
        chosen.append(fitting)
    return chosen


def _collect(branch: Branch, key: str, found: Layers) -> None:
    arrays = numbered_arrays(branch)
    if arrays:
        name = branch.groups["vars"].text("name") or key
        found[name if name not in found else f"{name}/{len(found)}"] = arrays
    for child, group in branch.groups.items():
        if child != "vars":
            _collect(group, child, found)


def _has_weights(module: nn.Module) -> bool:
    return next(module.parameters(recurse=False), None) is not None


def _some(names: list[str], most: int = 4) -> str:
    tail = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + tail
