import math

import pytest
import torch
from torch import nn, Tensor
from torch.nn import functional

from mtl_perception.network.deployed import DeployedNetwork, nearest_multiples, Normalise

SIZE = (37, 70)
RANGE_M = (0.5, 80.0)


class Maps(nn.Module):
    """Stands for the joint network: gives fixed maps and remembers its input."""

    def __init__(self, **maps: Tensor) -> None:
        super().__init__()
        self.maps = maps

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        self.input = x
        return self.maps


def deploy(
    classes: tuple[int, int] | None = None, activation: str = 'exp', **maps: Tensor
) -> DeployedNetwork:
    return DeployedNetwork(Maps(**maps), 'symmetric', activation, RANGE_M, classes).eval()


def pictures(count: int = 1, size: tuple[int, int] = SIZE) -> Tensor:
    return torch.randint(0, 256, (count, *size, 3), dtype=torch.uint8)


def test_the_network_sees_normalised_rgb_of_the_whole_picture() -> None:
    network = deploy(depth=torch.zeros(2, 1, 10, 18))
    batch = pictures(2)
    network(batch)
    expected = batch.permute(0, 3, 1, 2).double() / 127.5 - 1
    torch.testing.assert_close(network.network.input.double(), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ('size', 'divisor', 'expected'),
    [
        ((375, 1242), 32, (384, 1248)),
        ((360, 480), 32, (352, 480)),
        ((480, 640), 32, (480, 640)),
        ((9, 3), 32, (32, 32)),
        ((37, 70), 1, (37, 70)),
    ],
)
def test_the_nearest_multiples_of_a_size(
    size: tuple[int, int], divisor: int, expected: tuple[int, int]
) -> None:
    assert nearest_multiples(size, divisor) == expected


def test_pictures_are_stretched_to_what_the_network_was_trained_on() -> None:
    maps = {'depth': torch.zeros(1, 1, 8, 16), 'segmentation': torch.zeros(1, 8, 8, 16)}
    network = DeployedNetwork(Maps(**maps), 'symmetric', 'exp', RANGE_M, size_divisor=32)
    batch = pictures()
    outputs = network(batch)
    stretched = functional.interpolate(
        batch.permute(0, 3, 1, 2).double(), (32, 64), mode='bilinear', align_corners=False
    )
    seen = network.network.input.double()
    torch.testing.assert_close(seen, stretched / 127.5 - 1, rtol=0, atol=1e-5)
    # what is 1 m away in the picture that is looked at, a smaller one, is nearer in the camera's
    nearer = math.sqrt(32 * 64 / (37 * 70))
    torch.testing.assert_close(outputs.depth, torch.full((1, *SIZE), nearer))
    assert outputs.labels.shape == (1, *SIZE)


def test_imagenet_normalisation_is_torchvision_s() -> None:
    batch = pictures().permute(0, 3, 1, 2)
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    deviation = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    torch.testing.assert_close(Normalise('imagenet')(batch), (batch / 255 - mean) / deviation)


def test_logits_are_upsampled_before_the_class_is_chosen() -> None:
    """Between pixels of classes 0 and 2, class 1, second in both, wins; ids would not say so."""
    logits = torch.tensor([[5.0, 0.0], [4.0, 4.0], [0.0, 5.0]]).view(1, 3, 1, 2)
    labels = deploy(segmentation=logits)(pictures(size=(1, 8))).labels
    assert labels.tolist() == [[[0, 0, 0, 1, 1, 2, 2, 2]]]
    upsampled_ids = functional.interpolate(logits.argmax(1, keepdim=True).float(), (1, 8))
    assert 1 not in upsampled_ids


def test_the_confidence_is_the_softmax_maximum_times_255() -> None:
    logits = torch.log(torch.tensor([0.2, 0.7, 0.1])).view(1, 3, 1, 1).expand(1, 3, 2, 3) + 40
    outputs = deploy(segmentation=logits)(pictures(size=(8, 12)))
    assert outputs.confidence.unique().tolist() == [round(0.7 * 255)]
    assert outputs.confidence.dtype == torch.uint8
    certain = deploy(segmentation=torch.tensor([900.0, -900.0]).view(1, 2, 1, 1))
    assert certain(pictures()).confidence.unique().tolist() == [255]


