"""The graph of a finished run, whichever method it followed: the one place that knows them all."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

    from tumorlens.train.export.network import Exportable
    from tumorlens.train.run import Run


def exportable(run: Run) -> tuple[Exportable, onnx.ModelProto]:
    """What a finished run computes, as a module in inference mode and as a graph.

    Raises:
        RecipeError: The run is not finished.
        ModelCorrupt: A file of the run is damaged.
        ModelIncompatible: PyTorch gives no graph.
    """
    # The methods are imported when they are needed: each brings libraries of its own.
    if run.recipe.classical is not None:
        from tumorlens.train.classical import export, pipeline

        classical = pipeline.assemble(run)
        return classical, export.to_onnx(classical, run.recipe.input)
    from tumorlens.train.export.network import assemble
    from tumorlens.train.export.onnx import to_onnx

    network = assemble(run)
    return network, to_onnx(network, run.recipe.input)
