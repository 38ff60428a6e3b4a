"""If these fail, a file from the internet runs code, fills the memory, or ends in a traceback."""

import io
import json
import os
import pickle
import zipfile

import h5py
import numpy as np
import pytest

from tests.train.keras.conftest import save
from tumorlens.errors import ModelCorrupt, ModelError, ModelIncompatible, ModelNotFound
from tumorlens.train.keras import apart, saved, tree
from tumorlens.train.keras.importing import Wishes, read_model
from tumorlens.train.keras.saved import read_saved

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"  # Keras' own, with this NumPy
)

DENSE = {"class_name": "Dense", "config": {"name": "d", "units": 2, "activation": "softmax"}}
GAP = {"class_name": "GlobalAveragePooling2D", "config": {"name": "g"}}
LAMBDA = {"class_name": "Lambda", "config": {"name": "l", "function": ["4wEAAAA=", None, None]}}
INPUT = {"class_name": "InputLayer", "config": {"name": "i", "batch_shape": [None, 32, 32, 3]}}


def h5(path, *layers, kernel=(3, 2), config=None):
    """A small Sequential in Keras' legacy layout, as it is or as someone changed it."""
    if config is None:
        config = {"class_name": "Sequential", "config": {"name": "s", "layers": list(layers)}}
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(config)
        weights = file.create_group("model_weights")
        names = [layer["config"]["name"] for layer in layers]
        weights.attrs["layer_names"] = names
        for name in names:
            group = weights.create_group(name)
            group.attrs["weight_names"] = [f"{name}/kernel:0", f"{name}/bias:0"] * (name == "d")
        if "d" in names:
            weights["d/d/kernel:0"] = np.ones(kernel, np.float32)
            weights["d/d/bias:0"] = np.zeros(kernel[1], np.float32)
    return path


def refused(path, match, wishes=None, error=ModelError):
    with pytest.raises(error, match=match) as caught:
        read_model(path, wishes or Wishes())
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_the_small_file_that_the_others_are_made_of_is_read(tmp_path):
    assert read_model(h5(tmp_path / "m.h5", INPUT, GAP, DENSE), Wishes()).metadata.name == "m"


class TestDamage:
    def test_a_file_that_is_cut_off_anywhere(self, tmp_path):
        whole = h5(tmp_path / "m.h5", INPUT, GAP, DENSE).read_bytes()
        for share in (0.02, 0.3, 0.6, 0.95):
            path = tmp_path / f"{share}.h5"
            path.write_bytes(whole[: int(len(whole) * share)])
            refused(path, "cut off|not a Keras model|no layers", error=ModelCorrupt)

    def test_a_keras_zip_that_is_cut_off(self, models, tmp_path):
        path = save(models["mobilenet-flatten"], tmp_path / "m.keras")
        path.write_bytes(path.read_bytes()[:5000])
        refused(path, "cut off", error=ModelCorrupt)

    @pytest.mark.parametrize("content", [b"", b"text", b"\x89HDF\r\n\x1a\n", b"PK\x03\x04"])
    def test_what_is_no_model(self, tmp_path, content):
        (tmp_path / "m.h5").write_bytes(content)
        refused(tmp_path / "m.h5", "cut off|not a Keras model", error=ModelCorrupt)

    def test_no_file_and_a_folder(self, tmp_path):
        refused(tmp_path / "gone.h5", "no such file", error=ModelNotFound)
        refused(tmp_path, "SavedModel", error=ModelIncompatible)

    def test_hdf5_that_is_no_model(self, tmp_path):
        with h5py.File(tmp_path / "m.h5", "w") as file:
            file["data"] = np.zeros(3)
        refused(tmp_path / "m.h5", "not one of a Keras model", error=ModelCorrupt)

    def test_weights_that_are_missing_or_of_another_shape_name_the_layer(self, tmp_path):
        path = h5(tmp_path / "m.h5", INPUT, GAP, DENSE, kernel=(5, 2))
        refused(path, r"layer d \(Dense\).*\(2, 5\)", error=ModelCorrupt)
        with h5py.File(path, "r+") as file:
            del file["model_weights/d/d/bias:0"]
        refused(path, "d lists a weight", error=ModelCorrupt)

    @pytest.mark.parametrize(
        "config",
        [
            [],
            {"class_name": "Sequential"},
            {"class_name": "Sequential", "config": {"layers": [3]}},
            {"class_name": "Sequential", "config": {"layers": [{"class_name": "Dense"}]}},
            {"class_name": "Functional", "config": {"layers": [], "input_layers": []}},
        ],
    )
    def test_a_configuration_that_makes_no_sense(self, tmp_path, config):
        path = h5(tmp_path / "m.h5", INPUT, GAP, DENSE, config=config)
        refused(path, "configuration|model has 0 inputs", error=ModelError)

    def test_layers_that_wait_for_each_other(self, tmp_path):
        def layer(name, source):
            tensor = [[source, 0, 0, {}]]
            config = {"name": name, "target_shape": [2]}
            return {
                "class_name": "Dropout", "name": name, "config": config, "inbound_nodes": [tensor]
            }  # fmt: skip

        first = {**INPUT, "name": "i", "inbound_nodes": []}
        layers = [first, layer("a", "b"), layer("b", "a")]
        ends = {"input_layers": [["i", 0, 0]], "output_layers": [["a", 0, 0]]}
        config = {"class_name": "Functional", "config": {"layers": layers, **ends}}
        refused(h5(tmp_path / "m.h5", config=config), "wait for each other", error=ModelCorrupt)

    def test_models_within_each_other_without_end(self, tmp_path):
        layers = [GAP]
        for depth in range(300):
            layers = [
                {"class_name": "Sequential", "config": {"name": f"s{depth}", "layers": layers}}
            ]
        path = h5(tmp_path / "m.h5", config={"class_name": "Sequential", "config": layers})
        refused(path, "more than 20 deep", error=ModelCorrupt)


