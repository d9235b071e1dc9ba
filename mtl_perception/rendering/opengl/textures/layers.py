"""The layers of the texture array by name."""

from enum import IntEnum


class Layer(IntEnum):
    """The layers by name; those from LEAVES on are cut out by their alpha.

    A number is the seed of its layer as well: that of one which goes is not given again.
    """

    PLAIN = 0
    ASPHALT = 1
    OLD_ASPHALT = 2
    PAVING = 3
    SLABS = 4
    GRASS = 5
    SOIL = 6
    PLASTER = 7
    BRICK = 8
    STONE = 9
    ROOF = 10
    BARK = 11
    WINDOW_TALL = 12
    WINDOW_WIDE = 13
    WINDOW_SHUTTERS = 14
    WINDOW_OFFICE = 15
    DOOR = 16
    SHOP = 17
    GARAGE = 18
    SIGN_LIMIT = 19
    SIGN_STOP = 20
    SIGN_BLUE = 21
    CLOTH = 28
    CHECKED_CLOTH = 29
    METAL = 30
    PLANKS = 31
    NOTICES = 32
    SIGN_TEXT = 33
    # numbers are left for more of those above; these are cut out
    LEAVES = 40
    NEEDLES = 41
    LARGE_LEAVES = 42
    BLADES = 43
    WIRE = 44
