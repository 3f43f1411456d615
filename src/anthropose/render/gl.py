"""Rasterising with OpenGL and no display, through moderngl on EGL."""

import ctypes.util
import sys
from itertools import product
from typing import Any

import numpy as np
from jaxtyping import UInt8

from anthropose.render.surface import (
    AMBIENT,
    KEY,
    LINE,
    NEAR,
    RIM,
    Direction,
    Mesh,
    Rasteriser,
    Topologies,
    Topology,
    View,
    unit,
)

LARGEST_SMOOTHED = 2_500_000
"""Pictures with more pixels are drawn without smoothed outlines, whose samples would take hundreds of megabytes."""

VERTEX_SHADER = """
#version 330
uniform mat4 projection;
in vec3 position; in vec3 normal; in vec3 colour;
out vec3 at; out vec3 outward; out vec3 paint;
void main() { gl_Position = projection * vec4(position, 1.0); at = position; outward = normal; paint = colour; }
"""

FRAGMENT_SHADER = f"""
#version 330
uniform vec3 light;
in vec3 at; in vec3 outward; in vec3 paint;
out vec4 pixel;
void main() {{
    vec3 normal = normalize(gl_FrontFacing ? outward : -outward);
    float key = 0.5 + 0.5 * dot(normal, light);
    float rim = 1.0 - max(dot(normal, normalize(-at)), 0.0);
    pixel = vec4(min(paint * ({AMBIENT} + {KEY} * key) + {RIM} * rim * rim * rim, 1.0), 1.0);
}}
"""


WIRE_VERTEX_SHADER = """
#version 330
uniform mat4 projection;
in vec3 position; in vec3 normal; in vec3 colour;
out vec3 corner_at; out vec3 corner_outward; out vec3 corner_paint;
void main() {
    gl_Position = projection * vec4(position, 1.0);
    corner_at = position; corner_outward = normal; corner_paint = colour;
}
"""

WIRE_GEOMETRY_SHADER = """
#version 330
layout(triangles) in; layout(triangle_strip, max_vertices = 3) out;
uniform vec2 size;
in vec3 corner_at[]; in vec3 corner_outward[]; in vec3 corner_paint[];
out vec3 at; out vec3 outward; out vec3 paint; noperspective out vec3 to_edge;
void main() {
    vec2 pixel[3];
    for (int i = 0; i < 3; i++) pixel[i] = 0.5 * size * gl_in[i].gl_Position.xy / gl_in[i].gl_Position.w;
    for (int i = 0; i < 3; i++) {
        vec2 base = pixel[(i + 2) % 3] - pixel[(i + 1) % 3], side = pixel[i] - pixel[(i + 1) % 3];
        gl_Position = gl_in[i].gl_Position;
        at = corner_at[i]; outward = corner_outward[i]; paint = corner_paint[i];
        to_edge = vec3(0.0);
        to_edge[i] = abs(base.x * side.y - base.y * side.x) / max(length(base), 1e-6);
        EmitVertex();
    }
    EndPrimitive();
}
"""

WIRE_FRAGMENT_SHADER = FRAGMENT_SHADER.replace(
    "out vec4 pixel;", "noperspective in vec3 to_edge;\nout vec4 pixel;"
).replace(
    "    pixel = vec4(",
    f"    float cover = 1.0 - smoothstep({LINE} - 0.5, {LINE} + 0.5, min(to_edge.x, min(to_edge.y, to_edge.z)));\n"
    "    pixel = cover * vec4(",
)
"""Between the edges nothing is painted, yet the depth is kept, so that what is behind stays hidden."""

SHADERS = {"vertex_shader": VERTEX_SHADER, "fragment_shader": FRAGMENT_SHADER}
WIRE_SHADERS = {
    "vertex_shader": WIRE_VERTEX_SHADER,
    "geometry_shader": WIRE_GEOMETRY_SHADER,
    "fragment_shader": WIRE_FRAGMENT_SHADER,
}


class NoOpenGL(Exception):
    """No OpenGL context could be made on this machine; the text says why."""


