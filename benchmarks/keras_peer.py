"""The recipe ``mobilenetv2-binary`` in plain Keras, as its authors train it: a peer to time.

    python benchmarks/keras_peer.py ROOT MANIFEST WEIGHTS EPOCHS OUT.json

MobileNetV2 frozen, global average pooling, dropout 0.3, one sigmoid unit; Adam 1e-3, binary
cross-entropy, batches of 32, `ImageDataGenerator` on the fly. It learns from the manifest's folds 3
to 5 and validates on fold 2, from pictures that are read once, and writes the curves.
"""

from __future__ import annotations

import csv
import json
import os
import sys
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 224
BATCH = 32
TEST_FOLD, VALIDATION_FOLD = 1, 2


def main() -> None:
    """Train, and write the validation loss and accuracy of each epoch."""
    root, manifest, weights, epochs, out = sys.argv[1:]
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    keras.utils.set_random_seed(1)
    with Path(manifest).open(newline="", encoding="utf-8") as file:
        lines = [line for line in csv.DictReader(file) if int(line["fold"]) != TEST_FOLD]
    x, y = read(Path(root), [line for line in lines if int(line["fold"]) != VALIDATION_FOLD])
    held_out = read(Path(root), [line for line in lines if int(line["fold"]) == VALIDATION_FOLD])
    generator = ImageDataGenerator(
        rotation_range=15, width_shift_range=0.1, height_shift_range=0.1, shear_range=0.2,
        zoom_range=0.1, horizontal_flip=True, fill_mode="nearest",
    )  # fmt: skip
    base = keras.applications.MobileNetV2(
        include_top=False, weights=weights, input_shape=(SIDE, SIDE, 3)
    )
    base.trainable = False
    network = keras.Sequential(
        [
            base,
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    network.compile(
        optimizer=keras.optimizers.Adam(1e-3), loss="binary_crossentropy", metrics=["accuracy"]
    )
    told = network.fit(
        generator.flow(x, y, batch_size=BATCH, seed=1),
        validation_data=held_out,
        epochs=int(epochs),
        verbose=0,
    ).history
    curves = {"loss": told["val_loss"], "accuracy": told["val_accuracy"]}
    Path(out).write_text(json.dumps(curves), encoding="utf-8")


def read(root: Path, lines: list[dict[str, str]]) -> tuple[np.ndarray, np.ndarray]:
    """The pictures of some lines of a manifest in [-1, 1], and 1 where they show a tumor."""
    pictures = []
    for line in lines:
        with Image.open(root / line["name"]) as picture:
            resized = picture.convert("RGB").resize((SIDE, SIDE))
            pictures.append(np.asarray(resized, np.float32) / 127.5 - 1)
    labels = np.array([line["label"] != "no_tumor" for line in lines], np.float32)
    return np.stack(pictures), labels


if __name__ == "__main__":
    main()
