"""If these fail, a model in 16-bit float is wrong, or not smaller, or cannot be loaded."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tumorlens.errors import ModelIncompatible
from tumorlens.model.load import load_file
from tumorlens.model.registry import BUNDLED, load_model
from tumorlens.train.export.convert import convert
from tumorlens.train.export.forms import Form
from tumorlens.train.export.graph import with_metadata
from tumorlens.train.export.half import halve

NO_IMAGES = np.empty((0, 1, 64, 64), np.float32)


@pytest.fixture(scope="module")
def halved(cnn_model, tmp_path_factory):
    return convert(cnn_model, tmp_path_factory.mktemp("half") / "half.onnx", Form.FP16)


def test_it_answers_as_its_source_in_half_the_bytes(cnn_model, halved):
    model = load_file(halved.path)
    assert model.size < 0.7 * cnn_model.size
    assert halved.differences.by_output["probabilities"] < 0.02
    assert 0 < halved.differences.by_output["heatmap"] < 0.05  # it does compute in 16 bits
    assert model.metadata.name == "cnn-4class-fp16"
    image = np.random.default_rng(0).random((3, 1, 64, 64), np.float32)
    assert model.run(image).novelty == pytest.approx(cnn_model.run(image).novelty, rel=0.01)


def test_what_squares_and_sums_stays_in_32_bits(halved):
    graph = onnx.load(halved.path).graph
    weights = {tensor.name: tensor.data_type for tensor in graph.initializer}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    assert {weights[node.input[1]] for node in convolutions} == {TensorProto.FLOAT16}
    novelty = [kind for name, kind in weights.items() if name.startswith("novelty.")]
    assert novelty
    assert set(novelty) == {TensorProto.FLOAT}


@pytest.mark.skipif(not BUNDLED.is_dir(), reason="no model is bundled with this checkout")
def test_a_network_that_marks_is_halved_as_a_whole(tmp_path):
    source = load_model(threads=1)
    found = convert(source, tmp_path / "half.onnx", Form.FP16)
    graph = onnx.load(found.path).graph
    weights = {tensor.name: tensor.data_type for tensor in graph.initializer}
    convolutions = [weights[node.input[1]] for node in graph.node if node.op_type == "Conv"]
    assert set(convolutions) == {TensorProto.FLOAT16}
    assert found.size < 0.6 * source.size


def test_a_weight_beyond_the_range_is_refused(cnn_model):
    proto = onnx.load(cnn_model.path)
    name = next(node.input[1] for node in proto.graph.node if node.op_type == "Conv")
    for tensor in proto.graph.initializer:
        if tensor.name == name:
            weights = numpy_helper.to_array(tensor).copy()
            weights[0, 0, 0, 0] = 1e6
            tensor.CopyFrom(numpy_helper.from_array(weights, name))
    with pytest.raises(ModelIncompatible, match="1e\\+06, beyond the range of 16-bit float"):
        halve(proto, NO_IMAGES)


def test_a_model_that_overflows_is_refused_and_not_left(cnn_model, tmp_path):
    # Weights that 16 bits can hold, and features that they cannot.
    proto = onnx.load(cnn_model.path)
    names = [node.input[1] for node in proto.graph.node if node.op_type == "Conv"]
    for tensor in proto.graph.initializer:
        if tensor.name in names[-2:]:
            weights = numpy_helper.to_array(tensor)
            tensor.CopyFrom(numpy_helper.from_array(weights * 2e4, tensor.name))
    wild = tmp_path / "wild.onnx"
    wild.write_bytes(with_metadata(proto, cnn_model.metadata))
    target = tmp_path / "half.onnx"
    with pytest.raises(ModelIncompatible, match=r"its features reach .* 16-bit float"):
        convert(load_file(wild), target, Form.FP16)
    assert not target.exists()


def test_a_model_without_convolutions_is_refused():
    names = ("image", "probabilities", "heatmap", "novelty")
    image, *outputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in names]
    nodes = [helper.make_node("Identity", ["image"], [name]) for name in names[1:]]
    graph = helper.make_graph(nodes, "plain", [image], outputs)
    with pytest.raises(ModelIncompatible, match="no convolution"):
        halve(helper.make_model(graph), NO_IMAGES)


def test_reduced_precision_is_not_reduced_again(halved, tmp_path):
    with pytest.raises(ModelIncompatible, match="reduced precision already"):
        convert(load_file(halved.path), tmp_path / "x.onnx", Form.FP16)
