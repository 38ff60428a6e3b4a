"""A prediction service of the classic shape: Flask in front of a Keras model, run by ``app.run``.

    python benchmarks/flask_peer.py PORT

The same network as the bundled model, without its weights, which do not change how long it takes:
MobileNetV2, global average pooling, a dense layer of four classes, at 224 x 224.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import numpy as np
from PIL import Image

SIDE = 224
CLASSES = ("glioma", "meningioma", "no tumor", "pituitary")


def main() -> None:
    """Answer on a port of this machine until it is stopped."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import flask
    import keras

    shape = (SIDE, SIDE, 3)
    base = keras.applications.MobileNetV2(
        input_shape=shape, include_top=False, weights=None, pooling="avg"
    )
    network = keras.Sequential([base, keras.layers.Dense(len(CLASSES), activation="softmax")])
    app = flask.Flask(__name__)

    def predict() -> Any:
        picture = Image.open(flask.request.files["file"].stream).convert("RGB").resize((SIDE, SIDE))
        batch = np.asarray(picture, np.float32)[None] / 127.5 - 1
        shares = network.predict(batch, verbose=0)[0]
        best = int(np.argmax(shares))
        return flask.jsonify({"class": CLASSES[best], "confidence": float(shares[best])})

    app.add_url_rule("/predict", view_func=predict, methods=["POST"])
    app.add_url_rule("/", view_func=lambda: "ready", endpoint="ready")
    app.run(host="127.0.0.1", port=int(sys.argv[1]))


if __name__ == "__main__":
    main()
