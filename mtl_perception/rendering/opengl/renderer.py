"""Pictures and exact geometry of scenes, drawn by OpenGL without a screen (EGL).

moderngl is a thin, maintained layer over OpenGL: Mesa's software rasteriser serves where there is
no GPU. A picture is the mean of several samples, each within the pixels' area and the time that
the shutter is open (on Mesa that costs what multisampling does, and smooths leaves and motion as
well); labels, depth and normals are taken at the centres of the pixels, never averaged.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import moderngl
import numpy as np
from numpy.typing import NDArray

from mtl_perception.geometry import Intrinsics

from .mesh import Mesh
from .programs import load_programs, set_uniforms, uniforms_of, vertex_array
from .textures.canvas import noise
from .textures.layers import Layer
from .textures.texture_array import texture_array
from .views import (
    clip_matrix,
    clip_to_world,
    Light,
    Moment,
    offsets,
    Part,
    Posed,
    reaches,
    SHADOW_SIDE_PX,
    shadow_view,
    visible,
)

SKY = 0
_HEADLESS: dict[str, Any] = {'backend': 'egl'}


@dataclass(frozen=True)
class Truth:
    """What is seen at the centre of each pixel.

    labels (H, W) uint8; depth (H, W) float32 along the optical axis in metres, +Inf sky; normals
    (H, W, 3) float32 unit vectors in the optical frame, towards the camera, NaN for sky.
    """

    labels: NDArray[np.uint8]
    depth: NDArray[np.float32]
    normals: NDArray[np.float32]


class Renderer:
    """Draws scenes for one camera. Raises OSError where OpenGL has no EGL to work with."""

    def __init__(self, intrinsics: Intrinsics, seed: int = 0) -> None:
        """Open a context, compile the shaders and draw the textures."""
        self.intrinsics = intrinsics
        try:
            self.context = moderngl.create_context(standalone=True, **_HEADLESS)
        except Exception as error:
            raise OSError(
                f'OpenGL cannot be opened without a screen ({error}); install EGL, on Debian '
                'libegl1 and libgl1-mesa-dri'
            ) from error
        self._programs = load_programs(self.context)
        # what a part has on the device goes when the part does: with gc(), in its own context
        self.context.gc_mode = 'context_gc'
        self._arrays: WeakKeyDictionary[Part, dict[str, Any]] = WeakKeyDictionary()
        self._make_textures(seed)
        self._make_targets()

    def _make_textures(self, seed: int) -> None:
        layers = texture_array(seed)
        count, side = layers.shape[:2]
        array = self.context.texture_array((side, side, count), 4, layers.tobytes())
        array.build_mipmaps()
        array.use(0)
        clouds = (255 * noise(np.random.default_rng(seed), 1.7, 2)).astype(np.uint8)
        cloud_map = self.context.texture((side, side), 1, clouds.tobytes())
        cloud_map.build_mipmaps()
        cloud_map.use(1)
        self._textures = (array, cloud_map)
        self._shadow_map = self.context.depth_texture((SHADOW_SIDE_PX, SHADOW_SIDE_PX))
        self._shadow_map.compare_func = '<='
        self._shadow_map.repeat_x = self._shadow_map.repeat_y = False
        self._shadow_map.use(2)
        units = {'layers': 0, 'cloud_map': 1, 'shadow_map': 2, 'first_cut_out': int(Layer.LEAVES)}
        for program in self._programs.values():
            set_uniforms(program, units)

    def _make_targets(self) -> None:
        size, gl = (self.intrinsics.width, self.intrinsics.height), self.context
        self._painted = gl.framebuffer([gl.renderbuffer(size, 4)], gl.depth_renderbuffer(size))
        self._measured = gl.framebuffer(
            [gl.texture(size, 4, dtype='f4'), gl.texture(size, 1, dtype='u1')],
            gl.depth_renderbuffer(size),
        )
        self._shadow = gl.framebuffer([], self._shadow_map)
        corners = gl.buffer(np.array([-1, -1, 3, -1, -1, 3], 'f4').tobytes())
        self._sky = gl.vertex_array(self._programs['sky'], [(corners, '2f', 'corner')])

    def picture(self, moments: Sequence[Moment], light: Light) -> NDArray[np.uint8]:
        """Draw the picture (H, W, 3) that a perfect lens would take.

        moments are what the shutter sees while it is open, a sample of each; several may be the
        same. Raises ValueError if there is none.
        """
        if not moments:
            raise ValueError('a picture needs one moment at least')
        light_view = shadow_view(light, moments[0].camera)
        total = np.zeros((self.intrinsics.height, self.intrinsics.width, 3), np.uint32)
        # a process may have several renderers, each with a context of its own
        with self.context:
            self.context.gc()
            self._cast_shadows(moments[0].parts, light_view)
            for moment, offset in zip(moments, offsets(len(moments)), strict=True):
                self._paint(moment, light, light_view, clip_matrix(self.intrinsics, offset))
                total += self._read(self._painted, 0, 'f1', 4)[..., :3]
        return ((total + len(moments) // 2) // len(moments)).astype(np.uint8)

    def _cast_shadows(self, parts: Sequence[Posed], light_view: NDArray[np.float64]) -> None:
        self._shadow.use()
        self._shadow.clear(depth=1.0)
        self.context.enable(moderngl.DEPTH_TEST)
        near = [posed for posed in parts if reaches(posed, light_view)]
        self._draw('shadow', near, {'view': np.eye(4), 'projection': light_view})

    def _paint(
        self,
        moment: Moment,
        light: Light,
        light_view: NDArray[np.float64],
        projection: NDArray[np.float64],
    ) -> None:
        self._painted.use()
        self._painted.clear(depth=1.0)
        camera = moment.camera
        values = uniforms_of(light) | {'eye': camera[:3, 3]}
        matrices = {'view': np.linalg.inv(camera), 'projection': projection, 'light': light_view}
        seen = visible(self.intrinsics, moment.parts, camera)
        self._draw('colour', seen, values | matrices)
        self._draw_contacts(seen, matrices)
        self.context.depth_func = '<='
        set_uniforms(self._programs['sky'], values | {'ray': clip_to_world(camera, projection)})
        self._sky.render()
        self.context.depth_func = '<'

    def truth(self, moment: Moment) -> Truth:
        """Measure what the camera sees."""
        parts, camera = moment.parts, moment.camera
        matrices = {'view': np.linalg.inv(camera), 'projection': clip_matrix(self.intrinsics)}
        with self.context:
            self.context.gc()
            self.context.enable(moderngl.DEPTH_TEST)
            self._measured.use()
            self._measured.clear(depth=1.0)
            self._draw('truth', visible(self.intrinsics, parts, camera), matrices)
            geometry = self._read(self._measured, 0, 'f4', 4)
            labels = self._read(self._measured, 1, 'u1', 1)[..., 0].copy()
        sky = geometry[..., 3] == 0
        labels[sky] = SKY
        depth = np.where(sky, np.float32(np.inf), geometry[..., 3])
        normals = np.where(sky[..., None], np.float32(np.nan), geometry[..., :3])
        return Truth(labels, depth, normals)

    def _draw(self, name: str, parts: Sequence[Posed], values: dict[str, Any]) -> None:
        program = self._programs[name]
        set_uniforms(program, values)
        for part, pose in parts:
            set_uniforms(program, {'model': pose})
            self._array(part, part.mesh, name).render()

    def _draw_contacts(self, parts: Sequence[Posed], matrices: dict[str, Any]) -> None:
        self.context.enable(moderngl.BLEND)
        self._painted.depth_mask = False
        program = self._programs['contact']
        set_uniforms(program, matrices)
        for part, pose in parts:
            if part.contact is not None:
                set_uniforms(program, {'model': pose})
                self._array(part, part.contact, 'contact').render()
        self._painted.depth_mask = True
        self.context.disable(moderngl.BLEND)

    def _array(self, part: Part, mesh: Mesh, name: str) -> Any:
        """Give the vertex array of a mesh for a program, uploaded at its first use."""
        arrays = self._arrays.setdefault(part, {})
        if name not in arrays:
            arrays[name] = vertex_array(self.context, self._programs[name], mesh)
        return arrays[name]

    def _read(self, target: Any, attachment: int, kind: str, channels: int) -> NDArray[Any]:
        """Read an attachment of moderngl's type `kind` as (H, W, channels)."""
        data = target.read(components=channels, attachment=attachment, dtype=kind, alignment=1)
        dtype = np.float32 if kind == 'f4' else np.uint8
        size = (self.intrinsics.height, self.intrinsics.width, channels)
        return np.frombuffer(data, dtype).reshape(size)
