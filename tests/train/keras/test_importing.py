"""If these fail, a user's own model answers otherwise here than where it was trained."""

import json

import h5py
import numpy as np
import pytest
import torch

from tests.train.keras.conftest import SHAPES, SIDE, save, shake
from tumorlens.errors import ModelIncompatible, RecipeError
from tumorlens.model.load import load_file
from tumorlens.train.keras.importing import Wishes, read_model
from tumorlens.train.keras.model_file import write_model
from tumorlens.train.keras.recognise import Range

FOUR = ("glioma", "meningioma", "no_tumor", "pituitary")
TOLERANCE = 1e-4

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"  # Keras' own, with this NumPy
)


def wishes_for(shape, **more):
    return Wishes(classes=FOUR if shape in {"sequential-cnn", "vgg16-nested"} else None, **more)


def pictures(side, channels=3):
    """(N, channels, H, W) in [0, 1], as unlike each other as can be."""
    noise = np.random.default_rng(1).random((4, channels, side, side), np.float32)
    ramp = np.linspace(0, 1, side, dtype=np.float32)
    noise[1] *= 0.02
    noise[2] = ramp
    noise[3] = np.where(ramp[:, None] > ramp, 0.9, 0.1)
    return noise


def keras_answers(model, images, factor=1.0):
    given = model(torch.from_numpy(images.transpose(0, 2, 3, 1) * factor), training=False)
    given = given.detach().numpy()
    return np.concatenate([1 - given, given], axis=1) if given.shape[1] == 1 else given


def check(found, model, factor=1.0, tolerance=TOLERANCE):
    images = pictures(found.metadata.input.height, found.metadata.input.channels)
    wanted = keras_answers(model, images, factor)
    with torch.inference_mode():
        probabilities, maps, novelty = found.module(torch.from_numpy(images))
    assert np.ptp(wanted[:, 0]) > 10 * tolerance, "answers that do not differ prove nothing"
    assert np.abs(probabilities.numpy() - wanted).max() < tolerance
    logits = maps.mean(dim=(2, 3))
    assert torch.allclose(torch.softmax(logits, 1), probabilities, atol=1e-4)
    assert not novelty.any()


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_model_file_answers_as_keras_does(models, shape, suffix, tmp_path):
    path = save(models[shape], tmp_path / f"My Model{suffix}")
    found = read_model(path, wishes_for(shape))
    check(found, models[shape], factor=255 if shape == "sequential-cnn" else 1)
    assert found.module.network.tells_where
    assert found.metadata.name == "my-model"
    assert found.metadata.recipe["imported_from"]["file"] == path.name


@pytest.mark.parametrize("shape", ["mobilenet-flatten", "sequential-cnn"])
def test_the_written_file_answers_as_keras_does(models, shape, tmp_path):
    found = read_model(save(models[shape], tmp_path / "m.keras"), wishes_for(shape))
    write_model(found, tmp_path / "m.onnx")
    model = load_file(tmp_path / "m.onnx")
    images = pictures(model.metadata.input.height)
    factor = 255 if shape == "sequential-cnn" else 1
    given, wanted = model.run(images), keras_answers(models[shape], images, factor)
    assert np.abs(given.probabilities - wanted).max() < TOLERANCE
    assert given.heatmap.shape[:2] == wanted.shape
    assert model.metadata.thresholds.novelty_rejected is None


