"""Expert networks: any weights of one label space, averaged with each other, flips and scales."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
import torch
from torch import nn, Tensor
from torch.nn import functional

from mtl_perception.geometry import focal_factor
from mtl_perception.model_card import load_network, ModelCard
from mtl_perception.network.deployed import (
    DEPTH_ACTIVATIONS,
    nearest_multiples,
    Normalise,
    zoom_between,
)
from mtl_perception.network.rounding import has_bf16

SCALES = (0.8, 1.0, 1.25)


@dataclass(frozen=True)
class Opinion:
    """What experts think of a picture, (H, W) each; a task that none of them has is None.

    | field             | type    | content                                            |
    |-------------------|---------|----------------------------------------------------|
    | labels            | uint8   | class ids                                          |
    | labels_confidence | float32 | the mean probability of that class                 |
    | depth             | float32 | metres for the ensemble's focal length: the        |
    |                   |         | geometric mean                                     |
    | depth_confidence  | float32 | 1 / (1 + deviation of log-depth): 1 where all of   |
    |                   |         | them agree, 0 where one is at the end of its range |
    """

    labels: NDArray[np.uint8] | None
    labels_confidence: NDArray[np.float32] | None
    depth: NDArray[np.float32] | None
    depth_confidence: NDArray[np.float32] | None


class Ensemble:
    """Networks of one label space, each asked at several scales, as it is and mirrored.

    Their depth holds for a camera of focal length `training_f_px`, that of the first of them.
    """

    def __init__(
        self, weights: Sequence[str], scales: Sequence[float] = SCALES, device: str = 'cpu'
    ) -> None:
        """Load weights by name or path.

        Raises FileNotFoundError or ValueError if some are missing or torn, or if their label
        spaces differ.
        """
        self.device = torch.device(device)
        self.bf16 = self.device.type != 'cpu' or has_bf16()
        self.scales = scales
        self.members = [self._load(name) for name in weights]
        spaces = {card.label_space for card, _ in self.members}
        if len(spaces) != 1:
            raise ValueError(
                f'experts speak of the label spaces {", ".join(sorted(spaces)) or "of nobody"}; '
                'name weights of one label space'
            )
        self.label_space = spaces.pop()
        self.training_f_px = self.members[0][0].training_f_px

    def _load(self, name: str) -> tuple[ModelCard, nn.Module]:
        card, network = load_network(name)
        network = network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return card, nn.Sequential(Normalise(card.normalisation).to(self.device), network).eval()

    @torch.inference_mode()
    def ask(self, picture: NDArray[np.uint8]) -> Opinion:
        """Average over the experts, scales and mirrorings for a picture (H, W, 3) RGB."""
        size = picture.shape[:2]
        probabilities, log_depths = [], []
        too_far = torch.zeros(size, dtype=torch.bool, device=self.device)
        for card, network in self.members:
            for scale in self.scales:
                looked_at = nearest_multiples([s * scale for s in size], card.size_divisor)
                # an enlarged picture is one of a longer focal length
                zoom = zoom_between(size, looked_at)
                for maps in self._views(network, picture, looked_at):
                    if 'segmentation' in maps:
                        logits = maps['segmentation'][:, slice(*(card.classes or (None,)))]
                        probabilities.append(_resize(logits, size).softmax(1)[0])
                    if 'depth' in maps:
                        raw = _resize(maps['depth'], size)[0, 0]
                        depth = DEPTH_ACTIVATIONS[card.depth_activation](raw)
                        too_far |= depth >= card.depth_range_m[1]
                        factor = zoom * focal_factor(self.training_f_px, card.training_f_px)
                        log_depths.append((depth.clamp(*card.depth_range_m) * factor).log())
        return Opinion(*_vote(probabilities), *_mean_depth(log_depths, too_far))

    def _views(
        self, network: nn.Module, picture: NDArray[np.uint8], size: Sequence[int]
    ) -> list[dict[str, Tensor]]:
        """Give the raw maps of the picture at a size, as it is and mirrored (turned back)."""
        height, width = size
        way = cv2.INTER_AREA if height < len(picture) else cv2.INTER_LINEAR
        resized = cv2.resize(picture, (width, height), interpolation=way)
        x = torch.from_numpy(resized).to(self.device).permute(2, 0, 1)[None]
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            straight, mirrored = network(x), network(x.flip(-1))
        return [straight, {task: value.flip(-1) for task, value in mirrored.items()}]


def _vote(
    probabilities: Sequence[Tensor],
) -> tuple[NDArray[np.uint8] | None, NDArray[np.float32] | None]:
    if not probabilities:
        return None, None
    confidence, labels = torch.stack(list(probabilities)).mean(0).max(0)
    return labels.to(torch.uint8).cpu().numpy(), confidence.cpu().numpy()


def _mean_depth(
    log_depths: Sequence[Tensor], too_far: Tensor
) -> tuple[NDArray[np.float32] | None, NDArray[np.float32] | None]:
    if not log_depths:
        return None, None
    opinions = torch.stack(list(log_depths))
    confidence = (1 / (1 + opinions.std(0, correction=0))).masked_fill(too_far, 0)
    return opinions.mean(0).exp().cpu().numpy(), confidence.cpu().numpy()


def _resize(x: Tensor, size: Sequence[int]) -> Tensor:
    return functional.interpolate(x.float(), list(size), mode='bilinear', align_corners=False)
