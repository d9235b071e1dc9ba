"""Pictures and exact geometry of scenes, drawn by OpenGL without a screen (EGL).

moderngl is a thin, maintained layer over OpenGL: Mesa's software rasteriser serves where there is
no GPU. Colour is drawn with four samples a pixel; labels, depth and normals are taken at the
centres of the pixels, never averaged.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, TypeAlias

import moderngl
import numpy as np
from numpy.typing import NDArray

from mtl_perception.geometry import Intrinsics

from .mesh import Floats, Mesh
from .textures import Layer, noise, texture_array

SHADOW_SIDE_PX = 2048
SHADOW_HALF_M, SHADOW_AHEAD_M = 45.0, 32.0
NEAR_M, FAR_M = 0.25, 900.0
SKY = 0
_HEADLESS: dict[str, Any] = {'backend': 'egl'}


@dataclass(frozen=True)
class Light:
    """Sun, sky and air of a scene; colours are linear radiance."""

    sun_elevation: float
    sun_azimuth: float
    sun_light: tuple[float, float, float]
    zenith: tuple[float, float, float]
    horizon: tuple[float, float, float]
    cloudiness: float
    wind: tuple[float, float]
    haze_per_m: float
    exposure: float

    @property
    def direction(self) -> NDArray[np.float64]:
        """Give the unit vector towards the sun, in the world."""
        flat = np.cos(self.sun_elevation)
        return np.array(
            [
                flat * np.cos(self.sun_azimuth),
                flat * np.sin(self.sun_azimuth),
                np.sin(self.sun_elevation),
            ]
        )

    @property
    def direct(self) -> float:
        """Give the share of the sun that the clouds let through."""
        return float(np.clip(1.6 - 2.0 * self.cloudiness, 0.0, 1.0))


@dataclass(frozen=True)
class Truth:
    """What is seen at the centre of each pixel.

    labels (H, W) uint8; depth (H, W) float32 along the optical axis in metres, +Inf sky; normals
    (H, W, 3) float32 unit vectors in the optical frame, towards the camera, NaN for sky.
    """

    labels: NDArray[np.uint8]
    depth: NDArray[np.float32]
    normals: NDArray[np.float32]


class Part:
    """A mesh on its way to the screen: uploaded once, drawn under a pose."""

    def __init__(self, mesh: Mesh, contact: Mesh | None = None) -> None:
        """Take what is seen, and the quads of the dark beneath it."""
        self.mesh = mesh
        self.contact = contact
        positions = mesh.vertices['position']
        low, high = positions.min(0), positions.max(0)
        self.centre: Floats = (low + high) / 2
        self.radius = float(np.linalg.norm(high - low) / 2)


Posed: TypeAlias = tuple[Part, NDArray[np.float64]]


@dataclass(frozen=True)
class Moment:
    """Parts, each with its pose (4, 4) in the world, and that of the camera's optical frame."""

    parts: Sequence[Posed]
    camera: NDArray[np.float64]


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
        self._programs = {
            name: self.context.program(_shader('mesh.vert'), _shader(f'{name}.frag'))
            for name in ('colour', 'truth', 'shadow', 'contact')
        }
        self._programs['sky'] = self.context.program(_shader('sky.vert'), _shader('sky.frag'))
        self._arrays: dict[tuple[int, str], Any] = {}
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
            _set(program, units)

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

    def picture(self, moments: Sequence['Moment'], light: Light) -> NDArray[np.uint8]:
        """Draw the picture (H, W, 3) that a perfect lens would take.

        moments are what the shutter sees while it is open, a sample of each; several may be the
        same. Raises ValueError if there is none.
        """
        if not moments:
            raise ValueError('a picture needs one moment at least')
        light_view = _light_view(light, moments[0].camera)
        total = np.zeros((self.intrinsics.height, self.intrinsics.width, 3), np.uint16)
        # a process may have several renderers, each with a context of its own
        with self.context:
            self._cast_shadows(moments[0].parts, light_view)
            for moment, offset in zip(moments, _offsets(len(moments)), strict=True):
                self._paint(moment, light, light_view, self._projection(offset))
                total += self._read(self._painted, 0, 'f1', 4)[..., :3]
        return ((total + len(moments) // 2) // len(moments)).astype(np.uint8)

    def _cast_shadows(self, parts: Sequence[Posed], light_view: NDArray[np.float64]) -> None:
        self._shadow.use()
        self._shadow.clear(depth=1.0)
        self.context.enable(moderngl.DEPTH_TEST)
        near = [posed for posed in parts if _reaches(posed, light_view)]
        self._draw('shadow', near, {'view': np.eye(4), 'projection': light_view})

    def _paint(
        self,
        moment: 'Moment',
        light: Light,
        light_view: NDArray[np.float64],
        projection: NDArray[np.float64],
    ) -> None:
        self._painted.use()
        self._painted.clear(depth=1.0)
        camera = moment.camera
        values = _uniforms(light) | {'eye': camera[:3, 3]}
        matrices = {'view': np.linalg.inv(camera), 'projection': projection, 'light': light_view}
        seen = self._seen(moment.parts, camera)
        self._draw('colour', seen, values | matrices)
        self._draw_contacts(seen, matrices)
        self.context.depth_func = '<='
        _set(self._programs['sky'], values | {'ray': _clip_to_world(camera, projection)})
        self._sky.render()
        self.context.depth_func = '<'

    def truth(self, moment: 'Moment') -> Truth:
        """Measure what the camera sees."""
        parts, camera = moment.parts, moment.camera
        matrices = {'view': np.linalg.inv(camera), 'projection': self._projection()}
        with self.context:
            self.context.enable(moderngl.DEPTH_TEST)
            self._measured.use()
            self._measured.clear(depth=1.0)
            self._draw('truth', self._seen(parts, camera), matrices)
            geometry = self._read(self._measured, 0, 'f4', 4)
            labels = self._read(self._measured, 1, 'u1', 1)[..., 0].copy()
        sky = geometry[..., 3] == 0
        labels[sky] = SKY
        depth = np.where(sky, np.float32(np.inf), geometry[..., 3])
        normals = np.where(sky[..., None], np.float32(np.nan), geometry[..., :3])
        return Truth(labels, depth, normals)

    def release(self, parts: Sequence[Part]) -> None:
        """Free what parts hold on the device; a scene that is over should be."""
        with self.context:
            for part in parts:
                for program in self._programs:
                    for array in self._arrays.pop((id(part), program), ()):
                        array.release()

    def _draw(self, name: str, parts: Sequence[Posed], values: dict[str, Any]) -> None:
        program = self._programs[name]
        _set(program, values)
        for part, pose in parts:
            _set(program, {'model': pose})
            self._array(part, part.mesh, name).render()

    def _draw_contacts(self, parts: Sequence[Posed], matrices: dict[str, Any]) -> None:
        self.context.enable(moderngl.BLEND)
        self._painted.depth_mask = False
        program = self._programs['contact']
        _set(program, matrices)
        for part, pose in parts:
            if part.contact is not None:
                _set(program, {'model': pose})
                self._array(part, part.contact, 'contact').render()
        self._painted.depth_mask = True
        self.context.disable(moderngl.BLEND)

    def _array(self, part: Part, mesh: Mesh, name: str) -> Any:
        """Give the vertex array of a mesh for a program, uploaded at its first use."""
        key = (id(part), name)
        if key not in self._arrays:
            program = self._programs[name]
            vertices = self.context.buffer(mesh.vertices.tobytes())
            layout = (
                ('3f', 'position'),
                ('3f', 'normal'),
                ('2f', 'uv'),
                ('4f1', 'tint'),
                ('4u1', 'surface'),
            )
            # a program that does not read an attribute skips its bytes
            formats = ' '.join(
                form if field in program else f'{_BYTES[form]}x' for form, field in layout
            )
            names = [field for _, field in layout if field in program]
            triangles = self.context.buffer(mesh.triangles.tobytes())
            array = self.context.vertex_array(program, [(vertices, formats, *names)], triangles)
            self._arrays[key] = (array, vertices, triangles)
        return self._arrays[key][0]

    def _seen(self, parts: Sequence[Posed], camera: NDArray[np.float64]) -> list[Posed]:
        """Keep the parts whose bounding ball reaches into the view."""
        k = self.intrinsics
        view = np.linalg.inv(camera)
        edges = np.array(
            [
                [k.fx_px, 0, k.cx_px + 0.5],
                [-k.fx_px, 0, k.width - k.cx_px - 0.5],
                [0, k.fy_px, k.cy_px + 0.5],
                [0, -k.fy_px, k.height - k.cy_px - 0.5],
                [0, 0, 1],
            ]
        )
        edges /= np.linalg.norm(edges, axis=1, keepdims=True)
        seen = []
        for part, pose in parts:
            centre = (view @ pose @ [*part.centre, 1.0])[:3]
            scale = np.linalg.norm(pose[:3, 0])
            if (edges @ centre).min() > -part.radius * scale:
                seen.append((part, pose))
        return seen

    def _projection(self, offset: tuple[float, float] = (0.0, 0.0)) -> NDArray[np.float64]:
        """Take the optical frame to clip space, shifted by pixels; row 0 is read first."""
        k = self.intrinsics
        x, y = 2 / k.width, 2 / k.height
        depth, shift = (FAR_M + NEAR_M) / (FAR_M - NEAR_M), -2 * FAR_M * NEAR_M / (FAR_M - NEAR_M)
        return np.array(
            [
                [k.fx_px * x, 0, (k.cx_px + 0.5 + offset[0]) * x - 1, 0],
                [0, k.fy_px * y, (k.cy_px + 0.5 + offset[1]) * y - 1, 0],
                [0, 0, depth, shift],
                [0, 0, 1, 0],
            ]
        )

    def _read(self, target: Any, attachment: int, kind: str, channels: int) -> NDArray[Any]:
        """Read an attachment of moderngl's type `kind` as (H, W, channels)."""
        data = target.read(components=channels, attachment=attachment, dtype=kind, alignment=1)
        dtype = np.float32 if kind == 'f4' else np.uint8
        size = (self.intrinsics.height, self.intrinsics.width, channels)
        return np.frombuffer(data, dtype).reshape(size)


_BYTES = {'3f': 12, '2f': 8, '4f1': 4, '4u1': 4}


def _offsets(count: int) -> list[tuple[float, float]]:
    """Spread samples over the pixel, in pixels from its centre (additive recurrence)."""
    if count == 1:
        return [(0.0, 0.0)]
    return [((0.5 + 0.7549 * k) % 1 - 0.5, (0.5 + 0.5698 * k) % 1 - 0.5) for k in range(count)]


def _set(program: Any, values: dict[str, Any]) -> None:
    """Set the uniforms that the program has; matrices are given row by row."""
    for name, value in values.items():
        if name in program:
            if isinstance(value, np.ndarray) and value.shape == (4, 4):
                program[name].write(value.T.astype('f4').tobytes())
            else:
                program[name].value = tuple(value) if np.ndim(value) else value


def _uniforms(light: Light) -> dict[str, Any]:
    names = ('sun_light', 'zenith', 'horizon', 'cloudiness', 'wind', 'haze_per_m', 'exposure')
    return {
        **{name: getattr(light, name) for name in names},
        'sun': light.direction,
        'direct': light.direct,
    }


def _light_view(light: Light, camera: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take the world in front of the camera to the shadow map, in steps of its pixels."""
    towards = light.direction
    helper = np.array([0.0, 0.0, 1.0])
    right = np.cross(helper, towards)
    right /= np.linalg.norm(right)
    up = np.cross(towards, right)
    axes = np.stack([right, up, -towards])
    ahead = camera[:3, 3] + SHADOW_AHEAD_M * camera[:3, 2]
    step = 2 * SHADOW_HALF_M / SHADOW_SIDE_PX
    centre = axes @ ahead
    centre[:2] = np.round(centre[:2] / step) * step
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = axes, -centre
    return np.diag([1 / SHADOW_HALF_M, 1 / SHADOW_HALF_M, 1 / 150.0, 1.0]) @ pose


def _reaches(posed: Posed, light_view: NDArray[np.float64]) -> bool:
    part, pose = posed
    centre = (light_view @ pose @ [*part.centre, 1.0])[:2]
    return bool((np.abs(centre) < 1 + part.radius / SHADOW_HALF_M).all())


def _clip_to_world(
    camera: NDArray[np.float64], projection: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Take clip space at a depth of one to directions in the world."""
    inverse = np.linalg.inv(projection[[0, 1, 3]][:, :3])
    ray = np.zeros((4, 4))
    ray[:3, :2] = camera[:3, :3] @ inverse[:, :2]
    ray[:3, 2] = camera[:3, :3] @ inverse[:, 2]
    return ray


def _shader(name: str) -> str:
    source = files(__package__).joinpath('shaders')
    text = source.joinpath(name).read_text()
    return text.replace('#include sky.glsl', source.joinpath('sky.glsl').read_text())