class TestReadingApart:
    """HDF5 itself may hang or crash on a damaged file; the program may not."""

    @pytest.fixture(autouse=True)
    def in_another_process(self, monkeypatch):
        monkeypatch.setattr(saved, "read_apart", apart.read_apart)

    def test_a_sound_file_is_read_whole(self, tmp_path):
        path = h5(tmp_path / "m.h5", INPUT, GAP, DENSE)
        here, there = tree.read_tree(path.read_bytes(), path), read_saved(path).weights
        assert there.texts == here.groups["model_weights"].texts
        kernel = here.groups["model_weights"].at("d/d/kernel:0")
        assert np.array_equal(there.at("d/d/kernel:0"), kernel)

    def test_a_file_that_hdf5_reads_for_ever_is_given_up(self, tmp_path, monkeypatch):
        path = h5(tmp_path / "m.h5", INPUT, GAP, DENSE)
        content = bytearray(path.read_bytes())
        heap = content.index(b"GCOL")  # where texts lie; an object's size of almost 2**64
        content[heap + 24 : heap + 32] = (2**64 - 16).to_bytes(8, "little")
        path.write_bytes(content)
        monkeypatch.setattr(apart, "LIMIT_S", 5)
        refused(path, "HDF5", error=ModelCorrupt)

    def test_a_reader_that_dies_takes_nothing_with_it(self, tmp_path, monkeypatch):
        monkeypatch.setattr(apart, "_PROGRAM", "import os; os.abort()")
        refused(h5(tmp_path / "m.h5", INPUT, GAP, DENSE), "crashes", error=ModelCorrupt)

    def test_what_it_refuses_is_told(self, tmp_path):
        path = h5(tmp_path / "m.h5", INPUT, GAP, DENSE)
        path.write_bytes(path.read_bytes()[:1500])
        refused(path, "cut off", error=ModelCorrupt)


class TestCode:
    def test_a_lambda_layer_is_not_run_and_the_way_out_is_told(self, tmp_path):
        path = h5(tmp_path / "m.h5", INPUT, LAMBDA, GAP, DENSE)
        refused(path, r"layer l \(Lambda\).*--allow-code", error=ModelIncompatible)

    def test_a_lambda_within_a_nested_model_is_found(self, tmp_path):
        nested = {"class_name": "Sequential", "config": {"name": "n", "layers": [LAMBDA]}}
        path = h5(tmp_path / "m.h5", INPUT, nested, GAP, DENSE)
        refused(path, "Lambda", error=ModelIncompatible)

    def test_a_lambda_of_keras_is_run_only_when_it_is_allowed(self, keras, tmp_path):
        model = keras.Sequential(
            [
                keras.Input((32, 32, 3)),
                keras.layers.Lambda(lambda x: x * 2),
                keras.layers.GlobalAveragePooling2D(),
                keras.layers.Dense(2, activation="softmax"),
            ]
        )
        path = save(model, tmp_path / "m.keras")
        refused(path, "--allow-code", error=ModelIncompatible)
        found = read_model(path, Wishes(allow_code=True))
        assert any("Lambda" in note for note in found.notes)

    def test_a_class_of_the_authors_own_is_named(self, tmp_path):
        own = {
            "class_name": "MyAttention", "config": {"name": "a"}, "module": "os",
            "registered_name": "system",
        }  # fmt: skip
        path = h5(tmp_path / "m.h5", INPUT, own, GAP, DENSE)
        refused(path, r"layer a \(MyAttention\).*cannot load it either", error=ModelIncompatible)
        config = {"class_name": "MyModel", "config": {}}
        path = h5(tmp_path / "n.h5", INPUT, GAP, DENSE, config=config)
        refused(path, "MyModel, a class of its author's own", error=ModelIncompatible)

    def test_a_pickle_is_not_opened(self, tmp_path):
        class Trap:
            def __reduce__(self):
                return os.mkdir, (str(tmp_path / "sprung"),)

        (tmp_path / "m.joblib").write_bytes(pickle.dumps(Trap()))
        refused(tmp_path / "m.joblib", r"pickle .*model\.save", error=ModelIncompatible)
        with zipfile.ZipFile(tmp_path / "m.pt", "w") as archive:
            archive.writestr("archive/data.pkl", pickle.dumps(Trap()))
        refused(tmp_path / "m.pt", "pickle", error=ModelIncompatible)
        assert not (tmp_path / "sprung").exists()


