"""What the model file of the network that marks lesions computes."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch
from torch import nn

from tumorlens.model.format import REQUIRED_OUTPUTS
from tumorlens.train.calibrate import NoveltyHead

if TYPE_CHECKING:
    from torch import Tensor

    from tumorlens.train.calibrate import NoveltyReference
    from tumorlens.train.dense.network import LesionNetwork


class ExportedLesions(nn.Module):
    """(N, 1, H, W) in [0, 1] → probabilities, heatmap, novelty, mask.

    The heatmap says, for each pixel, which tumor logit the picture would have if its highest marks
    were all like this pixel: positive where it speaks for a tumor, in calibrated logits. It is the
    same for each kind, and negated for no tumor: the kind is named by what lies under the marks,
    not by where they are.

    Args:
        network: The trained network.
        temperature: What its logits are divided by.
        reference: What novelty is measured from.
    """

    outputs: ClassVar[tuple[str, ...]] = (*REQUIRED_OUTPUTS, "mask")

    def __init__(
        self, network: LesionNetwork, temperature: float, reference: NoveltyReference
    ) -> None:
        super().__init__()
        self.network = network
        self.novelty = NoveltyHead(reference)
        self.reference = reference
        self.temperature = temperature

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(N, 1, H, W) → (N, C), (N, C, H / 2, W / 2), (N,), (N, 1, H / 2, W / 2)."""
        outputs, embedding = self.network.look(image)
        logits = self.network.classify(outputs) / self.temperature
        evidence = self.network.evidence.of_pixels(outputs.marks) / self.temperature
        heatmap = torch.cat([-evidence, evidence.expand(-1, logits.shape[1] - 1, -1, -1)], dim=1)
        novelty = self.novelty(embedding)
        return torch.softmax(logits, dim=1), heatmap, novelty, torch.sigmoid(outputs.marks)
