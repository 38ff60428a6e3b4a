"""If these fail, a model exported for another library is wrong there, or cannot be read."""

import sys

import numpy as np
import pytest
import torch

from tumorlens.errors import MissingExtra, ModelCorrupt, ModelIncompatible, ModelNotFound
from tumorlens.train.export import convert as module
from tumorlens.train.export.compare import Tolerance, differences, drawn_images
from tumorlens.train.export.convert import convert, export_weights
from tumorlens.train.export.forms import Form
from tumorlens.train.export.network import answers, assemble
from tumorlens.train.export.openvino import OpenVinoModel
from tumorlens.train.export.safetensors import load_safetensors


class TestOpenVino:
    @pytest.fixture(scope="class")
    @staticmethod
    def written(cnn_model, tmp_path_factory):
        pytest.importorskip("openvino")
        return convert(cnn_model, tmp_path_factory.mktemp("ir") / "cnn.xml", Form.OPENVINO)

    def test_it_answers_as_the_model_file(self, cnn_model, written):
        image = np.random.default_rng(0).random((3, 1, 64, 64), np.float32)
        loaded = OpenVinoModel(written.path, threads=1)
        found = differences(loaded.run(image), cnn_model.run(image))
        assert max(found.by_output.values()) < 1e-4
        assert loaded.metadata == cnn_model.metadata

    def test_graph_and_weights_lie_side_by_side(self, written):
        files = sorted(file.name for file in written.path.parent.iterdir())
        assert files == ["cnn.bin", "cnn.xml"]
        assert written.size == sum(file.stat().st_size for file in written.path.parent.iterdir())

    def test_one_that_differs_is_not_left(self, cnn_model, tmp_path, monkeypatch):
        pytest.importorskip("openvino")
        monkeypatch.setattr(module, "SAME_GRAPH", Tolerance(-1.0, -1.0, -1.0))
        with pytest.raises(ModelIncompatible, match="no file was left"):
            convert(cnn_model, tmp_path / "x.xml", Form.OPENVINO)
        assert list(tmp_path.iterdir()) == []

    def test_other_files_are_refused(self, tmp_path):
        pytest.importorskip("openvino")
        with pytest.raises(ModelNotFound):
            OpenVinoModel(tmp_path / "gone.xml")
        (tmp_path / "x.xml").write_text("<net/>")
        with pytest.raises(ModelCorrupt, match="not a model that TumorLens exported"):
            OpenVinoModel(tmp_path / "x.xml")

    def test_without_the_library_the_extra_is_named(self, cnn_model, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "openvino", None)
        with pytest.raises(MissingExtra, match=r"tumorlens\[openvino\]"):
            convert(cnn_model, tmp_path / "x.xml", Form.OPENVINO)


class TestSafetensors:
    @pytest.fixture(scope="class")
    @staticmethod
    def written(cnn_run, tmp_path_factory):
        target = tmp_path_factory.mktemp("weights") / "cnn.safetensors"
        return export_weights(cnn_run.folder, target, Form.SAFETENSORS)

    def test_the_network_comes_back(self, cnn_run, written):
        loaded, metadata = load_safetensors(written.path)
        images = drawn_images(metadata.input)
        found = differences(answers(loaded, images), answers(assemble(cnn_run), images))
        assert max(found.by_output.values()) == 0
        assert metadata.recipe["name"] == "cnn-4class"

    def test_the_weights_have_the_names_of_the_network(self, cnn_run, written):
        from safetensors.torch import load_file

        tensors = load_file(written.path)
        state = torch.load(cnn_run.weights, weights_only=True)
        assert {name for name in tensors if name.startswith("network.")} == {
            f"network.{name}" for name in state
        }

    def test_who_may_read_other_new_files_may_read_it(self, written, tmp_path):
        (tmp_path / "any").touch()
        assert written.path.stat().st_mode == (tmp_path / "any").stat().st_mode

    @pytest.mark.parametrize("content", [b"", b"nonsense", b"\x02\0\0\0\0\0\0\0{}"])
    def test_other_files_are_refused(self, content, tmp_path):
        path = tmp_path / "x.safetensors"
        with pytest.raises(ModelNotFound):
            load_safetensors(path)
        path.write_bytes(content)
        with pytest.raises(ModelCorrupt, match="not a file that TumorLens exported"):
            load_safetensors(path)

    def test_a_cut_file_is_refused(self, written, tmp_path):
        (tmp_path / "x.safetensors").write_bytes(written.path.read_bytes()[:-100])
        with pytest.raises(ModelCorrupt, match="not a file that TumorLens exported"):
            load_safetensors(tmp_path / "x.safetensors")


def test_keras_answers_as_the_network(cnn_run, tmp_path):
    keras = pytest.importorskip("keras")
    found = export_weights(cnn_run.folder, tmp_path / "cnn.keras", Form.KERAS)
    assert found.size == (tmp_path / "cnn.keras").stat().st_size
    model = keras.saving.load_model(found.path, compile=False)
    images = drawn_images(found.metadata.input)
    pictures = np.repeat(images.transpose(0, 2, 3, 1), 3, axis=3) * 255
    given = model(torch.from_numpy(pictures), training=False).detach().numpy()
    wanted = answers(assemble(cnn_run), images).probabilities
    assert np.abs(given - wanted).max() < 1e-4
