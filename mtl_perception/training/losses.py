"""Losses of single tasks, each over the pixels that carry the annotation (arXiv 1809.04766, 3.3).

Every loss is a mean over its valid pixels, see MEANS, and is zero, with a gradient of zero, where
a batch has none. Where several processes share a batch, what is valid is counted over all of them,
and it is the mean of their losses that is the loss of the batch.
"""

from collections.abc import Callable, Mapping, Sequence
import math

import torch
from torch import nn, Tensor
from torch.nn import functional

from .loop.distributed import max_over_ranks, ranks, sum_over_ranks

# takes losses (B, H, W) and where they are valid
Mean = Callable[[Tensor, Tensor], Tensor]


def over_pixels(loss: Tensor, valid: Tensor) -> Tensor:
    """Take the mean over the valid pixels of all pictures, as the paper does."""
    return loss.where(valid, 0.0).sum() * ranks() / sum_over_ranks(valid.sum()).clamp(min=1)


def over_pictures(loss: Tensor, valid: Tensor) -> Tensor:
    """Take the mean over each picture's valid pixels, then over the pictures that have some.

    A lidar measures one pixel of thirty: beside pictures that are known all over, it hardly counts
    by pixels.
    """
    pixels = valid.sum((1, 2))
    each = loss.where(valid, 0.0).sum((1, 2)) / pixels.clamp(min=1)
    return each.sum() * ranks() / sum_over_ranks((pixels > 0).sum()).clamp(min=1)


MEANS: dict[str, Mean] = {'pixels': over_pixels, 'pictures': over_pictures}


def cross_entropy_of_several(
    logits: Tensor,
    allowed: Tensor,
    parts: Sequence[tuple[int, int]] = (),
    mean: Mean = over_pixels,
) -> Tensor:
    """Negative log-probability of the set of classes that each pixel may be.

    logits are (B, K, h, w), allowed (B, H, W) int64 bit sets (bit k: class k), 0 unlabelled. With
    one bit set this is the cross-entropy. Where the logits are several label spaces side by side,
    `parts` are their [start, stop): a pixel's probabilities are then those within its own part.
    """
    scores = _upsample(logits, allowed)
    classes = torch.arange(logits.shape[1], device=logits.device)
    valid = _known(allowed)
    if len(parts) > 1:
        # unlabelled pixels rival every class, or their gradient would not be finite
        rivals = _rivals(allowed.where(valid, -1), parts).unsqueeze(1)
        scores = scores.masked_fill(~_members(rivals, classes.view(-1, 1, 1)), -torch.inf)
    logs = scores.log_softmax(1)
    highest = allowed.where(valid, 1).double().frexp().exponent.long() - 1
    loss = functional.nll_loss(logs, highest, reduction='none')
    # few pixels may be one of several, and to look at every class is several times the work
    several = allowed & (allowed - 1) > 0
    members = _members(allowed[several].unsqueeze(1), classes)
    chosen = logs.movedim(1, -1)[several].masked_fill(~members, -torch.inf)
    return mean(loss.masked_scatter(several, -chosen.logsumexp(1)), valid)


def _members(sets: Tensor, classes: Tensor) -> Tensor:
    """Tell which classes are in bit sets."""
    return (sets >> classes) & 1 > 0


def _rivals(members: Tensor, parts: Sequence[tuple[int, int]]) -> Tensor:
    """Give the bits of all classes of the parts that the members are of."""
    rivals = torch.zeros_like(members)
    for start, stop in parts:
        part = (1 << stop) - (1 << start)
        rivals |= torch.where(members & part > 0, part, 0)
    return rivals


def log_and_relative_l1(raw: Tensor, depth_m: Tensor, mean: Mean = over_pixels) -> Tensor:
    """Mean of |log(depth / truth)| and |depth / truth - 1|; raw (B, 1, h, w) is log-depth.

    Where the network is in doubt, the first alone settles on the median of what it deems
    possible. The second, AbsRel, draws it nearer: what is called too far costs more than what is
    called too near, as to one who drives. depth_m is NaN where unknown.
    """
    valid = _known(depth_m)
    error = _upsample(raw, depth_m).squeeze(1) - depth_m.where(valid, 1.0).log()
    # beyond a factor of e^2 the first alone pulls, or a fresh network's gradient would burst
    relative = error.clamp(max=2.0).expm1().abs()
    return mean((error.abs() + relative) / 2, valid)


