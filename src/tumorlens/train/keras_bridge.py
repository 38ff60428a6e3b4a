"""Keras weight files (HDF5) into networks that carry Keras' layer names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from tumorlens.errors import MissingExtra, ModelCorrupt, ModelNotFound

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Arrays = dict[str, NDArray[np.float32]]

_BATCH_NORM = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def load_keras_weights(network: nn.Module, path: Path) -> None:
    """Load the layers of a Keras weight file into the submodules of the same names.

    Every layer with weights in either must be in both, with the same shapes.

    Args:
        network: A network whose direct children are named as Keras' layers.
        path: A file written by ``Model.save_weights`` in the legacy HDF5 layout, such as the
            official ``mobilenet_v2_weights_…_no_top.h5``.

    Raises:
        ModelNotFound: No such file.
        ModelCorrupt: Not such a file, or its layers do not fit the network.
    """
    layers = read_keras_layers(path)
    modules = {name: module for name, module in network.named_children() if _has_weights(module)}
    if missing := sorted(modules.keys() - layers.keys()):
        msg = f"{path}: no weights for the layers {_some(missing)}; is it of another network?"
        raise ModelCorrupt(msg)
    if unknown := sorted(layers.keys() - modules.keys()):
        msg = (
            f"{path}: has layers that the network does not: {_some(unknown)}; "
            "give the file without the top (its name ends in no_top.h5)"
        )
        raise ModelCorrupt(msg)
    for name, module in modules.items():
        _fill(module, layers[name], f"{path}: layer {name}")


def read_keras_layers(path: Path) -> dict[str, Arrays]:
    """Layer name → weight name (``kernel``, ``gamma``, …) → array, as Keras stores them.

    Raises:
        ModelNotFound: No such file.
        ModelCorrupt: Not an HDF5 file in Keras' layout.
    """
    try:
        import h5py
    except ModuleNotFoundError:
        extra = "train"
        raise MissingExtra(extra, "Reading Keras weights") from None

    if not path.is_file():
        msg = f"{path}: no such file; name a Keras weight file (.h5)"
        raise ModelNotFound(msg)
    try:
        with h5py.File(path, "r") as file:
            root = file.get("model_weights", file)
            groups = {_text(name): root[_text(name)] for name in root.attrs["layer_names"]}
            layers = {name: _layer_arrays(group) for name, group in groups.items()}
    except (OSError, KeyError) as error:
        msg = f"{path}: not a Keras weight file in HDF5 ({error})"
        raise ModelCorrupt(msg) from error
    return {name: arrays for name, arrays in layers.items() if arrays}


def _layer_arrays(group: object) -> Arrays:
    names = [_text(name) for name in group.attrs["weight_names"]]  # type: ignore[attr-defined]
    return {
        name.split("/")[-1].split(":")[0]: np.asarray(group[name], np.float32)  # type: ignore[index]
        for name in names
    }


def _fill(module: nn.Module, arrays: Arrays, where: str) -> None:
    state = module.state_dict()
    for name, array in arrays.items():
        key, value = _translate(module, name, array)
        if key not in state or tuple(state[key].shape) != value.shape:
            wanted = tuple(state[key].shape) if key in state else "nothing"
            msg = f"{where}: {name} has shape {array.shape}, the network wants {wanted} there"
            raise ModelCorrupt(msg)
        state[key] = torch.from_numpy(np.ascontiguousarray(value))
    module.load_state_dict(state)


def _translate(
    module: nn.Module, name: str, array: NDArray[np.float32]
) -> tuple[str, NDArray[np.float32]]:
    """A Keras array to its PyTorch name and axis order."""
    if isinstance(module, nn.BatchNorm2d):
        return _BATCH_NORM.get(name, name), array
    if name == "depthwise_kernel" or (name == "kernel" and _is_depthwise(module)):
        return "weight", array.transpose(2, 3, 0, 1)  # (h, w, in, 1) → (in, 1, h, w)
    if name == "kernel" and isinstance(module, nn.Conv2d):
        return "weight", array.transpose(3, 2, 0, 1)  # (h, w, in, out) → (out, in, h, w)
    if name == "kernel" and isinstance(module, nn.Linear):
        return "weight", array.transpose(1, 0)
    return name, array


def _is_depthwise(module: nn.Module) -> bool:
    return isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1


def _has_weights(module: nn.Module) -> bool:
    return next(module.parameters(recurse=False), None) is not None


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)


def _some(names: list[str], most: int = 4) -> str:
    tail = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + tail
