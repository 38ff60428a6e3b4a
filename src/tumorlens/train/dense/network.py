"""TumorLens' own network: where a lesion is, whether there is one, and of which kind, in one pass.

A MobileNetV2 encoder and a light U-Net decoder mark lesion-like pixels. The decision is pooled
from the highest marks alone, so that it is made of pixels that look like a lesion and cannot be
made of the border, the crop or the sequence. The kind comes from features pooled under the marks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from tumorlens.train.architectures.mobilenetv2 import MobileNetV2
from tumorlens.train.dense.spec import Encoder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SKIPS = ("block_3_", "block_6_", "block_13_")
"""The blocks whose expanded features, before their stride, the decoder takes: strides 4 to 16."""

SKIP_CHANNELS = (144, 192, 576)
DECODER_CHANNELS = (64, 96, 128)
"""Of the decoder at strides 4, 8 and 16."""

FINER = 2
"""Marks are drawn at half of the last decoder stage's stride, as several channels of it (sub-pixel
convolution, Shi et al., 2016): a further stage would take two fifths of the decoder's time."""

DILATIONS = (2, 4)
"""Of the 5 x 5 convolutions by which a shallow encoder's deepest features see the whole head: they
reach over 4 and 8 places of stride 16 to each side."""

EVIDENCE_SHARES = (0.002, 0.01)
"""The highest shares of a picture's marks that are averaged: about a small lesion, and a larger
one. A maximum would follow one noisy pixel, a mean over all would drown a small lesion."""

CENTRE_SPREAD = 0.45
"""Of the bell, in half sides, by which pixels count for a picture's contrast: brain counts most,
and the bright fat around it, which differs most between scanners, hardly."""

SURROUNDINGS = 0.04
"""Pixels darker than this are no head, and do not count for the contrast."""

OUTLYING = 1.5
"""Pixels further from the mean, in spreads, are left out when mean and spread are taken anew."""

LEAST_SPREAD = 0.005
"""Below it what differs is noise, and is not drawn out further."""

UNDER_MASK_FLOOR = 1e-3
"""Weight of pixels that are not marked, so that the pooling is defined where nothing is."""


class DenseOutputs(NamedTuple):
    """What the network gives for a batch.

    Attributes:
        marks: Logit of a lesion for each place, (N, 1, H / 2, W / 2).
        tumor: Logit of a tumor in the picture, (N,).
        kinds: Logits of the kinds, given that there is a tumor, (N, K).
    """

    marks: Tensor
    tumor: Tensor
    kinds: Tensor


