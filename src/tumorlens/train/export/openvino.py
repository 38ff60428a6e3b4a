"""OpenVINO's own format: a graph (``.xml``) with its weights beside it (``.bin``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tumorlens.errors import MissingExtra, ModelCorrupt, ModelIncompatible, ModelNotFound
from tumorlens.model.format import INPUT_NAME, METADATA_KEY, ModelMetadata
from tumorlens.model.run import RawOutputs, first_line

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from tumorlens.model.run import Model

EXACT: dict[str, str | int] = {"INFERENCE_PRECISION_HINT": "f32"}
"""Where a processor has bfloat16, OpenVINO computes in it unless it is told not to; probabilities
then move by up to a tenth."""


def save_openvino(model: Model, target: Path) -> None:
    """Write a model as OpenVINO IR, its metadata inside.

    OpenVINO's own converter is not used: it reports its use over the network.

    Args:
        model: The model.
        target: The ``.xml`` file; the weights go into the ``.bin`` file of the same name.

    Raises:
        MissingExtra: OpenVINO is not installed.
        ModelIncompatible: OpenVINO cannot read the model.
    """
    openvino = _library()
    try:
        network = openvino.Core().read_model(model.path)
        network.set_rt_info(model.metadata.model_dump_json(), [METADATA_KEY])
        openvino.save_model(network, target, compress_to_fp16=False)
    except RuntimeError as error:
        msg = f"{model.path}: OpenVINO cannot take it: {first_line(error)}"
        raise ModelIncompatible(msg) from error


class OpenVinoModel:
    """A written model, run by OpenVINO.

    Args:
        path: The ``.xml`` file.
        threads: That one run may use; as many as OpenVINO wants if None.
        settings: Of OpenVINO; 32-bit float unless they say otherwise.

    Raises:
        MissingExtra: OpenVINO is not installed.
        ModelNotFound: No such file.
        ModelCorrupt: It is not one that `save_openvino` wrote.
    """

    def __init__(
        self,
        path: Path,
        *,
        threads: int | None = None,
        settings: Mapping[str, str | int] = EXACT,
    ) -> None:
        if not path.is_file():
            msg = f"{path} does not exist: name the .xml file of an OpenVINO model."
            raise ModelNotFound(msg)
        openvino = _library()
        chosen = dict(settings)
        if threads is not None:
            chosen["INFERENCE_NUM_THREADS"] = threads
        core = openvino.Core()
        try:
            network = core.read_model(path)
            text = network.get_rt_info([METADATA_KEY]).astype(str)
            self.metadata = ModelMetadata.model_validate_json(text)
            self._compiled = core.compile_model(network, "CPU", chosen)
        except (RuntimeError, ValueError) as error:
            msg = f"{path}: not a model that TumorLens exported to OpenVINO ({first_line(error)})"
            raise ModelCorrupt(msg) from error

    def run(self, batch: NDArray[np.float32]) -> RawOutputs:
        """Run the network once on float32 (N, channels, H, W)."""
        given = self._compiled({INPUT_NAME: batch})
        values = {output.get_any_name(): given[output] for output in self._compiled.outputs}
        return RawOutputs(**values)


def _library() -> Any:
    try:
        import openvino
    except ModuleNotFoundError:
        extra = "openvino"
        raise MissingExtra(extra, "OpenVINO") from None
    return openvino
