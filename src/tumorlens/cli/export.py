"""``tumorlens export``: a finished training run, or a model file, becomes a file to answer with."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from tumorlens.cli.extras import training_extra
from tumorlens.train.export.forms import MOST_POINTS_LOST, Form

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tumorlens.model.format import Metric
    from tumorlens.model.run import Model
    from tumorlens.train.export.convert import Exported
    from tumorlens.train.export.loss import Loss
    from tumorlens.train.export.samples import Samples

EPILOG = """
**Examples**

`tumorlens export runs/first --out first.onnx` writes the model file of a run.

`tumorlens export runs/first --to onnx-int8 --data sets/` makes it smaller and faster, calibrated on
images that it learnt from, and measures on its test fold what that costs.

`tumorlens export mobilenetv2-4class --to onnx-fp16` starts from an installed model, or from a
model file.

`tumorlens export runs/v1 --outlines lines.onnx --outlines lines.onnx` decides by the one model, and
outlines lesions by the mean of its marks and of what the other draws, on a picture and mirrored.

`tumorlens export runs/first --to openvino`, `--to safetensors` and `--to keras` are for other
programs.

Every file is run and compared with what it was made of before it is left in place. Without `--out`
it goes into this folder, under the model's name. With `--metrics`, the figures of
`tumorlens evaluate` are written into the file; with `--register`, its hash is published in the
`registry.json` of its folder.
"""


@training_extra("Exporting")
def export(
    source: Annotated[
        str, typer.Argument(help="The --out folder of tumorlens train, or a model by name or file.")
    ],
    to: Annotated[Form, typer.Option(help="The format.")] = Form.ONNX,
    out: Annotated[Path | None, typer.Option(help="The file to write.")] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="The folder that holds the model's sets, to calibrate and to measure on."
        ),
    ] = None,
    manifest: Annotated[
        Path | None,
        typer.Option(help="manifest.csv of the training run; a run's own is taken by itself."),
    ] = None,
    max_loss: Annotated[
        float, typer.Option(min=0.0, max=100.0, help="Points of accuracy that may be lost.")
    ] = MOST_POINTS_LOST,
    outlines: Annotated[
        list[str] | None,
        typer.Option(
            help="A model, by name or file, whose mask is averaged with its own; may be given "
            "several times, and every second one sees the mirror image."
        ),
    ] = None,
    metrics: Annotated[
        Path | None, typer.Option(help="evaluation.json of tumorlens evaluate, to be kept inside.")
    ] = None,
    register: Annotated[
        bool, typer.Option("--register", help="Publish the file's hash in its folder's registry.")
    ] = False,
) -> None:
    """Write a run or a model in a format to answer with, compared with what it came from."""
    from tumorlens.evaluate.holdout import load_evaluation

    _check_out(to, out, register=register)
    if data and to not in {Form.FP16, Form.INT8}:
        _refuse("--data", f"is for reduced precision; nothing is measured for --to {to}")
    if outlines and to is not Form.ONNX:
        _refuse("--outlines", f"gives an ONNX model file; convert that to {to} afterwards")
    if outlines and metrics:
        _refuse("--metrics", "holds for none of the models that are joined; measure the new file")
    figures = load_evaluation(metrics).metrics if metrics else ()
    if Path(source).is_dir():
        run = Path(source)
        manifest = manifest or run / "manifest.csv"
        found = _of_run(run, to, out, figures, data, manifest, max_loss, outlines)
    else:
        if metrics:
            _refuse("--metrics", "figures are put into the model file of a run")
        found = _of_model(source, to, out, data, manifest, max_loss, outlines)
    _tell(found, to)
    if register:
        from tumorlens.train.export.publish import register as publish

        typer.echo(f"registered in {publish(found.path, found.metadata.name)}", err=True)


def _of_run(
    run: Path,
    to: Form,
    out: Path | None,
    figures: Sequence[Metric],
    data: Path | None,
    manifest: Path,
    max_loss: float,
    outlines: Sequence[str] | None,
) -> Exported:
    from tumorlens.model.load import load_file
    from tumorlens.train.export.convert import export, export_weights
    from tumorlens.train.run import open_run

    name = open_run(run).recipe.name
    if to is Form.ONNX and not outlines:
        return export(run, out or _default(name, to), figures)
    if to is not Form.ONNX and not to.takes_model_files:
        return export_weights(run, out or _default(name, to), to, figures)
    with tempfile.TemporaryDirectory() as folder:
        exported = export(run, Path(folder) / "run.onnx", figures)
        model = load_file(exported.path, threads=1)
        if outlines:
            return _joined(model, outlines, out)
        return _converted(model, to, out, _samples(model, data, manifest), max_loss)


def _of_model(
    source: str,
    to: Form,
    out: Path | None,
    data: Path | None,
    manifest: Path | None,
    max_loss: float,
    outlines: Sequence[str] | None,
) -> Exported:
    from tumorlens.model.registry import load_model

    model = load_model(source, threads=1)
    if outlines:
        return _joined(model, outlines, out)
    if to is Form.ONNX:
        _refuse("--to onnx", f"{source} is an ONNX model file already")
    if not to.takes_model_files:
        _refuse(f"--to {to}", f"needs a run's own weights; {source} is a model file. Name the run")
    return _converted(model, to, out, _samples(model, data, manifest), max_loss)


def _joined(model: Model, outlines: Sequence[str], out: Path | None) -> Exported:
    from tumorlens.model.registry import load_model
    from tumorlens.train.export.join import join

    others = [load_model(name, threads=1) for name in outlines]
    target = out or _default(model.metadata.name, Form.ONNX)
    if target.resolve() in {one.path.resolve() for one in (model, *others)}:
        _refuse("--out", f"{target} is one of the models that are joined; name another file")
    return join(model, others, target)


def _converted(
    model: Model, to: Form, out: Path | None, samples: Samples | None, max_loss: float
) -> Exported:
    from tumorlens.cli.display import Display
    from tumorlens.train.export.convert import convert

    target = out or _default(model.metadata.name, to)
    with Display().counting("answering with both") as count:
        return convert(
            model, target, to, samples=samples, most_points_lost=max_loss, progress=count
        )


def _samples(model: Model, data: Path | None, manifest: Path | None) -> Samples | None:
    if data is None:
        return None
    from tumorlens.cli.display import Display
    from tumorlens.train.export.samples import find_samples

    with Display().counting("comparing images") as count:
        return find_samples(model.metadata, data, manifest, count)


def _default(name: str, to: Form) -> Path:
    return Path(to.named(name) + to.suffixes[0])


def _check_out(to: Form, out: Path | None, *, register: bool) -> None:
    if out is not None and out.suffix not in to.suffixes:
        _refuse("--out", f"{out} must end in {' or '.join(to.suffixes)} for --to {to}")
    if out is not None and out.is_dir():
        _refuse("--out", f"{out} is a folder; name the file to write")
    if register and not to.is_model_file:
        _refuse("--register", f"only ONNX model files are registered, not {to}")


def _refuse(option: str, reason: str) -> NoReturn:
    raise typer.BadParameter(reason, param_hint=f"'{option}'")


def _tell(found: Exported, to: Form) -> None:
    name = f"{found.metadata.name} {found.metadata.version}"
    typer.echo(f"{found.path}: {name}, {to} {found.size / 1e6:.1f} MB", err=True)
    if found.differences is not None:
        typer.echo(f"largest differences from its source: {found.differences}", err=True)
    if found.loss is not None:
        for line in _loss_lines(found.loss):
            typer.echo(line, err=True)


def _loss_lines(loss: Loss) -> list[str]:
    after, lost = loss.accuracy.value, 100 * loss.lost.value
    low, high = 100 * (loss.lost.low or 0.0), 100 * (loss.lost.high or 0.0)
    same = f"same status and label for {loss.same.value:.1%} of {loss.same.count} images"
    return [
        f"on {loss.accuracy.on} ({loss.accuracy.count} images):",
        f"  accuracy {after + lost / 100:.4f} before, {after:.4f} after",
        f"  points of accuracy lost: {lost:.2f} (95 % interval {low:.2f} to {high:.2f})",
        f"  {same}; mean change of a probability {loss.change.value:.4f}",
    ]