@pytest.mark.parametrize(
    ('activation', 'raw', 'depth_m'),
    [
        ('exp', [0.0, 2.0, -3.0, 9.0], [1.0, 7.389056, 0.5, math.inf]),
        ('abs', [1.0, -7.25, 0.01, -90.0], [1.0, 7.25, 0.5, math.inf]),
    ],
)
def test_depth_is_activated_and_beyond_its_range_infinite(
    activation: str, raw: list[float], depth_m: list[float]
) -> None:
    network = deploy(activation=activation, depth=torch.tensor(raw).view(4, 1, 1, 1))
    found = network(pictures(4, (4, 4))).depth
    assert found.shape == (4, 4, 4)
    for one, expected in zip(found, depth_m, strict=True):
        torch.testing.assert_close(one, torch.full((4, 4), expected))


def test_the_sky_is_infinitely_far() -> None:
    logits = torch.tensor([[5.0, 0.0], [0.0, 5.0]]).view(1, 2, 1, 2)
    maps = {'segmentation': logits, 'depth': torch.ones(1, 1, 1, 2)}
    network = DeployedNetwork(Maps(**maps), 'symmetric', 'exp', RANGE_M, sky=1)
    outputs = network(pictures(size=(1, 8)))
    assert outputs.labels.tolist() == [[[0, 0, 0, 0, 1, 1, 1, 1]]]
    assert outputs.depth.isinf().tolist() == [[[False] * 4 + [True] * 4]]


def test_the_absolute_value_is_taken_after_resizing() -> None:
    """As the authors do: between -2 and 2 depth passes through zero."""
    network = deploy(activation='abs', depth=torch.tensor([-2.0, 2.0]).view(1, 1, 1, 2))
    assert network(pictures(size=(1, 8))).depth.tolist() == [[[2, 2, 1.5, 0.5, 0.5, 1.5, 2, 2]]]


def test_a_slice_of_the_classes_is_counted_from_its_start() -> None:
    logits = torch.randn(2, 46, 10, 18)
    whole = deploy(segmentation=logits[:, 40:])
    part = deploy(classes=(40, 46), segmentation=logits)
    batch = pictures(2)
    for name in ('labels', 'confidence'):
        torch.testing.assert_close(getattr(part(batch), name), getattr(whole(batch), name))
    assert part(batch).labels.max() < 6


def test_tasks_that_the_network_lacks_are_none() -> None:
    outputs = deploy(normals=torch.randn(1, 3, 10, 18))(pictures())
    assert (outputs.labels, outputs.confidence, outputs.depth) == (None, None, None)
    outputs = deploy(depth=torch.zeros(1, 1, 10, 18))(pictures())
    assert (outputs.labels, outputs.confidence, outputs.normals) == (None, None, None)


def test_all_outputs_equal_the_definition_written_plainly() -> None:
    torch.manual_seed(0)
    maps = {task: torch.randn(2, c, 10, 18) for task, c in [('segmentation', 8), ('normals', 3)]}
    maps['depth'] = torch.randn(2, 1, 10, 18) * 2 + 2
    outputs = deploy(**maps)(pictures(2))
    full = {
        task: functional.interpolate(x.double(), SIZE, mode='bilinear', align_corners=False)
        for task, x in maps.items()
    }
    probabilities = functional.softmax(full['segmentation'], 1).max(1)
    sure = full['segmentation'].topk(2, 1).values.diff(dim=1).squeeze(1).abs() > 1e-5
    assert (outputs.labels == probabilities.indices)[sure].all()
    assert outputs.labels.dtype == torch.uint8
    assert (outputs.confidence - probabilities.values * 255).abs().max() < 0.501
    depth = full['depth'].exp()[:, 0]
    expected = torch.where(depth >= RANGE_M[1], math.inf, depth.clamp(min=RANGE_M[0]))
    torch.testing.assert_close(outputs.depth.double(), expected, rtol=1e-5, atol=0)
    lengths = full['normals'].norm(dim=1, keepdim=True)
    unit = (full['normals'] / lengths).permute(0, 2, 3, 1)
    torch.testing.assert_close(outputs.normals.double(), unit, rtol=1e-4, atol=1e-4)
    assert outputs.normals.shape == (2, *SIZE, 3)