class LesionNetwork(nn.Module):
    """A grey slice (N, 1, H, W) in [0, 1] to marks, tumor logit and kinds.

    Args:
        kinds: How many kinds of tumor are told apart.
        dropout: Before the layer that names the kind.
        contrast: As of `draw_out`; 0 leaves grey levels as they are.
        mirrored: Answer a picture and its mirror image, and give the mean of both, once trained.
        encoder: How much of MobileNetV2 there is.
        frozen: Stages at its beginning that are not trained.
    """

    def __init__(
        self,
        kinds: int,
        *,
        dropout: float = 0.3,
        contrast: float = 0.0,
        mirrored: bool = False,
        encoder: Encoder = Encoder.WHOLE,
        frozen: int = 0,
    ) -> None:
        super().__init__()
        self.contrast, self.mirrored, self.frozen = contrast, mirrored, frozen
        shallow = encoder is Encoder.SHALLOW
        self.skips = SKIPS[:-1] if shallow else SKIPS
        self.backbone = MobileNetV2(SKIPS[-1] if shallow else None)
        self.decoder = Decoder(self.backbone.channels, encoder)
        self.evidence = Evidence()
        self.dropout = nn.Dropout(dropout)
        self.kinds = nn.Linear(self.backbone.channels + DECODER_CHANNELS[-1], kinds)
        for module in self._unchanged():
            module.requires_grad_(False)

    def train(self, mode: bool = True) -> Self:
        """Let it learn or answer; what is frozen keeps the statistics that it began with."""
        super().train(mode)
        for module in self._unchanged():
            module.eval()
        return self

    def _unchanged(self) -> Iterator[nn.Module]:
        for stage in range(self.frozen):
            yield from self.backbone.stage_modules(stage)

    def forward(self, image: Tensor) -> DenseOutputs:
        """(N, 1, H, W) in [0, 1] → `DenseOutputs`."""
        return self.look(image)[0]

    def look(self, image: Tensor) -> tuple[DenseOutputs, Tensor]:
        """(N, 1, H, W) in [0, 1] → `DenseOutputs`, and what novelty is measured on, (N, F).

        The latter is the mean of the deepest features of the picture as it is.
        """
        if not self.mirrored or self.training:
            levels = self.levels(image)
            return self.answer(levels), levels[-1].float().mean(dim=(2, 3))
        count = image.shape[0]
        levels = self.levels(torch.cat([image, image.flip(-1)]))
        outputs = self.answer(levels)
        marks, mirrored = outputs.marks[:count], outputs.marks[count:].flip(-1)
        marks = (marks + mirrored) / 2
        kinds = torch.log_softmax(outputs.kinds.float(), dim=1)
        kinds = (kinds[:count] + kinds[count:]) / 2
        embedding = levels[-1][:count].float().mean(dim=(2, 3))
        return DenseOutputs(marks, self.evidence(marks), kinds), embedding

    def levels(self, image: Tensor) -> list[Tensor]:
        """Features at strides 4, 8 and 16, and at 32 where the encoder is whole."""
        grey = draw_out(image.float(), self.contrast) if self.contrast else image * 2 - 1
        return self.backbone.levels(grey.expand(-1, 3, -1, -1), self.skips)

    def answer(self, levels: Sequence[Tensor]) -> DenseOutputs:
        """The answers from the features of `levels`."""
        coarse, marks = self.decoder(levels)
        return DenseOutputs(marks, self.evidence(marks), self.name(levels[-1], coarse, marks))

    def classify(self, outputs: DenseOutputs) -> Tensor:
        """Class logits (N, 1 + K), no tumor first: logarithms of the two answers' product."""
        tumor = outputs.tumor.float()[:, None]
        kinds = torch.log_softmax(outputs.kinds.float(), dim=1)
        return torch.cat(
            [functional.logsigmoid(-tumor), functional.logsigmoid(tumor) + kinds], dim=1
        )

    def name(self, deepest: Tensor, coarse: Tensor, marks: Tensor) -> Tensor:
        """The kinds, from features pooled under the marks."""
        weights = torch.sigmoid(marks.detach()) + UNDER_MASK_FLOOR
        pooled = torch.cat([pool_under(deepest, weights), pool_under(coarse, weights)], dim=1)
        logits: Tensor = self.kinds(self.dropout(pooled))
        return logits


