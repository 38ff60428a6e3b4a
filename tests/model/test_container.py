"""If these fail, a model file could read other files on disk, or a damaged one could crash the
process instead of being refused."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from tumorlens.model.container import MalformedOnnx, read_metadata
from tumorlens.model.format import METADATA_KEY


def external_tensor() -> TensorProto:
    tensor = numpy_helper.from_array(np.zeros(4, np.float32), "weights")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    return tensor


def model_with(*, initializer=(), node=None) -> bytes:
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [4])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [4])
    nodes = [node or helper.make_node("Identity", ["x"], ["y"])]
    graph = helper.make_graph(nodes, "g", [value], [out], list(initializer))
    return helper.make_model(graph).SerializeToString()


def branch(tensor: TensorProto) -> bytes:
    """A tensor two subgraphs deep."""
    constant = helper.make_node("Constant", [], ["y"], value=tensor)
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [4])
    inner = helper.make_graph([constant], "inner", [], [out])
    once = helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner)
    outer = helper.make_graph([once], "outer", [], [out])
    return model_with(
        node=helper.make_node("If", ["x"], ["y"], then_branch=outer, else_branch=outer)
    )


def test_metadata_is_read_as_onnx_reads_it(tiny_model):
    model = tiny_model().graph()
    helper.set_model_props(model, {METADATA_KEY: '{"name": "größe"}', "other": ""})
    assert read_metadata(model.SerializeToString()) == {
        METADATA_KEY: '{"name": "größe"}',
        "other": "",
    }


@pytest.mark.parametrize(
    "data",
    [
        model_with(initializer=[external_tensor()]),
        model_with(node=helper.make_node("Constant", [], ["y"], value=external_tensor())),
        branch(external_tensor()),
    ],
    ids=["initializer", "attribute", "nested subgraph"],
)
def test_weights_in_another_file_are_refused_wherever_they_hide(data):
    with pytest.raises(MalformedOnnx, match="another file"):
        read_metadata(data)


def test_weights_inside_pass_at_the_same_places():
    inside = numpy_helper.from_array(np.zeros(4, np.float32), "weights")
    assert read_metadata(branch(inside)) == {}


def test_graphs_nested_without_end_do_not_exhaust_the_stack():
    data = b""
    for _ in range(2000):  # a graph in an attribute of a node of a graph …
        for field in (6, 5, 1):
            data = bytes([field << 3 | 2]) + _varint(len(data)) + data
    with pytest.raises(MalformedOnnx, match="deep"):
        read_metadata(bytes([7 << 3 | 2]) + _varint(len(data)) + data)


def _varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


@pytest.fixture(scope="module")
def sound(tiny_model_path):
    return tiny_model_path.read_bytes()


def test_two_metadata_of_one_name_are_refused(sound, tiny_model):
    model = tiny_model().graph()
    for text in ("first", "second"):
        model.metadata_props.add(key=METADATA_KEY, value=text)
    with pytest.raises(MalformedOnnx, match="twice"):
        read_metadata(model.SerializeToString())


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damage_is_named_and_nothing_else_gets_out(sound, data):
    damaged = bytearray(sound[: data.draw(st.integers(0, len(sound)))])
    for _ in range(data.draw(st.integers(0, 4))):
        if damaged:
            damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with suppress(MalformedOnnx):  # any other exception fails the test
        read_metadata(bytes(damaged))


@given(st.binary(max_size=200))
def test_bytes_that_are_no_model_are_refused(data):
    with pytest.raises(MalformedOnnx):
        read_metadata(b"\x89PNG" + data)
