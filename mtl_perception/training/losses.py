"""Losses of single tasks, each over the pixels that carry the annotation (arXiv 1809.04766, 3.3).

Every loss divides by the number of its valid pixels, and is zero, with a gradient of zero, where
a batch has none.
"""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional


def cross_entropy_of_several(logits: Tensor, allowed: Tensor) -> Tensor:
    """Negative log-probability of the set of classes that each pixel may be.

    logits are (B, K, h, w), allowed (B, H, W) int64 bit sets (bit k: class k), 0 unlabelled. With
    one bit set this is the cross-entropy.
    """
    log_probabilities = _upsample(logits, allowed).log_softmax(1)
    classes = torch.arange(logits.shape[1], device=logits.device).view(1, -1, 1, 1)
    possible = (allowed.unsqueeze(1) >> classes) & 1 > 0
    valid = allowed > 0
    # unlabelled pixels take every class, or their gradient would not be finite
    kept = log_probabilities.masked_fill(~(possible | ~valid.unsqueeze(1)), -torch.inf)
    return _masked_mean(-kept.logsumexp(1), valid)


def log_and_relative_l1(raw: Tensor, depth_m: Tensor) -> Tensor:
    """Mean of |log(depth / truth)| and |depth / truth - 1|; raw (B, 1, h, w) is log-depth.

    Where the network is in doubt, the first alone settles on the median of what it deems
    possible. The second, AbsRel, draws it nearer: what is called too far costs more than what is
    called too near, as to one who drives. depth_m is NaN where unknown.
    """
    valid = depth_m > 0
    error = _upsample(raw, depth_m).squeeze(1) - depth_m.where(valid, 1.0).log()
    # beyond a factor of e^2 the first alone pulls, or a fresh network's gradient would burst
    relative = error.clamp(max=2.0).expm1().abs()
    return _masked_mean((error.abs() + relative) / 2, valid)


def inverse_huber(raw: Tensor, depth_m: Tensor) -> Tensor:
    """Inverse Huber loss on metres (arXiv 1606.00373, 3.2), threshold 1/5 of the largest error."""
    valid = depth_m > 0
    error = (_upsample(raw, depth_m).squeeze(1).abs() - depth_m.where(valid, 0.0)).abs()
    error = error.where(valid, 0.0)
    threshold = (error.detach().max() / 5).clamp(min=1e-6)
    quadratic = (error.square() + threshold.square()) / (2 * threshold)
    return _masked_mean(torch.where(error <= threshold, error, quadratic), valid)


def normals_cosine(raw: Tensor, normals: Tensor) -> Tensor:
    """One minus the cosine; raw (B, 3, h, w), normals (B, 3, H, W) units, NaN if unknown."""
    valid = normals.isfinite().all(1)
    cosine = functional.cosine_similarity(_upsample(raw, normals), normals.nan_to_num(), dim=1)
    return _masked_mean(1 - cosine, valid)


DEPTH_LOSSES = {'exp': log_and_relative_l1, 'abs': inverse_huber}


def joint_loss(
    outputs: Mapping[str, Tensor],
    targets: Mapping[str, Tensor],
    weights: Mapping[str, float],
    depth_activation: str,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Give the weighted sum over the tasks, and each task's loss."""
    losses = {
        'segmentation': cross_entropy_of_several,
        'depth': DEPTH_LOSSES[depth_activation],
        'normals': normals_cosine,
    }
    each = {task: losses[task](output, targets[task]) for task, output in outputs.items()}
    total = torch.stack([weights[task] * loss for task, loss in each.items()]).sum()
    return total, {task: loss.detach() for task, loss in each.items()}


def _upsample(x: Tensor, target: Tensor) -> Tensor:
    size = target.shape[-2:]
    return functional.interpolate(x.float(), size, mode='bilinear', align_corners=False)


def _masked_mean(loss: Tensor, valid: Tensor) -> Tensor:
    return loss.where(valid, 0.0).sum() / valid.sum().clamp(min=1)
