"""What ``tumorlens doctor`` looks at, each as one check."""

from __future__ import annotations

import platform
import re
import time
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata
from typing import TYPE_CHECKING

from tumorlens._version import __version__
from tumorlens.errors import TumorLensError

if TYPE_CHECKING:
    from collections.abc import Iterator

DISTRIBUTION = "tumorlens"
# Extras that only gather others, or are for those who change TumorLens.
_NOT_SHOWN = ("all", "dev")
_EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")


class State(StrEnum):
    """How a check ended."""

    OK = "ok"
    ABSENT = "absent"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        about: What it is.
        state: OK; ABSENT where an optional part is missing; BROKEN where answering needs it.
        detail: What was found, or what to do.
    """

    about: str
    state: State
    detail: str


def all_checks() -> Iterator[Check]:
    """Every check, in the order in which they are shown."""
    yield Check("TumorLens", State.OK, __version__)
    yield Check("Python", State.OK, f"{platform.python_version()} on {platform.platform()}")
    yield from libraries()
    yield runtime()
    yield from decoders()
    yield from extras()
    yield from models()
    yield self_test()


def libraries() -> Iterator[Check]:
    """The libraries of the base install."""
    for requirement in _requirements(None):
        version = _version(requirement)
        if version is None:
            detail = "not installed; install TumorLens again: pip install --upgrade tumorlens"
            yield Check(requirement, State.BROKEN, detail)
        else:
            yield Check(requirement, State.OK, version)


def runtime() -> Check:
    """ONNX Runtime and what it can run on."""
    from tumorlens.model.load import available_cores, runtime_providers

    about = "ONNX Runtime runs on"
    try:
        providers = ", ".join(runtime_providers())
    except ImportError as error:
        return Check(about, State.BROKEN, f"cannot be imported: {error}")
    return Check(about, State.OK, f"{providers}; {available_cores()} cores")


def decoders() -> Iterator[Check]:
    """For each DICOM transfer syntax, the installed plugins that decode it."""
    try:
        from pydicom import uid
        from pydicom.pixels.decoders.base import get_decoder

        from tumorlens.scan.dicom.frames import OWN_DECODER
    except ImportError as error:
        yield Check("DICOM", State.BROKEN, f"pydicom cannot be imported: {error}")
        return
    for syntax in (
        uid.ExplicitVRLittleEndian,
        uid.ImplicitVRLittleEndian,
        uid.ExplicitVRBigEndian,
        uid.DeflatedExplicitVRLittleEndian,
        uid.RLELossless,
        uid.JPEGBaseline8Bit,
        uid.JPEGExtended12Bit,
        uid.JPEGLossless,
        uid.JPEGLosslessSV1,
        uid.JPEGLSLossless,
        uid.JPEGLSNearLossless,
        uid.JPEG2000Lossless,
        uid.JPEG2000,
        uid.HTJ2KLossless,
        uid.HTJ2KLosslessRPCL,
        uid.HTJ2K,
    ):
        decoder = get_decoder(syntax)
        about = f"DICOM {syntax.name}"
        if decoder.is_available:
            plugins = ", ".join(decoder.available_plugins) or "built in"
            yield Check(about, State.OK, plugins)
        elif syntax in OWN_DECODER:
            yield Check(about, State.OK, "tumorlens")
        else:
            yield Check(about, State.ABSENT, "needs " + "; ".join(decoder.missing_dependencies))


def extras() -> Iterator[Check]:
    """The optional parts, with the line that installs them."""
    for extra in metadata.metadata(DISTRIBUTION).get_all("Provides-Extra") or ():
        if extra in _NOT_SHOWN:
            continue
        missing = [name for name in _requirements(extra) if _version(name) is None]
        about = f"extra {extra}"
        if missing:
            line = f'missing {", ".join(missing)}: pip install "{DISTRIBUTION}[{extra}]"'
            yield Check(about, State.ABSENT, line)
        else:
            yield Check(about, State.OK, "installed")


def models() -> Iterator[Check]:
    """The installed models, each compared with its published hash."""
    from tumorlens.model.registry import inspect_model, installed_models

    try:
        installed = installed_models()
    except TumorLensError as error:
        yield Check("models", State.BROKEN, str(error))
        return
    if not any(model.is_default for model in installed):
        detail = "no default model is installed; name one with --model"
        yield Check("default model", State.BROKEN, detail)
    for model in installed:
        inspection = inspect_model(model)
        about = f"model {model.name}"
        if inspection.problem is not None:
            yield Check(about, State.BROKEN, inspection.problem)
        else:
            known = "the published one" if model.published_sha256 else "not published"
            yield Check(about, State.OK, f"SHA-256 {inspection.sha256} is {known}")


def self_test() -> Check:
    """A drawn slice, answered by the default model."""
    from tumorlens.analysis import analyze_one
    from tumorlens.model.registry import load_model
    from tumorlens.scan.drawn import drawn_scan

    about = "a drawn slice"
    try:
        model = load_model()
        drawing = drawn_scan()
        start = time.perf_counter()
        finding = analyze_one(drawing, model=model)
    except TumorLensError as error:
        return Check(about, State.BROKEN, str(error))
    milliseconds = 1000 * (time.perf_counter() - start)
    return Check(about, State.OK, f"answered ({finding.status}) in {milliseconds:.0f} ms")


def _requirements(extra: str | None) -> list[str]:
    """The distributions that the base install, or an extra, asks for."""
    names = []
    for requirement in metadata.requires(DISTRIBUTION) or ():
        marker = _EXTRA.search(requirement)
        if (marker.group(1) if marker else None) == extra:
            names.append(re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0])
    return names


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
