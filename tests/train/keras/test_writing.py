"""If these fail, a model that is taken to Keras, or there and back, answers otherwise."""

import numpy as np
import pytest
import torch

from tests.train.keras.test_importing import keras_answers, pictures
from tumorlens.errors import RecipeError
from tumorlens.model.format import InputSpec, ModelMetadata
from tumorlens.train.architectures.classifier import build
from tumorlens.train.architectures.spec import NetworkSpec
from tumorlens.train.keras.importing import Wishes, read_model
from tumorlens.train.keras.writing import write_keras

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"  # Keras' own, with this NumPy
)

TEMPERATURE = 1.7
SIDE = 64
SPECS = {
    "mobilenetv2": NetworkSpec(architecture="mobilenetv2", output="sigmoid"),
    "mobilenet": NetworkSpec(
        architecture="mobilenet", pooling="flatten", output="sigmoid", normalisation="unit"
    ),
    "vgg16": NetworkSpec(architecture="vgg16", pooling="flatten", dense=(16,)),
    "cnn": NetworkSpec(
        architecture="cnn",
        stages=[{"filters": 8, "batch_norm": True, "dropout": 0.2}, {"filters": 12, "kernel": 4}],
        pooling="flatten",
        dense=(24, 8),
    ),
}


def network_of(spec, side=SIDE):
    """A network with statistics as after a training, so that answers differ."""
    torch.manual_seed(3)
    network = build(spec, 2 if spec.output == "sigmoid" else 3, InputSpec(height=side, width=side))
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight)
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.6, 1.5)
            torch.nn.init.normal_(module.bias, 0, 0.2)
            module.running_var.uniform_(0.6, 1.5)
    if spec.architecture == "vgg16":  # what it is fed is a hundred times larger
        network.predictions.weight.data *= 0.02
    return network.eval()


def metadata_of(spec, side=SIDE):
    classes = ("no", "yes") if spec.output == "sigmoid" else ("no", "a", "b")
    return ModelMetadata(
        name="my-model.v1",
        version="1",
        task="binary",
        classes=classes,
        positive=classes[1:],
        input=InputSpec(height=side, width=side),
        created="2026-01-01",
    )


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize("name", SPECS)
def test_there_and_back_is_the_identity(keras, name, suffix, tmp_path):
    spec = SPECS[name]
    side = 32 if name == "vgg16" else SIDE
    network, metadata = network_of(spec, side), metadata_of(spec, side)
    path = tmp_path / f"m{suffix}"
    found = write_keras(network, TEMPERATURE, metadata, path)
    assert found.by_output["probabilities"] < 1e-4
    images = torch.from_numpy(pictures(side))
    with torch.inference_mode():
        features = network.features(images)
        wanted = torch.softmax(network.classify(features) / TEMPERATURE, 1).numpy()
        maps = network.class_maps(features) / TEMPERATURE
    assert np.ptp(wanted[:, 0]) > 1e-3
    model = keras.saving.load_model(str(path), compile=False)
    assert np.abs(keras_answers(model, images.numpy(), 255) - wanted).max() < 1e-4
    back = read_model(path, Wishes(classes=metadata.classes))
    with torch.inference_mode():
        probabilities, heatmap, _ = back.module(images)
    assert np.abs(probabilities.numpy() - wanted).max() < 1e-4
    assert torch.allclose(heatmap, maps, atol=1e-3 * max(1, maps.abs().max().item()))


def test_a_keras_file_has_a_keras_ending(tmp_path):
    spec = SPECS["cnn"]
    with pytest.raises(RecipeError, match=r"ends in \.keras or \.h5"):
        write_keras(network_of(spec), 1.0, metadata_of(spec), tmp_path / "m.onnx")