class GLRasteriser(Rasteriser):
    """Draws into a framebuffer as large as the picture, of which only the wanted rectangle is touched and read.

    Raises:
        NoOpenGL: no context, or one that cannot do what is needed.
    """

    def __init__(self, width: int, height: int, light: Direction, wireframe: bool = False) -> None:
        self._gl = make_context()
        self.device = f"OpenGL on {self._gl.info['GL_RENDERER']}"
        self._topologies = Topologies()
        self._arrays: dict[int, _Arrays] = {}
        try:
            self._program = self._gl.program(**(WIRE_SHADERS if wireframe else SHADERS))
            self._make_framebuffers(width, height)
        except Exception as error:  # moderngl raises its own and plain exceptions alike
            self._gl.release()
            raise NoOpenGL(str(error)) from error
        self._program["light"].value = tuple(unit(light).tolist())

    def _make_framebuffers(self, width: int, height: int) -> None:
        gl, size = self._gl, (width, height)
        samples = min(4, gl.max_samples) if width * height <= LARGEST_SMOOTHED else 0
        colour, depth = gl.renderbuffer(size, samples=samples), gl.depth_renderbuffer(size, samples=samples)
        self._drawn = gl.framebuffer([colour], depth)
        self._resolved = gl.framebuffer([gl.renderbuffer(size)]) if samples else self._drawn

    def draw(self, meshes: list[Mesh], view: View) -> UInt8[np.ndarray, "h w 4"]:
        """Colour times coverage, and coverage, of the rectangle's pixels."""
        # Entered, since several renderers may take turns in one thread.
        with self._gl as gl:
            return self._draw(gl, meshes, view)

    def _draw(self, gl: Any, meshes: list[Mesh], view: View) -> UInt8[np.ndarray, "h w 4"]:
        import moderngl

        here = (0, 0, view.rectangle.width, view.rectangle.height)
        gl.enable_only(moderngl.DEPTH_TEST)
        # The first row is drawn lowest, so that it is read first; for OpenGL that mirrors what it sees.
        gl.front_face = "cw"
        self._drawn.use()
        self._drawn.viewport = self._drawn.scissor = here
        self._drawn.clear(0.0, 0.0, 0.0, 0.0)
        farthest = max(float(mesh.vertices[:, 2].max()) for mesh in meshes)
        if "size" in self._program:
            self._program["size"].value = here[2:]
        self._program["projection"].write(_projection(view, 1.01 * farthest + 0.1).T.tobytes())
        for mesh in meshes:
            topology = self._topologies.of(mesh)
            (gl.enable if topology.solid else gl.disable)(moderngl.CULL_FACE)
            self._arrays_of(topology, len(mesh.vertices)).draw(mesh, topology)
        if self._resolved is not self._drawn:
            self._resolved.scissor = here
            gl.copy_framebuffer(self._resolved, self._drawn)
        pixels = np.empty((view.rectangle.height, view.rectangle.width, 4), np.uint8)
        self._resolved.read_into(pixels, viewport=here, components=4)
        return pixels

    def _arrays_of(self, topology: Topology, vertices: int) -> "_Arrays":
        if id(topology) not in self._arrays:
            self._arrays[id(topology)] = _Arrays(self._gl, self._program, topology, vertices)
        return self._arrays[id(topology)]

    def close(self) -> None:
        """Gives back what the graphics library holds."""
        with self._gl:
            for arrays in self._arrays.values():
                arrays.close()
            for framebuffer in {self._drawn, self._resolved}:
                framebuffer.release()
            self._program.release()
        self._gl.release()


class _Arrays:
    """Buffers on the device for all meshes of one topology."""

    def __init__(self, gl: Any, program: Any, topology: Topology, vertices: int) -> None:
        self._faces = gl.buffer(topology.faces.tobytes())
        self._buffers = [gl.buffer(reserve=12 * vertices, dynamic=True) for _ in range(3)]
        names = ("position", "normal", "colour")
        content = [(buffer, "3f", name) for buffer, name in zip(self._buffers, names, strict=True)]
        self._array = gl.vertex_array(program, content, self._faces)

    def draw(self, mesh: Mesh, topology: Topology) -> None:
        colour = np.broadcast_to(np.asarray(mesh.colour, np.float32), mesh.vertices.shape)
        for buffer, values in zip(self._buffers, (mesh.vertices, topology.normals(mesh.vertices), colour), strict=True):
            # Orphaned, so that the device need not finish the previous mesh first.
            buffer.orphan()
            buffer.write(np.ascontiguousarray(values, np.float32))
        self._array.render()

    def close(self) -> None:
        for held in (self._array, self._faces, *self._buffers):
            held.release()


def _projection(view: View, far: float) -> np.ndarray:
    """The matrix from camera axes to clip space; window coordinates then count the rectangle's pixels from its top."""
    left, top, width, height = view.rectangle
    x, y, f = view.center[0] - left, view.center[1] - top, view.focal
    return np.array(
        [
            [2 * f / width, 0, 2 * x / width - 1, 0],
            [0, 2 * f / height, 2 * y / height - 1, 0],
            [0, 0, (far + NEAR) / (far - NEAR), -2 * far * NEAR / (far - NEAR)],
            [0, 0, 1, 0],
        ],
        np.float32,
    )


def make_context() -> Any:
    """A moderngl context without a window.

    Raises:
        NoOpenGL: none of the known ways works here; the text is the last failure's.
    """
    import moderngl

    reason: Exception | None = None
    for settings in _ways():
        try:
            return moderngl.create_context(standalone=True, require=330, **settings)
        except Exception as error:  # each backend raises exceptions of its own
            reason = error
    raise NoOpenGL(str(reason))


def _ways() -> list[dict[str, Any]]:
    """Settings for moderngl, to be tried in turn; library files are named, as looking them up needs a compiler."""
    if not sys.platform.startswith("linux"):
        return [{}]
    egl = [ctypes.util.find_library("EGL"), "libEGL.so.1", "libEGL_mesa.so.0"]
    opengl = [ctypes.util.find_library("GL"), "libGL.so.1", "libOpenGL.so.0"]
    pairs = product(dict.fromkeys(filter(None, egl)), dict.fromkeys(filter(None, opengl)))
    return [*({"backend": "egl", "libegl": e, "libgl": g} for e, g in pairs), {}]
