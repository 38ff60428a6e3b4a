"""If these fail, an 8-bit model loses answers unseen, or was fitted to what it is measured on."""

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tumorlens.data import manifest
from tumorlens.errors import DatasetError, ModelIncompatible, RecipeError
from tumorlens.model import load
from tumorlens.model.load import load_file
from tumorlens.model.registry import load_model
from tumorlens.train.export import int8
from tumorlens.train.export.convert import convert
from tumorlens.train.export.forms import Form
from tumorlens.train.export.samples import Samples, find_samples

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def quantised(cnn_model, samples, tmp_path_factory):
    target = tmp_path_factory.mktemp("int8") / "int8.onnx"
    return convert(cnn_model, target, Form.INT8, samples=samples)


def test_it_answers_in_integers_and_is_smaller(cnn_model, quantised):
    kinds = {node.op_type for node in onnx.load(quantised.path).graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= kinds
    model = load_file(quantised.path)
    assert model.size < 0.6 * cnn_model.size
    image = np.random.default_rng(0).random((2, 1, 64, 64), np.float32)
    given, wanted = model.run(image), cnn_model.run(image)
    assert np.abs(given.probabilities - wanted.probabilities).mean() < 0.05


def test_what_it_costs_is_measured_on_the_test_fold_and_kept_in_the_file(quantised, samples):
    metrics = {metric.name: metric for metric in load_file(quantised.path).metadata.metrics}
    assert metrics["accuracy"].count == len(samples.held_out) == 8
    assert metrics["accuracy"].on == "fold 1 of drawn"
    lost = metrics["accuracy lost by conversion"]
    assert lost.low <= lost.value <= lost.high
    assert lost == quantised.loss.lost
    assert 0 <= metrics["same answer as before conversion"].value <= 1


def test_figures_of_the_source_are_not_taken_for_its_own(cnn_model, samples, tmp_path):
    from dataclasses import replace

    from tumorlens.model.format import Metric

    figure = Metric(name="accuracy", value=0.9, on="fold 1 of drawn", count=8)
    metadata = cnn_model.metadata.model_copy(update={"metrics": (figure,)})
    model = replace(cnn_model, metadata=metadata)
    found = convert(model, tmp_path / "x.onnx", Form.INT8, samples=samples)
    names = [metric.name for metric in found.metadata.metrics]
    assert names[:2] == ["accuracy, before conversion", "accuracy"]


def test_it_is_calibrated_on_images_that_it_learnt_from_only(samples, cnn_run):
    test = {entry.name for entry in manifest.load(cnn_run.manifest) if entry.fold == 1}
    assert {entry.name for entry in samples.held_out} == test
    assert not test & {entry.name for entry in samples.learnt}
    assert len(samples.learnt) == 32


def test_images_of_another_manifest_are_refused(cnn_model, cnn_run, drawn_root, tmp_path):
    swapped = cnn_run.manifest.read_text().replace(",1\n", ",9\n").replace(",3\n", ",1\n")
    (tmp_path / "other.csv").write_text(swapped)
    with pytest.raises(DatasetError, match="not the images and folds"):
        find_samples(cnn_model.metadata, drawn_root, tmp_path / "other.csv")


def test_one_that_loses_too_much_is_refused_and_not_left(cnn_model, samples, tmp_path, monkeypatch):
    def spoilt(proto, _images):
        """Every class is taken for the next one."""
        copy = onnx.ModelProto()
        copy.CopyFrom(proto)
        for node in copy.graph.node:
            for place, name in enumerate(node.output):
                if name == "probabilities":
                    node.output[place] = "turned"
        copy.graph.initializer.append(
            helper.make_tensor("order", TensorProto.INT64, [4], [3, 0, 1, 2])
        )
        copy.graph.node.append(
            helper.make_node("Gather", ["turned", "order"], ["probabilities"], axis=1)
        )
        return copy

    monkeypatch.setattr(int8, "quantise", spoilt)
    right = Samples(samples.root, samples.learnt, _answered_right(cnn_model, samples))
    with pytest.raises(ModelIncompatible, match=r"loses 100\.00 points .* --max-loss"):
        convert(cnn_model, tmp_path / "x.onnx", Form.INT8, samples=right)
    assert list(tmp_path.iterdir()) == []
    allowed = convert(
        cnn_model, tmp_path / "x.onnx", Form.INT8, samples=right, most_points_lost=100
    )
    assert allowed.loss.accuracy.value == 0


def _answered_right(model, samples):
    """The held-out images, labelled with what the model says of them."""
    from dataclasses import replace

    from tumorlens.model.prepare import prepare
    from tumorlens.scan import read

    def says(entry):
        pixels = next(read(samples.root / entry.name)).pixels
        image = prepare(pixels, model.metadata.input).tensor[None]
        return model.metadata.classes[model.run(image).probabilities[0].argmax()]

    return tuple(replace(entry, label=says(entry)) for entry in samples.held_out)


@pytest.mark.parametrize(
    ("facts", "careful"),
    [(b"flags : avx2 avx512_vnni", False), (b"flags : avx2 fma", True), (None, True)],
)
def test_processors_that_overflow_unseen_compute_it_another_way(
    quantised, cnn_model, tmp_path, monkeypatch, facts, careful
):
    path = tmp_path / "cpuinfo"
    if facts is not None:
        path.write_bytes(facts)
    monkeypatch.setattr(load, "CPU_FACTS", path)
    monkeypatch.setattr(load.platform, "machine", lambda: "x86_64")
    key = "session.x64quantprecision"
    assert is_set(load_file(quantised.path), key) == careful
    assert not is_set(load_file(cnn_model.path), key)  # models in float are not touched


def is_set(model, key):
    try:
        return model.session.get_session_options().get_session_config_entry(key) == "1"
    except RuntimeError:
        return False


def test_it_needs_images(cnn_model, tmp_path):
    with pytest.raises(RecipeError, match="--data"):
        convert(cnn_model, tmp_path / "x.onnx", Form.INT8)


class TestSensitiveLayers:
    """A first layer whose weights cannot share a scale, in front of three that can."""

    @staticmethod
    def graph(first):
        weights = [np.array([[first, 1.0, 1.0]] * 8, np.float32)[:, :, None, None]]
        weights += [np.eye(8, dtype=np.float32)[:, :, None, None] for _ in range(3)]
        nodes, name = [], "image"
        for number in range(4):
            nodes.append(
                helper.make_node("Conv", [name, f"w{number}"], [f"c{number}"], f"n{number}")
            )
            name = f"c{number}"
        nodes += [
            helper.make_node("GlobalAveragePool", [name], ["pooled"], "pool"),
            helper.make_node("Flatten", ["pooled"], ["flat"], "flatten"),
            helper.make_node("Softmax", ["flat"], ["probabilities"], "softmax", axis=1),
            helper.make_node("Identity", [name], ["heatmap"], "maps"),
            helper.make_node("ReduceMax", ["flat", "axis"], ["novelty"], "far", keepdims=0),
        ]
        # Only the first of eight channels sees the picture as it is.
        weights[1] = np.diag(np.arange(8, dtype=np.float32))[:, :, None, None]
        tensors = [
            helper.make_tensor(f"w{i}", TensorProto.FLOAT, w.shape, w.ravel().tolist())
            for i, w in enumerate(weights)
        ] + [helper.make_tensor("axis", TensorProto.INT64, [1], [1])]
        shapes = {"probabilities": ["n", 8], "heatmap": ["n", 8, 8, 8], "novelty": ["n"]}
        outputs = [
            helper.make_tensor_value_info(key, TensorProto.FLOAT, shape)
            for key, shape in shapes.items()
        ]
        image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, 8, 8])
        graph = helper.make_graph(nodes, "g", [image], outputs, tensors)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)

    @staticmethod
    def images():
        """The channel that the large weight belongs to is black."""
        images = np.random.default_rng(0).random((12, 3, 8, 8), np.float32)
        images *= np.linspace(0.2, 1, 12, dtype=np.float32)[:, None, None, None]
        images[:, 0] = 0
        return images

    @pytest.mark.parametrize(("first", "kept"), [(1.0, 0), (1000.0, 1)])
    def test_a_layer_stays_in_float_where_rounding_it_alone_changes_the_answers(self, first, kept):
        quantised = int8.quantise(self.graph(first), self.images())
        whole = {n.input[1] for n in quantised.graph.node if n.op_type == "Conv"} & {
            tensor.name for tensor in quantised.graph.initializer
        }
        assert len(whole) == kept
        session_input = {"image": self.images()}
        given, wanted = (self.run(proto, session_input) for proto in (quantised, self.graph(first)))
        assert np.abs(given - wanted).max() < 0.03

    @staticmethod
    def run(proto, given):
        import onnxruntime

        session = onnxruntime.InferenceSession(proto.SerializeToString())
        return session.run(["probabilities"], given)[0]


@pytest.mark.skipif("TUMORLENS_DATA" not in os.environ, reason="TUMORLENS_DATA names no real data")
def test_the_bundled_model_loses_at_most_half_a_point_on_its_test_fold(tmp_path):
    model = load_model(threads=1)
    published = ROOT / "docs" / "reference" / "tumorlens-v1-manifest.csv"
    images = find_samples(model.metadata, Path(os.environ["TUMORLENS_DATA"]), published)
    found = convert(model, tmp_path / "int8.onnx", Form.INT8, samples=images)
    assert found.loss.lost.value <= 0.005
    assert found.loss.same.value > 0.95
    assert found.size < 0.4 * model.size