class TestSize:
    def zipped(self, path, members):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        return path

    def test_a_zip_bomb_is_not_unpacked(self, tmp_path):
        bomb = {"config.json": "{}", "model.weights.h5": bytes(50_000_000)}
        refused(self.zipped(tmp_path / "m.keras", bomb), "would unpack to 50,000,000 bytes")

    @pytest.mark.parametrize("name", ["../evil.h5", "/etc/evil", "a/../../evil", "..\\evil"])
    def test_names_that_point_outside_are_refused(self, tmp_path, name):
        members = {"config.json": "{}", "model.weights.h5": b"", name: b"x"}
        refused(self.zipped(tmp_path / "m.keras", members), "points outside")

    def test_another_zip_is_told_from_a_keras_file(self, tmp_path):
        refused(self.zipped(tmp_path / "m.zip", {"a.txt": "x"}), r"not a \.keras file")

    def test_an_array_that_claims_more_than_the_file_has_is_not_made(self, tmp_path):
        path = h5(tmp_path / "m.h5", INPUT, GAP, DENSE)
        with h5py.File(path, "r+") as file:
            group = file["model_weights/d"]
            group.create_dataset("big", (50_000, 50_000), "f4", chunks=(100, 100))
        refused(path, "far larger than the file", error=ModelCorrupt)

    def test_settings_that_claim_memory_are_refused_before_it_is_taken(self, tmp_path):
        units = {**DENSE, "config": {**DENSE["config"], "units": 10**12}}
        refused(h5(tmp_path / "m.h5", INPUT, GAP, units), r"layer d \(Dense\)")
        zeros = {"class_name": "ZeroPadding2D", "config": {"name": "z", "padding": 10**9}}
        refused(h5(tmp_path / "n.h5", INPUT, zeros, GAP, DENSE), r"layer z \(ZeroPadding2D\)")

    @pytest.mark.parametrize("link", [h5py.ExternalLink("/etc/passwd", "/"), h5py.SoftLink("/")])
    def test_links_are_not_followed(self, tmp_path, link):
        path = h5(tmp_path / "m.h5", INPUT, GAP, DENSE)
        with h5py.File(path, "r+") as file:
            file["model_weights/other"] = link
        refused(path, "points somewhere else", error=ModelCorrupt)

    def test_a_group_within_itself_is_not_followed_for_ever(self, tmp_path):
        path = h5(tmp_path / "m.h5", INPUT, GAP, DENSE)
        with h5py.File(path, "r+") as file:
            file["model_weights/loop"] = file["model_weights"]
        refused(path, "never end", error=ModelCorrupt)

    def test_arrays_in_other_files_are_not_read(self, tmp_path):
        secret = tmp_path / "secret"
        secret.write_bytes(bytes(400))
        path = h5(tmp_path / "m.h5", INPUT, GAP, DENSE)
        with h5py.File(path, "r+") as file:
            file.create_dataset("far", (100,), "f4", external=[(str(secret), 0, 400)])
        refused(path, "lies in another file", error=ModelCorrupt)


def test_a_channels_first_model_says_which_layer(tmp_path):
    config = {"name": "g", "data_format": "channels_first"}
    path = h5(tmp_path / "m.h5", INPUT, {**GAP, "config": config}, DENSE)
    refused(path, r"layer g \(Glob.*channels_first", error=ModelIncompatible)


def test_reading_a_file_needs_no_keras(models, tmp_path, monkeypatch):
    path = save(models["mobilenet-flatten"], tmp_path / "m.keras")
    monkeypatch.setitem(__import__("sys").modules, "keras", None)
    assert read_model(path, Wishes()).metadata.classes == ("no", "yes")
    assert read_saved(path).config is not None


def test_a_layer_of_keras_without_keras_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "keras", None)
    own = {"class_name": "UnitNormalization", "config": {"name": "u"}}
    path = h5(tmp_path / "m.h5", INPUT, own, GAP, DENSE)
    with pytest.raises(ModelIncompatible, match=r"UnitNormalization(.|\n)*tumorlens\[keras\]"):
        read_model(path, Wishes())


def test_keras_3_weights_of_an_old_layout_are_found_by_kind_and_order(models, tmp_path):
    path = save(models["sequential-cnn"], tmp_path / "m.keras")
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    stream = io.BytesIO(members["model.weights.h5"])
    with h5py.File(stream, "r+") as file:
        file.visititems(lambda _, item: item.attrs.pop("name", None) and None)
        file.move("layers", "_layer_checkpoint_dependencies")
    members["model.weights.h5"] = stream.getvalue()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    found = read_model(path, Wishes(classes=("a", "b", "no", "c")))
    from tests.train.keras.test_importing import check

    check(found, models["sequential-cnn"], factor=255)
