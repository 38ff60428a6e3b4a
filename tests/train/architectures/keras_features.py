"""What `keras.applications` gives for one fixed input; run as a program, it stores it.

KERAS_BACKEND=torch TUMORLENS_WEIGHTS=… python tests/train/architectures/keras_features.py
"""

import os
from pathlib import Path

import numpy as np

WEIGHTS = {
    "MobileNet": "mobilenet_1_0_224_tf_no_top.h5",
    "MobileNetV2": "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5",
}


def stored(name):
    """The file of the mean feature and of one row of features of an architecture."""
    return Path(__file__).with_name(f"{name.lower()}_features.npy")


def excerpt(features):
    """Of features (7, 7, F), what is stored: their mean and one row, (8, F)."""
    return np.concatenate([features.mean((0, 1))[None], features[3]]).astype(np.float32)


def fixed_image():
    """RGB (224, 224, 3) in [-1, 1]: waves, so that every channel and place differs."""
    y, x = np.mgrid[0:224, 0:224] / 223
    waves = [np.sin(9 * x + 4 * y), np.cos(7 * y - 3 * x), np.sin(15 * x * y)]
    return np.stack(waves, axis=-1).astype(np.float32)


def keras_features(name, weights: Path):
    """Features (7, 7, F) of the fixed image by Keras.

    Computed in 64 bits, so that what is compared with has no rounding of its own.
    """
    import keras

    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    try:
        network = getattr(keras.applications, name)(
            include_top=False, weights=str(weights), input_shape=(224, 224, 3)
        )
        return keras.ops.convert_to_numpy(network(fixed_image()[None]))[0]
    finally:
        keras.config.set_floatx(before)


if __name__ == "__main__":
    for architecture, file in WEIGHTS.items():
        found = keras_features(architecture, Path(os.environ["TUMORLENS_WEIGHTS"]) / file)
        np.save(stored(architecture), excerpt(found))