class TestWhatItIsFed:
    def test_a_preprocessing_written_between_layers_is_honoured(self, keras, tmp_path):
        image = keras.Input((SIDE, SIDE, 3))
        x = keras.applications.mobilenet_v2.preprocess_input(image)
        x = keras.layers.Conv2D(8, 3, activation="relu")(x)
        x = keras.layers.GlobalAveragePooling2D()(x)
        model = shake(keras.Model(image, keras.layers.Dense(2, activation="softmax")(x)))
        found = read_model(save(model, tmp_path / "m.h5"), Wishes())
        check(found, model, factor=255)
        assert any("0 to 255" in note for note in found.notes)

    def test_without_a_word_it_is_0_to_1_and_that_is_said(self, models, tmp_path):
        found = read_model(save(models["mobilenet-flatten"], tmp_path / "m.h5"), Wishes())
        assert any("0 to 1" in note and "assumed" in note for note in found.notes)

    def test_the_range_of_mobilenet_is_minus_1_to_1(self, models, tmp_path):
        model = models["mobilenet-flatten"]
        found = read_model(save(model, tmp_path / "m.h5"), Wishes(values=Range.OWN))
        images = torch.from_numpy(pictures(SIDE))
        wanted = keras_answers(model, images.numpy() * 2 - 1)
        assert np.abs(found.module(images)[0].numpy() - wanted).max() < TOLERANCE

    def test_the_range_of_vgg16_is_what_its_preprocess_input_gives(self, keras, models, tmp_path):
        model = models["vgg16-nested"]
        path = save(model, tmp_path / "m.keras")
        found = read_model(path, wishes_for("vgg16-nested", values=Range.OWN))
        images = pictures(32)
        fed = keras.applications.vgg16.preprocess_input(images.transpose(0, 2, 3, 1) * 255)
        wanted = keras_answers(model, np.asarray(fed).transpose(0, 3, 1, 2))
        with torch.inference_mode():
            given = found.module(torch.from_numpy(images))[0].numpy()
        assert np.abs(given - wanted).max() < TOLERANCE

    def test_a_plain_network_has_no_range_of_its_own(self, models, tmp_path):
        path = save(models["sequential-cnn"], tmp_path / "m.h5")
        with pytest.raises(RecipeError, match="choose unit or 255"):
            read_model(path, wishes_for("sequential-cnn", values=Range.OWN))

    def test_grey_is_repeated_for_a_network_of_three_channels(self, models, tmp_path):
        found = read_model(save(models["mobilenet-flatten"], tmp_path / "m.h5"), Wishes())
        grey = torch.from_numpy(pictures(SIDE, 1))
        assert torch.equal(found.module(grey)[0], found.module(grey.repeat(1, 3, 1, 1))[0])

    def test_an_open_size_is_said_and_can_be_set(self, keras, tmp_path):
        model = keras.Sequential(
            [
                keras.Input((None, None, 1)),
                keras.layers.Conv2D(4, 3),
                keras.layers.GlobalMaxPooling2D(),
                keras.layers.Dense(1, activation="sigmoid"),
            ]
        )
        path = save(shake(model), tmp_path / "m.keras")
        found = read_model(path, Wishes(size=48))
        check(found, model)
        assert found.metadata.input.channels == 1
        assert any("48x48" in note for note in found.notes)
        with pytest.raises(RecipeError, match="--size 48"):
            read_model(save(_tiny(keras), tmp_path / "n.keras"), Wishes(size=48))


def _tiny(keras, *last):
    layers = [keras.Input((32, 32, 3)), keras.layers.Conv2D(4, 3), *last]
    if not last:
        layers += [keras.layers.Flatten(), keras.layers.Dense(2, activation="softmax")]
    return shake(keras.Sequential(layers))


