import math
from typing import ClassVar

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from mtl_perception.training.losses import (
    cross_entropy_of_several,
    inverse_huber,
    JointLoss,
    log_and_relative_l1,
    normals_cosine,
    over_pictures,
    over_pixels,
)

NAN = float('nan')


def full(*values: float) -> Tensor:
    """Give one row of depths or raw values, (1, n)."""
    return torch.tensor([values])


def raw(*values: float) -> Tensor:
    return full(*values)[None, None].requires_grad_()


def test_with_one_class_allowed_it_is_the_cross_entropy() -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 8, 6, 9, requires_grad=True)
    labels = torch.randint(0, 9, (2, 6, 9))
    allowed = torch.where(labels < 8, 1 << labels, 0)
    found = cross_entropy_of_several(logits, allowed)
    expected = functional.cross_entropy(logits, labels, ignore_index=8)
    torch.testing.assert_close(found, expected)
    for ours, theirs in zip(
        torch.autograd.grad(found, logits), torch.autograd.grad(expected, logits), strict=True
    ):
        torch.testing.assert_close(ours, theirs)


def test_of_several_classes_the_probabilities_are_added() -> None:
    logits = torch.log(torch.tensor([0.1, 0.2, 0.3, 0.4])).view(1, 4, 1, 1)
    loss = cross_entropy_of_several(logits, torch.tensor([[[0b1010]]]))
    assert loss.item() == pytest.approx(-math.log(0.2 + 0.4))
    everything = cross_entropy_of_several(logits, torch.tensor([[[0b1111]]]))
    assert everything.item() == pytest.approx(0, abs=1e-6)


def test_small_logits_are_taken_to_the_size_of_the_labels() -> None:
    logits = torch.randn(1, 3, 2, 2)
    labels = torch.randint(0, 3, (1, 5, 7))
    large = functional.interpolate(logits, (5, 7), mode='bilinear', align_corners=False)
    torch.testing.assert_close(
        cross_entropy_of_several(logits, 1 << labels), functional.cross_entropy(large, labels)
    )


def test_unlabelled_pixels_have_no_gradient_and_no_weight() -> None:
    logits = (torch.randn(1, 4, 1, 3) * 100).requires_grad_()
    loss = cross_entropy_of_several(logits, torch.tensor([[[0, 0b0110, 0]]]))
    alone = cross_entropy_of_several(logits[..., 1:2], torch.tensor([[[0b0110]]]))
    torch.testing.assert_close(loss, alone)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert gradient.isfinite().all()
    assert not gradient[..., [0, 2]].any()
    assert gradient[..., 1].any()


def test_log_depth_by_hand_over_the_valid_pixels_only() -> None:
    prediction = raw(1.0, 2.0, 3.0, 4.0)
    loss = log_and_relative_l1(prediction, full(math.e, math.exp(4), NAN, 0.0)[None])
    shortfall = math.exp(-2)
    assert loss.item() == pytest.approx((0 + (2 + 1 - shortfall) / 2) / 2)
    (gradient,) = torch.autograd.grad(loss, prediction)
    expected = torch.tensor([-(1 + shortfall) / 4, 0.0, 0.0])
    torch.testing.assert_close(gradient[0, 0, 0, 1:], expected)


def test_depth_that_is_too_far_costs_more_than_too_near_but_not_without_bound() -> None:
    errors = torch.tensor([-1.0, 1.0, 2.0, 9.0])
    losses, slopes = [], []
    for error in errors:
        prediction = raw(float(error))
        loss = log_and_relative_l1(prediction, full(1.0)[None])
        losses.append(loss.item())
        slopes.append(torch.autograd.grad(loss, prediction)[0].item())
    assert losses[0] < losses[1] < losses[2] < losses[3]
    assert -1 < slopes[0] < 0
    assert slopes[1] == pytest.approx((1 + math.e) / 2)
    assert slopes[3] == pytest.approx(0.5)


def test_inverse_huber_by_hand() -> None:
    """Errors 1, 2 and 10: a threshold of 2, beyond which (x² + 4) / 4 holds."""
    prediction = raw(11.0, -18.0, 40.0, 5.0)
    loss = inverse_huber(prediction, full(10.0, 20.0, 30.0, NAN)[None])
    assert loss.item() == pytest.approx((1 + 2 + (100 + 4) / 4) / 3)
    (gradient,) = torch.autograd.grad(loss, prediction)
    # 1, then the sign of the absolute value, then x / 2; no gradient through the threshold
    torch.testing.assert_close(gradient[0, 0, 0], torch.tensor([1 / 3, 1 / 3, 5 / 3, 0.0]))


