"""Write the weights of a run with a model card that states what they reach on val."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mtl_perception.engine import Engine
from mtl_perception.label_space import label_space, Part
from mtl_perception.model_card import sha256_of, write_card
from mtl_perception.network.checkpoint import load_state, write_weights
from mtl_perception.network.rounding import DTYPES
from mtl_perception.offline.evaluate import evaluate_rows, write_report
from mtl_perception.recordings.layouts.catalogue import read_all

from .datasets import has_truth, scorable
from .loop.run import read_checkpoint
from .recipe import add_recipe_arguments, chosen_recipe, Recipe, recipe_from

# what a card says of the network by its recipe
STATED = (
    *('encoder', 'tasks', 'label_space', 'normalisation', 'depth_activation', 'depth_range_m'),
    *('training_f_px', 'size_divisor'),
)
_PREFIX = 'module.'


def main(arguments: Sequence[str] | None = None) -> None:
    """Release the moving average of a checkpoint: half precision, then scored as written.

    Raises ValueError if no picture of split val can be scored.
    """
    options = _parse(arguments)
    recipe = chosen_recipe(options)
    state = read_checkpoint(options.checkpoint)
    trained = _trained(state, recipe, options.checkpoint)
    card = recipe.card(_part(recipe, options.domain))
    rows = [
        row
        for row in read_all(options.data[:1], 'val')
        if scorable(row, recipe.tasks, card.label_space) and has_truth(row, recipe.tasks)
    ]
    if not rows:
        raise ValueError(
            f'{options.data[0]} has no picture of split val with truth of people or sensors that '
            f"means anything in '{card.label_space}'; name first what is to be scored on"
        )
    weights = options.output / f'{card.name}.safetensors'
    earlier = [recipe_from(x['recipe'], options.checkpoint) for x in state.get('earlier', ())]
    card = replace(card, data=_history(options.data, [*earlier, trained], state))
    network = card.build()
    average = {k.removeprefix(_PREFIX): v for k, v in state['average'].items() if _PREFIX in k}
    load_state(network, average, options.checkpoint)
    round_as_trained(network, trained.precision)
    options.output.mkdir(parents=True, exist_ok=True)
    write_weights(network, weights)
    card = replace(card, sha256=sha256_of(weights))
    write_card(card, weights)
    report = evaluate_rows(rows, Engine(weights), 'val')
    write_card(replace(card, metrics=_rounded(report)), weights)
    write_report(report, None)


@torch.no_grad()
def round_as_trained(network: nn.Module, precision: str) -> None:
    """Round the convolutions' parameters as autocast did in training, in place.

    Batch norms have learnt the statistics of what came out of the rounded filters: with the exact
    ones, each would be a little off, all over the picture.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            for parameter in module.parameters():
                parameter.copy_(parameter.to(DTYPES[precision]))


def _part(recipe: Recipe, domain: str | None) -> Part:
    """Choose the label space to answer in, where the recipe's is several side by side."""
    parts = {part.space: part for part in label_space(recipe.label_space).parts()}
    if domain is None and len(parts) == 1:
        return next(iter(parts.values()))
    if domain not in parts:
        raise ValueError(
            f"domain '{domain}' is none of {', '.join(parts)}, which the recipe's label space "
            f"'{recipe.label_space}' has; name one by --domain"
        )
    return parts[domain]


def _trained(state: Mapping[str, Any], recipe: Recipe, path: Path) -> Recipe:
    """Give the recipe of a checkpoint, which is to state what the card will; older have none."""
    if 'recipe' not in state:
        return recipe
    trained = recipe_from(state['recipe'], path)
    differing = [key for key in STATED if getattr(trained, key) != getattr(recipe, key)]
    if differing:
        raise ValueError(
            f'checkpoint {path} was trained by a recipe that differs in {", ".join(differing)}; '
            'give the recipe of the run'
        )
    return trained


def _history(data: Sequence[str], recipes: Sequence[Recipe], state: Mapping[str, Any]) -> str:
    """Say what the network was begun with, and what it has seen since, by one recipe or more."""
    taken = {
        source
        for each in recipes
        for group in each.groups
        for source in group.sources
        if source not in each.without_sources
    }
    rows = read_all(data, 'train')
    counts = {s: sum(row.source == s for row in rows) for s in sorted(taken)}
    # of what is no longer in the data, nobody knows how much it was
    listed = ', '.join(f'{source} ({count or "?"})' for source, count in counts.items())
    left = set.intersection(*(set(each.without_sources) for each in recipes))
    without = ', '.join(sorted(left)) or 'nothing'
    pretrained = recipes[0].pretrained
    encoder = f'the encoder of {pretrained}' if pretrained else 'random weights'
    begun = state.get('start_from', 'what the checkpoint does not tell') or encoder
    return (
        f'{state["step"]} steps from {begun}, on the train pictures of {listed}; '
        f'left out: {without}'
    )


def _rounded(value: Any) -> Any:
    """Round figures to what is worth reading."""
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    return round(value, 4) if isinstance(value, float) else value


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add_recipe_arguments(parser)
    parser.add_argument('checkpoint', type=Path, help='its checkpoint.pt')
    parser.add_argument(
        '--data',
        nargs='+',
        required=True,
        help='the data of the run; the first is the one to score on',
    )
    parser.add_argument('--output', type=Path, default=Path('weights'), help='folder to write to')
    parser.add_argument('--domain', help='the label space to answer in, of several joined ones')
    return parser.parse_args(arguments)


if __name__ == '__main__':
    main()
