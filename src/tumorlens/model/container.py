"""The outside of an ONNX file: its metadata and whether it is whole, without running anything.

An ONNX file is a protocol buffer (``ModelProto`` of onnx.proto). Walking its fields finds the
metadata in milliseconds, and finds every reference to data outside the file, which a model must
not have: it is one file, and nothing else on disk may be read because a model says so.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

# Subgraphs of loops and conditions nest; real models do so a few levels deep.
MAX_DEPTH = 32
# A 64-bit number takes ten bytes of seven bits.
MAX_VARINT_BYTES = 10
CONTINUES, PAYLOAD = 0x80, 0x7F


class MalformedOnnx(ValueError):
    """The bytes are not an ONNX model, or refer to data outside it; the text says which."""


class _Wire(Enum):
    """How a field is written (protobuf encoding guide)."""

    VARINT = 0
    FIXED64 = 1
    BYTES = 2
    FIXED32 = 5


class _Message(Enum):
    """The messages of onnx.proto that lead to metadata or to a tensor."""

    MODEL = "ModelProto"
    GRAPH = "GraphProto"
    NODE = "NodeProto"
    ATTRIBUTE = "AttributeProto"
    TENSOR = "TensorProto"
    SPARSE = "SparseTensorProto"
    FUNCTION = "FunctionProto"
    TRAINING = "TrainingInfoProto"


# (message, field number) → the message inside, for every way that leads to a tensor.
_INSIDE = {
    (_Message.MODEL, 7): _Message.GRAPH,
    (_Message.MODEL, 20): _Message.TRAINING,
    (_Message.MODEL, 25): _Message.FUNCTION,
    (_Message.TRAINING, 1): _Message.GRAPH,
    (_Message.TRAINING, 2): _Message.GRAPH,
    (_Message.FUNCTION, 7): _Message.NODE,
    (_Message.FUNCTION, 11): _Message.ATTRIBUTE,
    (_Message.GRAPH, 1): _Message.NODE,
    (_Message.GRAPH, 5): _Message.TENSOR,
    (_Message.GRAPH, 15): _Message.SPARSE,
    (_Message.NODE, 5): _Message.ATTRIBUTE,
    (_Message.ATTRIBUTE, 5): _Message.TENSOR,
    (_Message.ATTRIBUTE, 6): _Message.GRAPH,
    (_Message.ATTRIBUTE, 10): _Message.TENSOR,
    (_Message.ATTRIBUTE, 11): _Message.GRAPH,
    (_Message.ATTRIBUTE, 22): _Message.SPARSE,
    (_Message.ATTRIBUTE, 23): _Message.SPARSE,
    (_Message.SPARSE, 1): _Message.TENSOR,
    (_Message.SPARSE, 2): _Message.TENSOR,
}
_GRAPH = 7
_METADATA_PROPS = 14
_KEY, _VALUE = 1, 2
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14


class _Field(NamedTuple):
    number: int
    wire: _Wire
    value: int | memoryview


def read_metadata(data: bytes | memoryview) -> dict[str, str]:
    """Check that bytes are one whole ONNX model, and read its ``metadata_props``.

    Raises:
        MalformedOnnx: The bytes are no ONNX model, or the model keeps data outside the file.
    """
    model = memoryview(data)
    properties: dict[str, str] = {}
    has_graph = False
    for number, wire, value in _fields(model):
        has_graph |= number == _GRAPH and wire is _Wire.BYTES
        if number == _METADATA_PROPS and isinstance(value, memoryview):
            key, text = _property(value)
            if key in properties:
                msg = f"it has the metadata key {key!r} twice"
                raise MalformedOnnx(msg)
            properties[key] = text
    if not has_graph:
        msg = "it is not an ONNX model"
        raise MalformedOnnx(msg)
    _refuse_external(_Message.MODEL, model, MAX_DEPTH)
    return properties


def _refuse_external(message: _Message, data: memoryview, depth: int) -> None:
    if depth == 0:
        msg = "its graphs are nested too deeply"
        raise MalformedOnnx(msg)
    for number, _, value in _fields(data):
        if message is _Message.TENSOR:
            if number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value):
                msg = "it keeps weights in another file"
                raise MalformedOnnx(msg)
        elif isinstance(value, memoryview) and (inside := _INSIDE.get((message, number))):
            _refuse_external(inside, value, depth - 1)


def _property(data: memoryview) -> tuple[str, str]:
    """The key and the value of a ``StringStringEntryProto``."""
    texts = {_KEY: "", _VALUE: ""}
    for number, _, value in _fields(data):
        if isinstance(value, memoryview) and number in texts:
            try:
                texts[number] = str(value, "utf-8")
            except UnicodeDecodeError:
                msg = "its metadata is not text"
                raise MalformedOnnx(msg) from None
    return texts[_KEY], texts[_VALUE]


def _fields(data: memoryview) -> Iterator[_Field]:
    """The fields of one message, in the order in which they are written."""
    position, end = 0, len(data)
    while position < end:
        key, position = _varint(data, position)
        try:
            wire = _Wire(key & 7)
        except ValueError:
            msg = "it is not an ONNX model"
            raise MalformedOnnx(msg) from None
        value: int | memoryview
        match wire:
            case _Wire.VARINT:
                value, position = _varint(data, position)
            case _Wire.BYTES:
                size, position = _varint(data, position)
                value, position = data[position : position + size], position + size
            case _Wire.FIXED64:
                value, position = 0, position + 8
            case _Wire.FIXED32:
                value, position = 0, position + 4
        if position > end:
            msg = "it is cut off, or not an ONNX model"
            raise MalformedOnnx(msg)
        yield _Field(key >> 3, wire, value)


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    """A number of seven bits a byte, low bits first, and the position after it."""
    value = 0
    for shift, byte in enumerate(data[position : position + MAX_VARINT_BYTES]):
        value |= (byte & PAYLOAD) << (7 * shift)
        if not byte & CONTINUES:
            return value, position + shift + 1
    msg = "it is cut off, or not an ONNX model"
    raise MalformedOnnx(msg)