class Decoder(nn.Module):
    """From the encoder's features to marks at half of the input's resolution.

    Args:
        features: How many the encoder gives at its deepest.
        encoder: How much of it there is.
    """

    def __init__(self, features: int, encoder: Encoder) -> None:
        super().__init__()
        self.reduce = _pointwise(features, DECODER_CHANNELS[-1])
        self.context: nn.Module = nn.Identity()
        below = (*DECODER_CHANNELS[1:], DECODER_CHANNELS[-1])
        sizes = list(zip(below, SKIP_CHANNELS, DECODER_CHANNELS, strict=True))
        if encoder is Encoder.SHALLOW:  # its deepest features are those of the last skip
            self.context = Context(DECODER_CHANNELS[-1])
            sizes = sizes[:-1]
        self.stages = nn.ModuleList(DecoderStage(*each) for each in sizes)
        self.marks = nn.Conv2d(DECODER_CHANNELS[0], FINER**2, 1)
        # Few pixels are lesion: starting there spares the first steps from unlearning a half.
        nn.init.constant_(self.marks.bias, -3.0)  # type: ignore[arg-type]

    def forward(self, levels: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Features at strides 4 … 32 or 16 → features at stride 16, and marks at stride 2."""
        x = self.context(self.reduce(levels[-1]))
        coarse = x
        for number in reversed(range(len(self.stages))):
            x = self.stages[number](x, levels[number])
            if number == len(SKIPS) - 1:
                coarse = x
        return coarse, functional.pixel_shuffle(self.marks(x), FINER)


class Context(nn.Module):
    """Lets features at stride 16 see the whole head, where no deeper ones do it.

    Args:
        channels: How many features there are.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.around = nn.Sequential(*(_reaching(channels, dilation) for dilation in DILATIONS))
        self.whole = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, h, w) → the same with what lies around added, and the mean of all."""
        x = x + self.around(x)
        whole: Tensor = self.whole(x.mean(dim=(2, 3)))
        return x + whole[:, :, None, None]


class DecoderStage(nn.Module):
    """Twice the resolution: upsample, join the encoder's features, two separable convolutions."""

    def __init__(self, inputs: int, skip: int, outputs: int) -> None:
        super().__init__()
        self.skip = _pointwise(skip, outputs // 2)
        self.first = _separable(inputs + outputs // 2, outputs)
        self.second = _separable(outputs, outputs)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """(N, inputs, h, w) and (N, skip, 2h, 2w) → (N, outputs, 2h, 2w)."""
        larger = functional.interpolate(
            x, size=skip.shape[-2:], mode="bilinear", align_corners=False
        )
        result: Tensor = self.second(self.first(torch.cat([larger, self.skip(skip)], dim=1)))
        return result


class Evidence(nn.Module):
    """The logit of a tumor in the picture, from the highest of its marks."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((len(EVIDENCE_SHARES),), 1 / len(EVIDENCE_SHARES)))
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, marks: Tensor) -> Tensor:
        """(N, 1, h, w) → (N,)."""
        flat = marks.float().flatten(1)
        counts = [max(1, round(share * flat.shape[1])) for share in EVIDENCE_SHARES]
        highest = torch.topk(flat, max(counts), dim=1).values
        means = torch.stack([highest[:, :count].mean(dim=1) for count in counts], dim=1)
        # More marks must never make a tumor less probable, so the scales are kept positive.
        result: Tensor = (means * self.scale.abs()).sum(dim=1) + self.bias
        return result

    def of_pixels(self, marks: Tensor) -> Tensor:
        """The logit that a picture would have if its highest marks were all like a pixel.

        (N, 1, h, w) → (N, 1, h, w).
        """
        return marks.float() * self.scale.abs().sum() + self.bias


def draw_out(image: Tensor, reach: float) -> Tensor:
    """Let the grey levels of the brain fill the range, whatever the window and the scanner.

    Files are scaled by their brightest pixels, which are fat and vessels, so that a lesion may
    differ from the brain around it by a few hundredths. Levels are told in spreads from their mean
    over the head, pixels near the centre counting most, and bent into the range.

    Args:
        image: float32 (N, 1, H, W) in [0, 1].
        reach: Spreads from the mean at which the range is three quarters used up.

    Returns:
        float32 (N, 1, H, W) in (-1, 1).
    """
    rows, columns = (torch.linspace(-1, 1, side, device=image.device) for side in image.shape[-2:])
    bell = torch.exp(-(rows[:, None] ** 2 + columns[None] ** 2) / (2 * CENTRE_SPREAD**2))
    head = bell * (image > SURROUNDINGS)
    mean, spread = _moments(image, head)
    brain = head * ((image - mean).abs() <= OUTLYING * spread)  # without fat and vessels
    mean, spread = _moments(image, brain)
    return torch.tanh((image - mean) / (reach * spread))


def _moments(image: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and spread of each picture's levels under weights, (N, 1, 1, 1) each."""
    total = weight.mean(dim=(2, 3), keepdim=True).clamp_min(1e-6)
    mean = (weight * image).mean(dim=(2, 3), keepdim=True) / total
    variance = (weight * (image - mean) ** 2).mean(dim=(2, 3), keepdim=True) / total
    return mean, variance.clamp_min(LEAST_SPREAD**2).sqrt()


def pool_under(features: Tensor, weights: Tensor) -> Tensor:
    """The mean of features (N, F, h, w) under weights (N, 1, H, W) of another resolution."""
    small = functional.adaptive_avg_pool2d(
        weights.float(), (features.shape[-2], features.shape[-1])
    )
    total = small.sum(dim=(2, 3))
    result: Tensor = (features.float() * small).sum(dim=(2, 3)) / total
    return result


def _pointwise(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU6()
    )


def _reaching(channels: int, dilation: int) -> nn.Sequential:
    """A separable 5 x 5 convolution with gaps."""
    return nn.Sequential(
        nn.Conv2d(
            channels,
            channels,
            5,
            padding=2 * dilation,
            dilation=dilation,
            groups=channels,
            bias=False,
        ),
        nn.BatchNorm2d(channels),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU6(),
    )


def _separable(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False),
        nn.BatchNorm2d(inputs),
        nn.Conv2d(inputs, outputs, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU6(),
    )