def inverse_huber(raw: Tensor, depth_m: Tensor, mean: Mean = over_pixels) -> Tensor:
    """Inverse Huber loss on metres (arXiv 1606.00373, 3.2), threshold 1/5 of the largest error."""
    valid = _known(depth_m)
    error = (_upsample(raw, depth_m).squeeze(1).abs() - depth_m.where(valid, 0.0)).abs()
    error = error.where(valid, 0.0)
    threshold = (max_over_ranks(error.detach().max()) / 5).clamp(min=1e-6)
    quadratic = (error.square() + threshold.square()) / (2 * threshold)
    return mean(torch.where(error <= threshold, error, quadratic), valid)


def normals_cosine(raw: Tensor, normals: Tensor, mean: Mean = over_pixels) -> Tensor:
    """One minus the cosine; raw (B, 3, h, w), normals (B, 3, H, W) units, NaN if unknown."""
    valid = _known_normals(normals)
    cosine = functional.cosine_similarity(_upsample(raw, normals), normals.nan_to_num(), dim=1)
    return mean(1 - cosine, valid)


DEPTH_LOSSES = {'exp': log_and_relative_l1, 'abs': inverse_huber}


class JointLoss(nn.Module):
    """The weighted sum of the tasks' losses, by weights that are fixed or learnt.

    Learnt weights are those of arXiv 1705.07115: a loss L counts as L / variance + log(variance)
    / 2 for classes and as L / (2 variance) + log(variance) / 2 for depth and normals. They start
    where the first factor is the given weight, and a task that a batch lacks leaves its own alone.
    """

    REGRESSION = 0.5

    def __init__(
        self,
        weights: Mapping[str, float],
        depth_activation: str,
        learnt: bool = False,
        parts: Sequence[tuple[int, int]] = (),
        mean: str = 'pixels',
    ) -> None:
        """Take the weight of each task, one of MEANS, the parts of cross_entropy_of_several."""
        super().__init__()
        self.fixed = dict(weights)
        self.depth_loss = DEPTH_LOSSES[depth_activation]
        self.parts = parts
        self.mean = MEANS[mean]
        self.log_variances = nn.ParameterDict()
        if learnt:
            self.log_variances.update(
                {t: torch.tensor(math.log(self._share(t) / w)) for t, w in weights.items()}
            )

    def forward(
        self, outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Give the weighted sum over the tasks, and each task's loss."""
        each = {task: self._loss(task, output, targets[task]) for task, output in outputs.items()}
        total = torch.stack([self._weighted(t, loss, targets[t]) for t, loss in each.items()])
        return total.sum(), {task: loss.detach() for task, loss in each.items()}

    def weights(self) -> dict[str, float]:
        """Give the factor that each task's loss has now."""
        learnt = {
            task: self._share(task) * math.exp(-float(value.detach()))
            for task, value in self.log_variances.items()
        }
        return self.fixed | learnt

    def _loss(self, task: str, output: Tensor, target: Tensor) -> Tensor:
        if task == 'segmentation':
            return cross_entropy_of_several(output, target, self.parts, self.mean)
        if task == 'depth':
            return self.depth_loss(output, target, self.mean)
        return normals_cosine(output, target, self.mean)

    def _weighted(self, task: str, loss: Tensor, target: Tensor) -> Tensor:
        if task not in self.log_variances:
            return self.fixed[task] * loss
        log_variance: Tensor = self.log_variances[task]
        present = sum_over_ranks(_VALID[task](target).sum()) > 0
        precision = self._share(task) * (-log_variance).exp()
        return present * (precision * loss + log_variance / 2)

    def _share(self, task: str) -> float:
        return 1.0 if task == 'segmentation' else self.REGRESSION


def _known(target: Tensor) -> Tensor:
    """Find the pixels with labels or depth."""
    return target > 0


def _known_normals(target: Tensor) -> Tensor:
    return target.isfinite().all(1)


_VALID = {'segmentation': _known, 'depth': _known, 'normals': _known_normals}


def _upsample(x: Tensor, target: Tensor) -> Tensor:
    size = target.shape[-2:]
    return functional.interpolate(x.float(), size, mode='bilinear', align_corners=False)
