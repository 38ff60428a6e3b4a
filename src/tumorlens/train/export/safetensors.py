"""Weights for PyTorch as safetensors: arrays and JSON, nothing that could be executed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from tumorlens.errors import MissingExtra, ModelCorrupt, ModelNotFound, RecipeError
from tumorlens.model.format import METADATA_KEY, ModelMetadata
from tumorlens.model.run import first_line
from tumorlens.train.calibrate import NoveltyReference
from tumorlens.train.export.network import rebuild
from tumorlens.train.recipe import Recipe

if TYPE_CHECKING:
    from pathlib import Path

    from tumorlens.train.dense.export import ExportedLesions
    from tumorlens.train.export.network import ExportedClassifier

_NETWORK = "network."
_TEMPERATURE = "temperature"
_CENTRES, _DIRECTIONS, _RESIDUAL = "novelty.centres", "novelty.directions", "novelty.residual"


def save_safetensors(
    exported: ExportedClassifier | ExportedLesions, metadata: ModelMetadata, target: Path
) -> None:
    """Write a network's weights, and all that its answers need, into one file.

    The tensors are ``network.…`` (names as in `Classifier`), ``temperature``, and the reference
    that novelty is measured from; the file's own metadata has the key ``tumorlens`` with the JSON
    of the model's metadata, whose recipe says how the network is built.

    Args:
        exported: The network.
        metadata: What a model file would say of it.
        target: The ``.safetensors`` file.

    Raises:
        MissingExtra: safetensors is not installed.
    """
    try:
        from safetensors.torch import save
    except ModuleNotFoundError:
        extra = "train"
        raise MissingExtra(extra, "Writing safetensors") from None
    reference = exported.reference
    tensors = {
        _NETWORK + name: tensor.contiguous()
        for name, tensor in exported.network.state_dict().items()
    }
    tensors[_TEMPERATURE] = torch.tensor(exported.temperature, dtype=torch.float64)
    tensors[_CENTRES] = torch.from_numpy(reference.centres)
    tensors[_DIRECTIONS] = torch.from_numpy(reference.directions).contiguous()
    tensors[_RESIDUAL] = torch.tensor(reference.residual, dtype=torch.float64)
    content = save(tensors, {"format": "pt", METADATA_KEY: metadata.model_dump_json()})
    target.write_bytes(content)  # its own `save_file` lets nobody but the owner read the file


def load_safetensors(path: Path) -> tuple[ExportedClassifier | ExportedLesions, ModelMetadata]:
    """The network in a file that `save_safetensors` wrote, in inference mode.

    Calling it with (N, 1 or 3, H, W) in [0, 1] gives calibrated probabilities, heatmaps and
    novelty; ``.network`` is the plain classifier, to be trained further.

    Raises:
        ModelNotFound: No such file.
        ModelCorrupt: It is another kind of file, or damaged.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        msg = f"{path} does not exist: name a .safetensors file."
        raise ModelNotFound(msg)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = ModelMetadata.model_validate_json(file.metadata()[METADATA_KEY])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return _rebuilt(metadata, tensors), metadata
    except (SafetensorError, OSError, ValueError, LookupError, TypeError) as error:
        raise ModelCorrupt(_not_ours(path, error)) from error
    except (RuntimeError, RecipeError) as error:
        raise ModelCorrupt(_not_ours(path, error)) from error


def _rebuilt(
    metadata: ModelMetadata, tensors: dict[str, torch.Tensor]
) -> ExportedClassifier | ExportedLesions:
    weights = {
        name.removeprefix(_NETWORK): tensor
        for name, tensor in tensors.items()
        if name.startswith(_NETWORK)
    }
    reference = NoveltyReference(
        tensors[_CENTRES].numpy(), tensors[_DIRECTIONS].numpy(), float(tensors[_RESIDUAL])
    )
    return rebuild(Recipe.of_model(metadata), weights, float(tensors[_TEMPERATURE]), reference)


def _not_ours(path: Path, error: Exception) -> str:
    return f"{path}: not a file that TumorLens exported to safetensors ({first_line(error)})"
