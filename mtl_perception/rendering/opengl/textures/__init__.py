"""Procedural textures: every layer of the scenes' texture array, drawn from one seed.

Layers are RGBA in sRGB; the colour multiplies a surface's tint. Alpha is how much a facade or a
vehicle mirrors the sky like glass; for leaves, grass and wire it is coverage.
"""
