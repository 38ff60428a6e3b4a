"""A file becomes a Model, or is refused with the reason."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from pathlib import Path
from typing import Any

from tumorlens._version import __version__
from tumorlens.errors import ModelCorrupt, ModelIncompatible, ModelNotFound
from tumorlens.model.container import MalformedOnnx, read_metadata
from tumorlens.model.format import METADATA_KEY, ModelMetadata
from tumorlens.model.run import Model, check_signature, first_line

SCHEMA_VERSION = 1
# A protocol buffer cannot be larger (protobuf: 2 GiB), so no ONNX file is.
MAX_MODEL_BYTES = 2**31
# ONNX Runtime logs its own failures to stderr; they are raised and told by TumorLens instead.
LOG_FATAL_ONLY = 4
# What a model in 8-bit integers has in its graph, and no other.
INTEGER_OPERATOR = b"QuantizeLinear"
# Where Linux says what the processor can do.
CPU_FACTS = Path("/proc/cpuinfo")
# So many of the schema's complaints are told; the first ones name the cause.
MAX_COMPLAINTS = 3


def load_file(path: Path, *, sha256: str | None = None, threads: int | None = None) -> Model:
    """Load a model file.

    Args:
        path: The ``.onnx`` file.
        sha256: The published SHA-256 that the file must have, where there is one.
        threads: Threads that one run may use; the processor's cores if None. They stay awake while
            they wait for each other, which is quickest for one slice at a time and takes the cores
            from other runs: load with 1 where several slices are answered at a time.

    Raises:
        ModelNotFound: There is no such file.
        ModelCorrupt: It is not a TumorLens model, or not the one that was published.
        ModelIncompatible: Its schema or its graph is not understood here.
    """
    data = read_file(path)
    digest = hashlib.sha256(data).hexdigest()
    if sha256 is not None and digest != sha256:
        msg = (
            f"{path}: SHA-256 is {digest}, published is {sha256}. "
            "The file was damaged or changed: install it again."
        )
        raise ModelCorrupt(msg)
    metadata = metadata_of(data, path)
    session = _open_session(data, path, threads or available_cores())
    try:
        check_signature(session, metadata)
    except ModelIncompatible as error:
        msg = f"{path}: {error}. Export the model again."
        raise ModelIncompatible(msg) from None
    return Model(metadata, digest, path, len(data), session)


def read_file(path: Path) -> bytes:
    """The bytes of a model file.

    Raises:
        ModelNotFound: There is no such file, or it may not be read.
        ModelCorrupt: It is larger than any model.
    """
    try:
        if not path.is_file():
            there = "is a folder" if path.is_dir() else "is not a regular file"
            what = there if path.exists() else "does not exist"
            msg = f"{path} {what}: name a model file (.onnx) or an installed model."
            raise ModelNotFound(msg)
        if path.stat().st_size >= MAX_MODEL_BYTES:
            msg = f"{path} is larger than any ONNX file can be."
            raise ModelCorrupt(msg)
        return path.read_bytes()
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror or error}."
        raise ModelNotFound(msg) from error


def metadata_of(data: bytes, path: Path) -> ModelMetadata:
    """Read the metadata from the bytes of a model file, without opening a session.

    Raises:
        ModelCorrupt: The bytes are not ONNX, or carry no valid metadata.
        ModelIncompatible: The metadata has a schema version that is not understood here.
    """
    try:
        text = read_metadata(data).get(METADATA_KEY)
    except MalformedOnnx as error:
        msg = f"{path}: {error}. Get the file again, or name another."
        raise ModelCorrupt(msg) from error
    if text is None:
        msg = (
            f"{path} is an ONNX file without TumorLens metadata. "
            "Only files written by `tumorlens export` or `tumorlens train` can answer."
        )
        raise ModelCorrupt(msg)
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        msg = f"{path}: its metadata is not JSON ({first_line(error)})."
        raise ModelCorrupt(msg) from error
    _check_version(fields, path)
    try:
        # Validated as JSON: a tuple may be a list there, and nowhere else.
        return ModelMetadata.model_validate_json(text)
    except ValueError as error:
        msg = f"{path}: its metadata is wrong: {_complaints(error)}."
        raise ModelCorrupt(msg) from error


def available_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def has_integer_dot_product() -> bool:
    """Whether this processor is known to add 8-bit products in 32 bits (Intel's VNNI).

    x86 processors before about 2019 add pairs of them in 16 bits, which overflows unseen and
    changes answers; ONNX Runtime can avoid it, at half the speed. Processors that are no x86 are
    not concerned.
    """
    if platform.machine().lower() not in {"x86_64", "amd64"}:
        return True
    try:
        return b"_vnni" in CPU_FACTS.read_bytes()
    except OSError:
        return False


def runtime_providers() -> list[str]:
    """What ONNX Runtime could run on here; TumorLens asks it for the CPU.

    Raises:
        ImportError: ONNX Runtime does not work here.
    """
    import onnxruntime

    return [
        name.removesuffix("ExecutionProvider") for name in onnxruntime.get_available_providers()
    ]


def _check_version(fields: Any, path: Path) -> None:
    version = fields.get("schema_version", SCHEMA_VERSION) if isinstance(fields, dict) else None
    if isinstance(version, int) and version != SCHEMA_VERSION:
        msg = (
            f"{path} has schema version {version}; TumorLens {__version__} reads version "
            f"{SCHEMA_VERSION}. Use the TumorLens that exported it, or export it again with this."
        )
        raise ModelIncompatible(msg)


def _complaints(error: ValueError) -> str:
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return first_line(error)
    found = [
        f"{'.'.join(str(part) for part in item['loc']) or 'metadata'}: {item['msg']}"
        for item in error.errors(include_url=False, include_input=False)
    ]
    more = f" (and {len(found) - MAX_COMPLAINTS} more)" if len(found) > MAX_COMPLAINTS else ""
    return "; ".join(found[:MAX_COMPLAINTS]) + more


def _open_session(data: bytes, path: Path, threads: int) -> Any:
    """Open a session from bytes: a path would let a graph name files beside it."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = LOG_FATAL_ONLY
    if INTEGER_OPERATOR in data and not has_integer_dot_product():
        options.add_session_config_entry("session.x64quantprecision", "1")
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors have no class in common
        msg = (
            f"{path}: ONNX Runtime {onnxruntime.__version__} cannot open its graph: "
            f"{first_line(error)}. Upgrade onnxruntime, or export the model again."
        )
        raise ModelIncompatible(msg) from error
