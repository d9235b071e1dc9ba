"""The texture array: every layer by its painter."""

from collections.abc import Callable

import numpy as np

from .canvas import Generator, grey, SIDE_PX, Texture
from .cards import blades, leaves, sign, wire
from .facades import facade, OPENINGS
from .layers import Layer
from .surfaces import asphalt, bark, grass, plaster, soil, tiles
from .worn import cloth, lettering, metal, notices, planks


def texture_array(seed: int) -> Texture:
    """Draw all layers, (layers, SIDE_PX, SIDE_PX, 4)."""
    layers = np.full((max(Layer) + 1, SIDE_PX, SIDE_PX, 4), 255, np.uint8)
    for layer, draw in _PAINTERS.items():
        layers[layer] = draw(np.random.default_rng((seed, layer)))
    return layers


_PAINTERS: dict[Layer, Callable[[Generator], Texture]] = {
    Layer.PLAIN: lambda rng: grey(np.ones((SIDE_PX, SIDE_PX), np.float32)),
    Layer.ASPHALT: lambda rng: asphalt(rng, patches=False),
    Layer.OLD_ASPHALT: lambda rng: asphalt(rng, patches=True),
    Layer.PAVING: lambda rng: tiles(rng, 16, 8, 3, 0.05),
    Layer.SLABS: lambda rng: tiles(rng, 8, 8, 3, 0.05),
    Layer.GRASS: grass,
    Layer.SOIL: soil,
    Layer.PLASTER: plaster,
    Layer.BRICK: lambda rng: tiles(rng, 32, 12, 2, 0.09),
    Layer.STONE: lambda rng: tiles(rng, 14, 7, 4, 0.12),
    Layer.ROOF: lambda rng: tiles(rng, 20, 16, 4, 0.09),
    Layer.BARK: bark,
    **{kind: lambda rng, kind=kind: facade(rng, kind) for kind in OPENINGS},  # type: ignore[misc]
    **{
        kind: lambda rng, kind=kind: sign(kind)  # type: ignore[misc]
        for kind in (Layer.SIGN_LIMIT, Layer.SIGN_STOP, Layer.SIGN_BLUE)
    },
    Layer.CLOTH: lambda rng: cloth(rng, checked=False),
    Layer.CHECKED_CLOTH: lambda rng: cloth(rng, checked=True),
    Layer.METAL: metal,
    Layer.PLANKS: planks,
    Layer.NOTICES: notices,
    Layer.SIGN_TEXT: lettering,
    Layer.LEAVES: lambda rng: leaves(rng, 520, 34, 18),
    Layer.NEEDLES: lambda rng: leaves(rng, 900, 44, 6),
    Layer.LARGE_LEAVES: lambda rng: leaves(rng, 230, 58, 34),
    Layer.BLADES: blades,
    Layer.WIRE: wire,
}