class TestHeads:
    @pytest.mark.parametrize("activation", ["relu", "elu", "selu", "tanh", "gelu", "softplus"])
    def test_evidence_goes_back_through_any_activation(self, keras, activation, tmp_path):
        flatten, dense = keras.layers.Flatten(), keras.layers.Dense
        last = dense(3, activation="softmax")
        model = _tiny(keras, flatten, dense(8, activation=activation), last)
        found = read_model(save(model, tmp_path / "m.keras"), Wishes(classes=FOUR[1:]))
        check(found, model)

    def test_logits_without_an_activation_are_taken_as_such_and_said(self, keras, tmp_path):
        model = _tiny(keras, keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(1))
        found = read_model(save(model, tmp_path / "m.h5"), Wishes())
        images = pictures(32)
        logit = model(torch.from_numpy(images.transpose(0, 2, 3, 1))).detach()
        given = found.module(torch.from_numpy(images))[0][:, 1:]
        assert torch.allclose(given, torch.sigmoid(logit), atol=1e-5)
        assert any("logits" in note for note in found.notes)

    def test_several_sigmoids_are_divided_by_their_sum_and_said(self, keras, tmp_path):
        last = keras.layers.Dense(2, activation="sigmoid")
        model = _tiny(keras, keras.layers.GlobalAveragePooling2D(), last)
        found = read_model(save(model, tmp_path / "m.h5"), Wishes())
        images = pictures(32)
        wanted = keras_answers(model, images)
        given = found.module(torch.from_numpy(images))[0].numpy()
        assert np.abs(given - wanted / wanted.sum(1, keepdims=True)).max() < TOLERANCE
        assert any("divided by their sum" in note for note in found.notes)

    def test_keras_own_top_of_mobilenet_is_followed(self, keras, tmp_path):
        model = shake(
            keras.applications.MobileNet(
                weights=None, classes=2, alpha=0.25, input_shape=(SIDE, SIDE, 3)
            )
        )
        found = read_model(save(model, tmp_path / "m.keras"), Wishes())
        check(found, model)
        assert found.module.network.tells_where

    def test_two_poolings_joined_answer_with_an_even_heatmap_and_that_is_said(
        self, keras, tmp_path
    ):
        layers = keras.layers
        image = keras.Input((32, 32, 3))
        x = layers.Conv2D(4, 3)(image)
        both = layers.Concatenate()(
            [layers.GlobalAveragePooling2D()(x), layers.GlobalMaxPooling2D()(x)]
        )
        model = shake(keras.Model(image, layers.Dense(2, activation="softmax")(both)))
        found = read_model(save(model, tmp_path / "m.keras"), Wishes())
        check(found, model)
        assert any("does not tell where" in note for note in found.notes)

    def test_what_gives_no_answer_for_classes_is_refused(self, keras, tmp_path):
        path = save(_tiny(keras, keras.layers.MaxPooling2D()), tmp_path / "m.keras")
        with pytest.raises(ModelIncompatible, match=r"gives \(4, 15, 15\) for an image"):
            read_model(path, Wishes())
        last = keras.layers.Dense(2, activation="tanh")
        model = _tiny(keras, keras.layers.Flatten(), last)
        with pytest.raises(ModelIncompatible, match="does not give probabilities"):
            read_model(save(model, tmp_path / "n.keras"), Wishes())


class TestClasses:
    def test_two_are_no_and_yes_and_that_is_said(self, models, tmp_path):
        found = read_model(save(models["mobilenet-flatten"], tmp_path / "m.h5"), Wishes())
        assert found.metadata.classes == ("no", "yes")
        assert found.metadata.positive == ("yes",)
        assert any("no, yes" in note and "assumed" in note for note in found.notes)

    def test_more_must_be_named(self, models, tmp_path):
        path = save(models["sequential-cnn"], tmp_path / "m.h5")
        with pytest.raises(RecipeError, match="4 classes; name them with --classes"):
            read_model(path, Wishes())
        with pytest.raises(RecipeError, match="names 2"):
            read_model(path, Wishes(classes=("no", "yes")))

    @pytest.mark.parametrize("negative", ["no_tumor", "notumor", "No Tumor", "healthy", "normal"])
    def test_the_class_without_a_tumor_is_known_by_its_usual_names(
        self, models, negative, tmp_path
    ):
        path = save(models["sequential-cnn"], tmp_path / "m.h5")
        names = ("glioma", "meningioma", negative, "pituitary")
        found = read_model(path, Wishes(classes=names))
        assert found.metadata.positive == ("glioma", "meningioma", "pituitary")

    def test_names_that_do_not_tell_need_positive(self, models, tmp_path):
        path = save(models["mobilenet-flatten"], tmp_path / "m.h5")
        with pytest.raises(RecipeError, match="--positive"):
            read_model(path, Wishes(classes=("a", "b")))
        found = read_model(path, Wishes(classes=("a", "b"), positive=("a",)))
        assert found.metadata.positive == ("a",)
        with pytest.raises(RecipeError, match="do not exist"):
            read_model(path, Wishes(classes=("a", "b"), positive=("c",)))