def test_a_perfect_depth_has_no_loss_and_a_finite_gradient() -> None:
    for loss_of, value in ((inverse_huber, 10.0), (log_and_relative_l1, math.log(10.0))):
        prediction = raw(value, value)
        loss = loss_of(prediction, full(10.0, 10.0)[None])
        assert loss.item() == pytest.approx(0, abs=1e-6)
        assert torch.autograd.grad(loss, prediction)[0].isfinite().all()


def test_normals_by_hand() -> None:
    prediction = torch.tensor([[0.0, 0.0, 2.0], [3.0, 0.0, 0.0], [1.0, 1.0, 1.0]]).T.view(
        1, 3, 1, 3
    )
    truth = torch.tensor([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [NAN, NAN, NAN]]).T.view(1, 3, 1, 3)
    prediction.requires_grad_()
    loss = normals_cosine(prediction, truth)
    assert loss.item() == pytest.approx((0 + 1) / 2)
    (gradient,) = torch.autograd.grad(loss, prediction)
    assert gradient.isfinite().all()
    assert not gradient[..., 2].any()


@pytest.mark.parametrize(
    ('loss_of', 'channels', 'nothing'),
    [
        (cross_entropy_of_several, 8, torch.zeros(2, 9, 9, dtype=torch.int64)),
        (log_and_relative_l1, 1, torch.full((2, 9, 9), NAN)),
        (inverse_huber, 1, torch.full((2, 9, 9), NAN)),
        (normals_cosine, 3, torch.full((2, 3, 9, 9), NAN)),
    ],
)
def test_without_an_annotation_loss_and_gradient_are_zero(
    loss_of: object, channels: int, nothing: Tensor
) -> None:
    prediction = torch.randn(2, channels, 3, 3, requires_grad=True)
    loss = loss_of(prediction, nothing)
    assert loss.item() == 0
    (gradient,) = torch.autograd.grad(loss, prediction)
    assert not gradient.any()


def test_pictures_count_alike_however_much_of_them_is_known() -> None:
    losses = torch.tensor([[[6.0, 50.0, 50.0]], [[1.0, 2.0, 3.0]], [[70.0, 70.0, 70.0]]])
    valid = torch.tensor([[[True, False, False]], [[True] * 3], [[False] * 3]])
    assert over_pixels(losses, valid).item() == pytest.approx((6 + 1 + 2 + 3) / 4)
    assert over_pictures(losses, valid).item() == pytest.approx((6 + 2) / 2)


def test_the_joint_loss_is_of_the_mean_that_is_asked_for() -> None:
    truth = torch.tensor([[[1.0, NAN, NAN]], [[1.0, 1.0, 1.0]]])
    depth = torch.tensor([[[1.0, 0.0, 0.0]], [[0.0, 0.0, 0.0]]])[:, None]
    off = log_and_relative_l1(depth[:1], truth[:1]).item()
    found = {
        mean: JointLoss({'depth': 1.0}, 'exp', mean=mean)({'depth': depth}, {'depth': truth})[0]
        for mean in ('pixels', 'pictures')
    }
    assert found['pixels'].item() == pytest.approx(off / 4)
    assert found['pictures'].item() == pytest.approx(off / 2)


@pytest.mark.parametrize(
    ('activation', 'depth_loss'), [('exp', log_and_relative_l1), ('abs', inverse_huber)]
)
def test_the_joint_loss_is_the_weighted_sum(activation: str, depth_loss: object) -> None:
    torch.manual_seed(0)
    outputs = {'segmentation': torch.randn(2, 8, 3, 3), 'depth': torch.randn(2, 1, 3, 3)}
    targets = {
        'segmentation': 1 << torch.randint(0, 8, (2, 12, 12)),
        'depth': torch.rand(2, 12, 12) * 50 + 1,
    }
    weights = {'segmentation': 2.0, 'depth': 0.5, 'normals': 9.0}
    total, each = JointLoss(weights, activation)(outputs, targets)
    one = cross_entropy_of_several(outputs['segmentation'], targets['segmentation'])
    other = depth_loss(outputs['depth'], targets['depth'])
    torch.testing.assert_close(total, 2 * one + 0.5 * other)
    torch.testing.assert_close(each, {'segmentation': one, 'depth': other})


