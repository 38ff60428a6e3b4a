"""If these fail, a model file of some architecture answers otherwise than the trained network."""

import numpy as np
import pytest

from tests.train.export.conftest import CNN, KINDS, make_run
from tumorlens.errors import ModelCorrupt, RecipeError
from tumorlens.model.load import load_file
from tumorlens.train.export.compare import drawn_images
from tumorlens.train.export.convert import export
from tumorlens.train.export.network import assemble

TWO = ("no_tumor", "tumor")
NETWORKS = {
    "CNN, flattened, hidden layer": ("cnn-4class", KINDS, CNN),
    "CNN of three channels, average, sigmoid": (
        "cnn-binary",
        TWO,
        (*CNN, "network.pooling='average'", "network.dense=[]", "input.channels=3"),
    ),
    "MobileNet, flattened, sigmoid": ("mobilenet-binary", TWO, ()),
    "MobileNetV2, average, hidden layer": ("mobilenetv2-4class-frozen", KINDS, ()),
    "VGG16, flattened, hidden layer": ("vgg16-4class", KINDS, ("network.dense=[16]",)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_file_answers_as_the_network(name, drawn_root, tmp_path):
    recipe, classes, settings = NETWORKS[name]
    run = make_run(tmp_path / "run", drawn_root, recipe, classes, settings)
    found = export(run.folder, tmp_path / "x.onnx")
    assert max(found.differences.by_output.values()) < 1e-4
    model = load_file(found.path)
    images = drawn_images(model.metadata.input)
    outputs = model.run(images)
    logits = outputs.heatmap.mean(axis=(2, 3))
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected = powers / powers.sum(axis=1, keepdims=True)
    assert np.allclose(outputs.probabilities, expected, atol=1e-4)
    assert np.allclose(model.run(images[:1]).probabilities, outputs.probabilities[:1], atol=1e-5)


def test_weights_of_another_network_are_named_as_damage(cnn_run, drawn_root, tmp_path):
    other = make_run(tmp_path / "run", drawn_root, settings=(*CNN, "network.dense=[7]"))
    other.weights.write_bytes(cnn_run.weights.read_bytes())
    with pytest.raises(ModelCorrupt, match=r"weights\.pt: it is damaged"):
        assemble(other)


def test_what_was_there_stays_where_an_export_fails(cnn_run, tmp_path):
    target = tmp_path / "x.onnx"
    target.write_bytes(b"precious")
    with pytest.raises(RecipeError):
        export(tmp_path, target)
    assert target.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [target]