class TestOldFiles:
    """What Keras 2 wrote differs in words; the same model is written in them here."""

    def rewrite(self, path, change):
        with h5py.File(path, "r+") as file:
            config = json.loads(file.attrs["model_config"])
            change(config)
            file.attrs["model_config"] = json.dumps(config).encode()
            names = file["model_weights"].attrs["layer_names"]
            file["model_weights"].attrs["layer_names"] = [np.bytes_(name) for name in names]

    def old_layer(self, layer):
        config = layer["config"]
        config["dtype"] = "float32"
        if "batch_shape" in config:
            config["batch_input_shape"] = config.pop("batch_shape")
        if layer["class_name"] == "DepthwiseConv2D":
            config["groups"] = 1
        if layer["class_name"] == "BatchNormalization":
            config["axis"] = [3]
        calls = []
        for call in layer.get("inbound_nodes", []):
            tensors = [a for arg in call["args"] for a in (arg if isinstance(arg, list) else [arg])]
            calls.append([[*t["config"]["keras_history"], {}] for t in tensors])
        if "inbound_nodes" in layer:
            layer["inbound_nodes"] = calls
        for inner in config.get("layers", []) if "layers" in config else []:
            self.old_layer(inner)
        self.old_ends(config)

    def old_ends(self, config):
        for key in ("input_layers", "output_layers"):
            if key in config:
                config[key] = [config[key]]

    @pytest.mark.parametrize("shape", ["mobilenetv2-sigmoid", "mobilenet-flatten"])
    def test_functional_models_of_keras_2_are_read(self, models, shape, tmp_path):
        path = save(models[shape], tmp_path / "m.h5")

        def change(model):
            model["class_name"] = "Model"
            for layer in model["config"]["layers"]:
                self.old_layer(layer)
            self.old_ends(model["config"])

        self.rewrite(path, change)
        check(read_model(path, Wishes()), models[shape])

    def test_a_sequential_without_an_input_layer_is_read(self, models, tmp_path):
        path = save(models["sequential-cnn"], tmp_path / "m.h5")

        def change(model):
            layers = model["config"].pop("layers")
            shape = layers.pop(0)["config"]["batch_shape"]
            layers[0]["config"]["batch_input_shape"] = shape
            model["config"] = layers

        self.rewrite(path, change)
        found = read_model(path, wishes_for("sequential-cnn"))
        check(found, models["sequential-cnn"], factor=255)

    def test_weights_of_a_nested_model_under_other_names_are_taken_in_order(self, models, tmp_path):
        path = save(models["mobilenetv2-sigmoid"], tmp_path / "m.h5")
        with h5py.File(path, "r+") as file:
            (group,) = (g for n, g in file["model_weights"].items() if n.startswith("mobilenetv2"))
            names = [
                name.decode() if isinstance(name, bytes) else name
                for name in group.attrs["weight_names"]
            ]
            for number, name in enumerate(names):
                group.move(name, f"w/{number}")
            group.attrs["weight_names"] = [f"w/{number}" for number in range(len(names))]
        check(read_model(path, Wishes()), models["mobilenetv2-sigmoid"])


class TestWhatIsNotKnownHere:
    def test_a_layer_that_keras_knows_is_computed_by_keras(self, keras, tmp_path):
        layers = keras.layers
        last = layers.Dense(2, activation="softmax")
        model = _tiny(keras, layers.UnitNormalization(), layers.GlobalAveragePooling2D(), last)
        found = read_model(save(model, tmp_path / "m.keras"), Wishes())
        check(found, model)
        assert any("UnitNormalization" in note for note in found.notes)
        write_model(found, tmp_path / "m.onnx")

    def test_a_model_that_cannot_be_followed_is_loaded_whole(self, keras, tmp_path):
        image = keras.Input((32, 32, 3))
        x = keras.layers.Conv2D(4, 3)(keras.ops.flip(image, axis=2))
        x = keras.layers.GlobalAveragePooling2D()(x)
        model = shake(keras.Model(image, keras.layers.Dense(2, activation="softmax")(x)))
        found = read_model(save(model, tmp_path / "m.keras"), Wishes())
        check(found, model)
        assert any("loaded whole by Keras" in note for note in found.notes)

    def test_weights_alone_of_a_known_architecture_are_rebuilt(self, keras, tmp_path):
        model = shake(
            keras.Sequential(
                [
                    keras.applications.MobileNetV2(
                        include_top=False, weights=None, input_shape=(64, 64, 3)
                    ),
                    keras.layers.Flatten(),
                    keras.layers.Dense(1, activation="sigmoid"),
                ]
            )
        )
        model.save_weights(str(tmp_path / "m.weights.h5"))
        found = read_model(tmp_path / "m.weights.h5", Wishes())
        check(found, model)
        assert any("rebuilt" in note and "64x64" in note for note in found.notes)

    def test_weights_alone_of_an_unknown_network_say_what_to_do(self, models, tmp_path):
        models["sequential-cnn"].save_weights(str(tmp_path / "m.weights.h5"))
        with pytest.raises(ModelIncompatible, match="Save the whole model"):
            read_model(tmp_path / "m.weights.h5", wishes_for("sequential-cnn"))
