"""A trained classifier becomes a Keras model, compared with the network that it came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from tumorlens.errors import RecipeError
from tumorlens.train.architectures.spec import Architecture, Normalisation
from tumorlens.train.architectures.vgg16 import MEANS_BGR
from tumorlens.train.export.compare import SAME_GRAPH, Differences, drawn_images
from tumorlens.train.export.network import ExportedClassifier, assemble
from tumorlens.train.keras.fill import take
from tumorlens.train.keras.whole import import_keras, quiet_keras

if TYPE_CHECKING:
    from pathlib import Path

    from tumorlens.model.format import ModelMetadata
    from tumorlens.train.architectures.classifier import Classifier
    from tumorlens.train.architectures.cnn import CNN
    from tumorlens.train.run import Run

SUFFIXES = (".keras", ".h5")
BYTE_RANGE = 255.0
"""Keras' pictures have values from 0 to 255; the model brings them to what its layers want."""


def to_keras(run: Run, metadata: ModelMetadata, target: Path) -> Differences:
    """Write the network of a finished run as a Keras model.

    Args:
        run: The run, of a MobileNet, a MobileNetV2, a VGG16 or a plain CNN.
        metadata: Of its model file.
        target: The ``.keras`` or ``.h5`` file to write.

    Returns:
        How far its probabilities are from the network's.

    Raises:
        RecipeError: The run is not finished, trained something else, or the file ends otherwise.
        ModelIncompatible: The Keras model does not give what the network gives.
        MissingExtra: Keras is not installed.
    """
    exported = assemble(run)
    if not isinstance(exported, ExportedClassifier):
        msg = f"{run.recipe.name} has no form in Keras; export it to onnx, openvino or safetensors"
        raise RecipeError(msg)
    return write_keras(exported.network, exported.temperature, metadata, target)


def write_keras(
    network: Classifier, temperature: float, metadata: ModelMetadata, target: Path
) -> Differences:
    """Write a network as a Keras model of pictures with values from 0 to 255.

    The model is made of Keras' own layers, with its own names, and gives calibrated
    probabilities: the temperature is a part of the last layer's weights. Heatmap, novelty and
    thresholds have no place in it.

    Args:
        network: In inference mode.
        temperature: What its logits are divided by.
        metadata: Names the model, and says what it is compared on.
        target: The ``.keras`` or ``.h5`` file to write.

    Returns:
        How far its probabilities are from the network's.

    Raises:
        RecipeError: The file ends otherwise.
        ModelIncompatible: The Keras model does not give what the network gives.
        MissingExtra: Keras is not installed.
    """
    if target.suffix not in SUFFIXES:
        msg = f"{target}: a Keras file ends in {' or '.join(SUFFIXES)}"
        raise RecipeError(msg)
    keras = import_keras("Exporting to Keras")
    with quiet_keras():
        model = _model(keras, network, temperature, metadata.name)
        model.save(str(target))
        loaded = keras.saving.load_model(str(target), compile=False)
    return _compare(loaded, network, temperature, drawn_images(metadata.input))


def _model(keras: Any, network: Classifier, temperature: float, name: str) -> Any:
    layers = keras.layers
    image = keras.Input((network.height, network.width, 3), name="image")
    scale, offset = _rescaling(network)
    x = layers.Rescaling(scale, offset, name="rescaling")(image)
    x = _backbone(keras, network)(x)
    flatten = network.spec.pooling == "flatten"
    x = layers.Flatten()(x) if flatten else layers.GlobalAveragePooling2D()(x)
    for number, hidden in enumerate(network.hidden):
        x = layers.Dropout(network.spec.dropout)(x)
        dense = layers.Dense(hidden.out_features, activation="relu", name=f"hidden_{number}")
        x = dense(x)
        dense.set_weights(take(hidden))
    x = layers.Dropout(network.spec.dropout)(x)
    last = layers.Dense(
        network.predictions.out_features, activation=network.spec.output, name="predictions"
    )
    x = last(x)
    last.set_weights([array / temperature for array in take(network.predictions)])
    return keras.Model(image, x, name=name.replace("-", "_").replace(".", "_"))


def _rescaling(network: Classifier) -> tuple[float, Any]:
    """Scale and offset that make of 0 to 255 what the feature extractor is fed."""
    spec = network.spec
    if spec.normalisation is Normalisation.UNIT or spec.architecture is Architecture.CNN:
        return 1 / BYTE_RANGE, 0.0
    if spec.architecture is Architecture.VGG16:
        # Red first: its first layer's kernel is turned instead of the picture, see `_backbone`.
        return 1.0, [-mean for mean in reversed(MEANS_BGR)]
    return 2 / BYTE_RANGE, -1.0


def _backbone(keras: Any, network: Classifier) -> Any:
    """Keras' own feature extractor with the network's weights."""
    spec, shape = network.spec, (network.height, network.width, 3)
    makers = {
        Architecture.MOBILENET: "MobileNet",
        Architecture.MOBILENETV2: "MobileNetV2",
        Architecture.VGG16: "VGG16",
    }
    if spec.architecture is Architecture.CNN:
        model = _cnn(keras, network.backbone, shape)  # type: ignore[arg-type]
    else:
        maker = getattr(keras.applications, makers[spec.architecture])
        model = maker(include_top=False, weights=None, input_shape=shape)
    for name, module in network.backbone.named_children():
        arrays = take(module)
        turned = spec.architecture is Architecture.VGG16 and name == "block1_conv1"
        if turned and spec.normalisation is Normalisation.OWN:
            arrays[0] = arrays[0][:, :, ::-1]  # from blue, green, red to red, green, blue
        model.get_layer(name).set_weights(arrays)
    return model


def _cnn(keras: Any, network: CNN, shape: tuple[int, int, int]) -> Any:
    layers = keras.layers
    image = x = keras.Input(shape)
    for spec, names in zip(network.specs, network.stages, strict=True):
        x = layers.Conv2D(spec.filters, spec.kernel, padding="same", name=names[0])(x)
        if spec.batch_norm:
            x = layers.BatchNormalization(name=names[1])(x)
        x = layers.ReLU()(x)
        x = layers.MaxPooling2D(2)(x)
        x = layers.Dropout(spec.dropout)(x)
    return keras.Model(image, x, name="cnn")


def _compare(model: Any, network: Classifier, temperature: float, images: Any) -> Differences:
    """Run both on the same pictures.

    Raises:
        ModelIncompatible: They differ.
    """
    picture = np.broadcast_to(images, (len(images), 3, *images.shape[2:])).transpose(0, 2, 3, 1)
    with torch.inference_mode():
        logits = network(torch.from_numpy(images))
        wanted = torch.softmax(logits / temperature, dim=1).numpy()
        given = model(torch.from_numpy(picture * BYTE_RANGE), training=False).cpu().numpy()
    if given.shape[1] == 1:
        given = np.concatenate([1 - given, given], axis=1)
    found = Differences({"probabilities": float(np.abs(given - wanted).max())})
    found.require(SAME_GRAPH, "the Keras model")
    return found
