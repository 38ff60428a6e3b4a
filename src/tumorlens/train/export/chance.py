"""A model whose weights are shuffled: its maps must lie nowhere (Adebayo et al., 2018)."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tumorlens.model.load import load_file

if TYPE_CHECKING:
    from tumorlens.model.run import Model

_FEWEST = 16
"""Tensors of fewer numbers are settings of operators, not weights."""


def randomised(model: Model, seed: int = 0) -> Model:
    """A copy of a model with the numbers of every weight tensor in another order.

    Sizes of weights stay as they are, what was learnt is gone.

    Raises:
        ModelIncompatible: Shuffled, it cannot be opened.
    """
    import onnx
    from onnx import TensorProto, numpy_helper

    proto = onnx.load_from_string(model.path.read_bytes())
    chance = np.random.default_rng(seed)
    for tensor in proto.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(tensor)
        if values.size >= _FEWEST:
            mixed = chance.permutation(values.ravel()).reshape(values.shape)
            tensor.CopyFrom(numpy_helper.from_array(mixed, tensor.name))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "shuffled.onnx"
        path.write_bytes(proto.SerializeToString())
        return load_file(path, threads=1)
