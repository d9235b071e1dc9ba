"""Model cards: what a weights file needs to be used, in a YAML file of the same name."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, MISSING
import hashlib
import math
from pathlib import Path
import re
from typing import Any

from torch import nn
import yaml

from .label_space import label_space, LABEL_SPACES
from .network.checkpoint import load_state, read_weights
from .network.deployed import DeployedNetwork, DEPTH_ACTIVATIONS, NORMALISATIONS
from .network.encoders import ENCODERS
from .network.joint_network import check_tasks, JointNetwork
from .share import share_folders

# names become names of files: no separators, nothing hidden
_NAME = re.compile(r'[A-Za-z0-9][\w.-]*', re.ASCII)


@dataclass(frozen=True)
class ModelCard:
    """How a weights file is to be used, and where it comes from.

    `tasks` gives the channels of each head; `classes` the slice [start, stop) of the segmentation
    logits that `label_space` names (all if None). Depth holds for a camera of focal length
    `training_f_px` (None: unknown). Sizes are (width, height) in pixels. Pictures are stretched to
    multiples of `size_divisor`, which those of the training were.
    """

    name: str
    encoder: str
    tasks: Mapping[str, int]
    label_space: str
    normalisation: str
    depth_activation: str
    depth_range_m: tuple[float, float]
    training_f_px: float | None
    training_size: tuple[int, int] | None
    licence: str
    sha256: str
    classes: tuple[int, int] | None = None
    residual_units: bool = False
    size_divisor: int = 1
    data: str = ''
    metrics: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check what can be checked without the weights. Raises ValueError."""
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                f"name is '{self.name}'; expected letters, digits, '_', '-' and '.', since files "
                'are named by it'
            )
        _check_choice('encoder', self.encoder, ENCODERS)
        if not isinstance(self.tasks, Mapping):
            raise ValueError(f'tasks is {self.tasks!r}; expected channels by task: {{depth: 1}}')
        check_tasks(self.tasks)
        _check_choice('normalisation', self.normalisation, NORMALISATIONS)
        _check_choice('depth_activation', self.depth_activation, DEPTH_ACTIVATIONS)
        _check_choice('label_space', self.label_space, LABEL_SPACES)
        near, far = self.depth_range_m
        if not 0 < near < far:
            raise ValueError(f'depth_range_m is [{near}, {far}]; expected 0 < nearest < farthest')
        self._check_camera()
        if not _is_length(self.size_divisor):
            raise ValueError(
                f'size_divisor is {self.size_divisor!r}; expected whole pixels, 1 or more'
            )
        self._check_classes()

    def _check_camera(self) -> None:
        f_px, size = self.training_f_px, self.training_size
        if f_px is not None and not (isinstance(f_px, int | float) and 0 < f_px < math.inf):
            raise ValueError(f'training_f_px is {f_px!r}; expected a number > 0, finite, or null')
        pair = isinstance(size, tuple) and len(size) == 2
        if size is not None and not (pair and all(map(_is_length, size))):
            found = list(size) if isinstance(size, tuple) else repr(size)
            raise ValueError(
                f'training_size is {found}; expected [width, height] in whole pixels, or null'
            )

    def _check_classes(self) -> None:
        logits = self.tasks.get('segmentation')
        if logits is None:
            return
        start, stop = self.classes or (0, logits)
        expected = len(label_space(self.label_space).names)
        if not 0 <= start < stop <= logits or stop - start != expected:
            raise ValueError(
                f'classes [{start}, {stop}) of {logits} logits do not give the {expected} classes '
                f"of label space '{self.label_space}'"
            )

    def build(self) -> JointNetwork:
        """Build the network, randomly initialised."""
        return JointNetwork(self.encoder, self.tasks, self.residual_units)

    def deploy(self, network: nn.Module) -> DeployedNetwork:
        """Wrap the network in what this card says of its input and output."""
        return DeployedNetwork(
            network,
            self.normalisation,
            self.depth_activation,
            self.depth_range_m,
            self.classes,
            label_space(self.label_space).id_of('sky'),
            self.size_divisor,
        ).eval()


def find_weights(weights: str | Path) -> Path:
    """Find a weights file: the path of a .safetensors, or a name in the weights folder.

    Raises FileNotFoundError that names the places looked at.
    """
    path = Path(weights)
    if path.suffix == '.safetensors':
        if path.is_file():
            return path
        raise FileNotFoundError(f'weights {path} do not exist; correct the path')
    candidates = [folder / 'weights' / f'{weights}.safetensors' for folder in share_folders()]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    places = ', '.join(str(c.parent) for c in candidates) or 'the share folders, as there are none'
    raise FileNotFoundError(
        f"weights '{weights}' are in none of {places}; "
        'give one of the names there, or the path of a .safetensors file'
    )


def read_card(weights_path: Path) -> ModelCard:
    """Read the card beside a weights file and compare the checksum.

    Raises FileNotFoundError if the card is missing, ValueError if it is not a card or the
    weights are not the ones that it describes.
    """
    path = weights_path.with_suffix('.yaml')
    if not path.is_file():
        raise FileNotFoundError(
            f'model card {path} is missing; put it beside the weights, or make one by '
            '`mtl_perception import-checkpoint`'
        )
    card = parse_card(path)
    found = sha256_of(weights_path)
    if found != card.sha256:
        raise ValueError(
            f'weights {weights_path} have sha256 {found}, their card expects {card.sha256}; '
            'copy both files again'
        )
    return card


def load_network(weights: str | Path) -> tuple[ModelCard, JointNetwork]:
    """Load weights by name or path, see find_weights, with their card.

    Raises FileNotFoundError or ValueError if one of the two files is missing or torn, or they do
    not fit each other.
    """
    path = find_weights(weights)
    card = read_card(path)
    network = card.build()
    load_state(network, read_weights(path), path)
    return card, network


def parse_card(path: Path) -> ModelCard:
    """Parse a card; ValueError names the file and what is wrong in it."""
    try:
        values = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f'model card {path} is not YAML: {error}') from error
    if not isinstance(values, dict):
        raise ValueError(f'model card {path} holds {type(values).__name__}; expected keys')
    known = {f.name: f for f in fields(ModelCard)}
    required = {n for n, f in known.items() if f.default is f.default_factory is MISSING}
    unknown, missing = values.keys() - known.keys(), required - values.keys()
    if unknown or missing:
        raise ValueError(
            f'model card {path} has unknown keys {sorted(map(str, unknown))} and lacks '
            f'{sorted(missing)}; '
            f'known are {", ".join(known)}'
        )
    fixed: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    try:
        return ModelCard(**fixed)
    except (TypeError, ValueError) as error:
        raise ValueError(f'model card {path} is wrong: {error}') from error


def write_card(card: ModelCard, weights_path: Path) -> None:
    """Write the card beside its weights."""
    values = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(card).items()}
    weights_path.with_suffix('.yaml').write_text(yaml.safe_dump(values, sort_keys=False, width=99))


def sha256_of(path: Path) -> str:
    """Give the sha256 of a file's content, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _is_length(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _check_choice(key: str, value: str, known: Mapping[str, object]) -> None:
    if value not in known:
        raise ValueError(f"{key} is '{value}'; choose of {', '.join(known)}")
