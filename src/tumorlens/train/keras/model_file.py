"""An imported network becomes a model file, compared with the network before it is left."""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING

from tumorlens.errors import ModelIncompatible
from tumorlens.model.load import load_file
from tumorlens.train.export.compare import SAME_GRAPH, differences, drawn_images
from tumorlens.train.export.graph import with_metadata
from tumorlens.train.export.network import answers
from tumorlens.train.export.onnx import to_onnx
from tumorlens.train.export.place import made_beside

if TYPE_CHECKING:
    from pathlib import Path

    from tumorlens.train.keras.importing import Import


def write_model(found: Import, target: Path) -> None:
    """Write the model file of an imported network.

    1. Export the graph, weights inside, with its metadata.
    2. Run the file and the network on drawn heads; leave no file that differs.

    Args:
        found: What was read.
        target: The ``.onnx`` file to write.

    Raises:
        ModelIncompatible: PyTorch has no graph for it, or the file's answers are not the network's.
    """
    images = drawn_images(found.metadata.input)
    try:
        # PyTorch's exporter prints of its progress where it uses Keras' layers.
        with contextlib.redirect_stdout(io.StringIO()):
            content = with_metadata(to_onnx(found.module, found.metadata.input), found.metadata)
    except (RuntimeError, TypeError, ValueError) as error:
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        msg = (
            f"{found.metadata.name}: the network cannot be written as an ONNX graph ({reason}); "
            "replace the layers of its own kind by Keras' usual ones, and save it again"
        )
        raise ModelIncompatible(msg) from error
    with made_beside(target) as made:
        made.write_bytes(content)
        given = load_file(made).run(images)
        differences(given, answers(found.module, images)).require(SAME_GRAPH, str(target))
