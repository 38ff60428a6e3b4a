"""Keras models of the shapes that people train, written by Keras itself."""

import importlib
import warnings

import numpy as np
import pytest

SIDE = 64


@pytest.fixture(scope="session")
def keras():
    pytest.importorskip("keras", reason="keras is not installed", exc_type=ImportError)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("keras")


@pytest.fixture(autouse=True)
def read_here(monkeypatch):
    """Read files in this process, which is quicker; a class tests the other one by itself."""
    from tumorlens.train.keras import saved, tree

    monkeypatch.setattr(saved, "read_apart", tree.read_tree)


def shake(model, seed=0):
    """Weights as after a training, so that answers differ from picture to picture."""
    chance = np.random.default_rng(seed)
    for variable in model.weights:
        shape = variable.shape
        if variable.path.endswith(("gamma", "moving_variance")):
            value = chance.uniform(0.6, 1.5, shape)
        elif len(shape) == 1:
            value = chance.normal(0, 0.2, shape)
        else:  # what keeps the spread of values from layer to layer
            depthwise = len(shape) == 4 and shape[-1] == 1
            inputs = np.prod(shape[:2] if depthwise else shape[:-1])
            value = chance.normal(0, np.sqrt(2 / inputs), shape)
        variable.assign(value.astype(np.float32))
    return model


def save(model, path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras thinks little of .h5
        model.save(str(path))
    return path


def _mobilenetv2_sigmoid(keras):
    """A functional MobileNetV2 with a nested backbone, as in Keras' own transfer-learning guide."""
    image = keras.Input((SIDE, SIDE, 3))
    base = keras.applications.MobileNetV2(
        include_top=False, weights=None, input_shape=(SIDE, SIDE, 3), alpha=0.35
    )
    base.trainable = False
    x = base(image, training=False)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dropout(0.3)(x)
    return keras.Model(image, keras.layers.Dense(1, activation="sigmoid")(x))


def _mobilenet_flatten(keras):
    """A MobileNet whose layers are the model's own, and a Flatten head."""
    base = keras.applications.MobileNet(
        include_top=False, weights=None, input_shape=(SIDE, SIDE, 3), alpha=0.25
    )
    x = keras.layers.Flatten()(base.output)
    return keras.Model(base.input, keras.layers.Dense(1, activation="sigmoid")(x))


def _sequential_cnn(keras):
    """Everything that plain networks are made of, between a Rescaling and a softmax of four."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 3)),
            layers.Rescaling(1 / 255),
            layers.RandomFlip("horizontal"),
            layers.Conv2D(8, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Conv2D(12, 5, strides=2, padding="same"),
            layers.LeakyReLU(negative_slope=0.1),
            layers.AveragePooling2D(padding="same", pool_size=3, strides=1),
            layers.SeparableConv2D(16, 3, padding="same", activation="swish"),
            layers.ZeroPadding2D(1),
            layers.Dropout(0.25),
            layers.Flatten(),
            layers.Dense(32, activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.5),
            layers.Dense(4, activation="softmax"),
        ]
    )


def _vgg16_nested(keras):
    """VGG16 as a layer of a Sequential, with hidden layers."""
    return keras.Sequential(
        [
            keras.applications.VGG16(include_top=False, weights=None, input_shape=(32, 32, 3)),
            keras.layers.Flatten(),
            keras.layers.Dense(16, activation="relu"),
            keras.layers.Dense(4),
            keras.layers.Activation("softmax"),
        ]
    )


SHAPES = {
    "mobilenetv2-sigmoid": _mobilenetv2_sigmoid,
    "mobilenet-flatten": _mobilenet_flatten,
    "sequential-cnn": _sequential_cnn,
    "vgg16-nested": _vgg16_nested,
}


@pytest.fixture(scope="session")
def models(keras):
    """Name of a shape → its Keras model."""
    return {name: shake(make(keras)) for name, make in SHAPES.items()}
