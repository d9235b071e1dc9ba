"""The shader programs: what they are made of, what they are told, how they read a mesh."""

from importlib.resources import files
from typing import Any

import numpy as np

from .mesh import Mesh
from .views import Light

# a mesh's vertices, attribute by attribute, as moderngl has them, and their bytes
_LAYOUT = {
    'position': ('3f', 12),
    'normal': ('3f', 12),
    'uv': ('2f', 8),
    'tint': ('4f1', 4),
    'surface': ('4u1', 4),
}


def load_programs(context: Any) -> dict[str, Any]:
    """Compile the shaders in a context; those of meshes are named by what they draw."""
    programs = {
        name: context.program(_shader('mesh.vert'), _shader(f'{name}.frag'))
        for name in ('colour', 'truth', 'shadow', 'contact')
    }
    return programs | {'sky': context.program(_shader('sky.vert'), _shader('sky.frag'))}


def set_uniforms(program: Any, values: dict[str, Any]) -> None:
    """Set the uniforms that the program has; matrices are given row by row."""
    for name, value in values.items():
        if name in program:
            if isinstance(value, np.ndarray) and value.shape == (4, 4):
                program[name].write(value.T.astype('f4').tobytes())
            else:
                program[name].value = tuple(value) if np.ndim(value) else value


def uniforms_of(light: Light) -> dict[str, Any]:
    """Give what the shaders know of the light."""
    names = (
        *('sun_light', 'zenith', 'horizon', 'open_sky'),
        *('cloudiness', 'wind', 'haze_per_m', 'exposure'),
    )
    return {
        **{name: getattr(light, name) for name in names},
        'sun': light.direction,
        'direct': light.direct,
    }


def vertex_array(context: Any, program: Any, mesh: Mesh) -> Any:
    """Upload a mesh for a program, which skips the attributes that it does not read."""
    vertices = context.buffer(mesh.vertices.tobytes())
    formats = ' '.join(
        form if name in program else f'{size}x' for name, (form, size) in _LAYOUT.items()
    )
    names = [name for name in _LAYOUT if name in program]
    triangles = context.buffer(mesh.triangles.tobytes())
    return context.vertex_array(program, [(vertices, formats, *names)], triangles)


def _shader(name: str) -> str:
    source = files(__package__).joinpath('shaders')
    text = source.joinpath(name).read_text()
    return text.replace('#include sky.glsl', source.joinpath('sky.glsl').read_text())
