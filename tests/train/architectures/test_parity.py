"""If these fail, Keras' weights load wrongly and every model starts from a broken network."""

import os
from importlib.util import find_spec
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from tests.train.architectures.keras_features import (
    WEIGHTS,
    excerpt,
    fixed_image,
    keras_features,
    stored,
)
from tumorlens.train.architectures.mobilenet import MobileNet
from tumorlens.train.architectures.mobilenetv2 import MobileNetV2
from tumorlens.train.architectures.vgg16 import VGG16
from tumorlens.train.keras.fill import load_keras_weights, take

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"  # Keras' own, with this NumPy
)

BACKBONES = {"MobileNet": MobileNet, "MobileNetV2": MobileNetV2}


@pytest.fixture(scope="module", params=list(WEIGHTS))
def name(request):
    return request.param


@pytest.fixture(scope="module")
def weights(name):
    folder = os.environ.get("TUMORLENS_WEIGHTS")
    if not folder or not (Path(folder) / WEIGHTS[name]).is_file():
        pytest.skip(f"TUMORLENS_WEIGHTS names no folder with {WEIGHTS[name]}")
    return Path(folder) / WEIGHTS[name]


@pytest.fixture(scope="module")
def features(name, weights):
    network = BACKBONES[name]()
    load_keras_weights(network, weights)
    with torch.inference_mode():
        image = torch.from_numpy(fixed_image().transpose(2, 0, 1)[None])
        # In 64 bits, as Keras' are, so that no order of summation is compared.
        return network.double().eval()(image.double())[0].numpy().transpose(1, 2, 0)


def test_features_agree_with_what_keras_gave(name, features):
    assert np.abs(excerpt(features) - np.load(stored(name))).max() < 1e-4


def test_features_agree_with_keras_where_it_is_installed(name, features, weights):
    if find_spec("keras") is None:
        pytest.skip("keras is not installed")
    assert np.abs(features - keras_features(name, weights)).max() < 1e-4


@pytest.mark.parametrize(
    ("network", "count"),
    [(MobileNet, 3_228_864), (MobileNetV2, 2_257_984), (VGG16, 14_714_688)],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_it_has_as_many_parameters_as_keras_counts(network, count):
    made = network()
    statistics = sum(b.numel() for n, b in made.named_buffers() if "running" in n)
    assert sum(p.numel() for p in made.parameters()) + statistics == count


@pytest.mark.parametrize(
    ("architecture", "side"),
    [("MobileNet", 33), ("MobileNet", 64), ("MobileNetV2", 47), ("MobileNetV2", 64), ("VGG16", 33)],
)
def test_every_layer_pads_as_keras_does_for_any_size(architecture, side, tmp_path):
    keras = pytest.importorskip("keras", reason="keras is not installed", exc_type=ImportError)
    model = getattr(keras.applications, architecture)(
        include_top=False, weights=None, input_shape=(side, side, 3)
    )
    model.save_weights(str(tmp_path / "w.weights.h5"))
    network = {**BACKBONES, "VGG16": VGG16}[architecture]()
    load_keras_weights(network, tmp_path / "w.weights.h5")
    image = torch.rand(2, 3, side, side)
    wanted = model(image.permute(0, 2, 3, 1), training=False).permute(0, 3, 1, 2)
    with torch.inference_mode():
        given = network.eval()(image)
    assert given.shape == wanted.shape
    assert (given - wanted).abs().max() < 1e-4 * max(1e-3, wanted.abs().max().item())


def test_the_official_file_of_vgg16_loads_by_its_names(tmp_path):
    """Its arrays are called ``block1_conv1_W_1:0``, as a Keras of 2016 called them."""
    source, target = VGG16(), VGG16()
    layers = list(source.named_children())
    with h5py.File(tmp_path / "vgg16_notop.h5", "w") as file:
        file.attrs["layer_names"] = [b"input_1", *(name.encode() for name, _ in layers)]
        file.create_group("input_1").attrs["weight_names"] = np.array([], dtype="S1")
        for name, module in layers:
            group = file.create_group(name)
            arrays = take(module) if next(module.parameters(), None) is not None else []
            names = [f"{name}_{letter}_1:0" for letter, _ in zip("Wb", arrays, strict=False)]
            group.attrs["weight_names"] = np.array([each.encode() for each in names], dtype="S32")
            for each, array in zip(names, arrays, strict=True):
                group[each] = array
    load_keras_weights(target, tmp_path / "vgg16_notop.h5")
    for name, value in source.state_dict().items():
        assert torch.equal(target.state_dict()[name], value), name