class TestLabelSpacesSideBySide:
    PARTS = ((0, 3), (3, 5))

    def test_a_pixel_is_learnt_in_the_classes_of_its_own_part(self) -> None:
        torch.manual_seed(0)
        logits = torch.randn(2, 5, 4, 4, requires_grad=True)
        labels = torch.stack([torch.randint(0, 3, (4, 4)), torch.randint(3, 5, (4, 4))])
        loss = cross_entropy_of_several(logits, 1 << labels, self.PARTS)
        first = functional.cross_entropy(logits[:1, :3], labels[:1])
        second = functional.cross_entropy(logits[1:, 3:], labels[1:] - 3)
        torch.testing.assert_close(loss, (first + second) / 2)
        (gradient,) = torch.autograd.grad(loss, logits)
        assert gradient.isfinite().all()
        assert not gradient[0, 3:].any()
        assert not gradient[1, :3].any()

    def test_unions_and_unlabelled_pixels_are_as_elsewhere(self) -> None:
        logits = torch.randn(1, 5, 1, 3, requires_grad=True)
        allowed = torch.tensor([[[0b00101, 0, 0b11000]]])
        loss = cross_entropy_of_several(logits, allowed, self.PARTS)
        alone = cross_entropy_of_several(logits[:, :3, :, :1], torch.tensor([[[0b101]]]))
        # both classes of a part of two are certain, and count as a valid pixel
        torch.testing.assert_close(loss, alone / 2)
        (gradient,) = torch.autograd.grad(loss, logits)
        assert gradient.isfinite().all()
        assert not gradient[..., 1].any()


class TestLearntWeights:
    WEIGHTS: ClassVar = {'segmentation': 2.0, 'depth': 0.05}

    def outputs(self) -> dict[str, Tensor]:
        torch.manual_seed(0)
        return {'segmentation': torch.randn(1, 4, 3, 3), 'depth': torch.randn(1, 1, 3, 3)}

    def targets(self) -> dict[str, Tensor]:
        return {'segmentation': torch.ones(1, 6, 6).long(), 'depth': torch.full((1, 6, 6), 7.0)}

    def test_they_start_as_given_and_pay_for_their_variance(self) -> None:
        loss = JointLoss(self.WEIGHTS, 'exp', learnt=True)
        assert loss.weights() == pytest.approx(self.WEIGHTS)
        total, each = loss(self.outputs(), self.targets())
        # log variances: -log(2) for classes, -log(0.05 / 0.5) for a regression
        expected = 2 * each['segmentation'] + 0.05 * each['depth']
        torch.testing.assert_close(total, expected + (math.log(10) - math.log(2)) / 2)

    def test_they_settle_where_the_formula_has_its_minimum(self) -> None:
        """At weight 1 / (2 L) of classes, and 1 / (2 L) of a regression too."""
        loss = JointLoss(self.WEIGHTS, 'exp', learnt=True)
        optimiser = torch.optim.SGD(loss.parameters(), lr=0.5)
        outputs, targets = self.outputs(), self.targets()
        for _ in range(200):
            optimiser.zero_grad()
            total, each = loss(outputs, targets)
            total.backward()
            optimiser.step()
        for task, value in each.items():
            assert loss.weights()[task] == pytest.approx(0.5 / float(value), rel=1e-3)

    def test_a_task_that_a_batch_lacks_leaves_its_weight_alone(self) -> None:
        loss = JointLoss(self.WEIGHTS, 'exp', learnt=True)
        targets = {**self.targets(), 'depth': torch.full((1, 6, 6), NAN)}
        loss(self.outputs(), targets)[0].backward()
        assert float(loss.log_variances['depth'].grad) == 0
        assert float(loss.log_variances['segmentation'].grad) != 0

    def test_fixed_weights_are_not_learnt(self) -> None:
        loss = JointLoss(self.WEIGHTS, 'exp')
        assert not list(loss.parameters())
        assert not loss.state_dict()
        assert loss.weights() == self.WEIGHTS
