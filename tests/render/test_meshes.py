"""Bodies drawn over pictures, by either rasteriser."""

import numpy as np
import pytest
import torch

from anthropose.geometry.cameras import project
from anthropose.render import gl
from anthropose.render.meshes import BACKGROUND, Mesh, MeshRenderer
from tests.render.shapes import GREEN, RED, ball, wall
from tests.toy_body import toy_body


def picture(width: int, height: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("size", [(160, 120), (161, 121), (77, 203)])
def test_a_small_ball_lands_on_the_pixel_of_its_projection(size: tuple[int, int], software: bool) -> None:
    rng = np.random.default_rng(1)
    focal, center = 140.0, (size[0] / 2 + 3.3, size[1] / 2 - 5.7)
    with MeshRenderer(*size, software=software) as renderer:
        for _ in range(12):
            wanted = rng.uniform(0.1, 0.9, 2) * size
            depth = rng.uniform(1.0, 9.0)
            middle = np.array([*((wanted - center) * depth / focal), depth])
            drawn = renderer.draw(
                np.zeros((*size[::-1], 3), np.uint8), [ball(tuple(middle), 2.6 * depth / focal)], focal, center
            )
            weight = drawn[..., 0].astype(float)
            rows, columns = np.indices(weight.shape) + 0.5
            found = np.array([(columns * weight).sum(), (rows * weight).sum()]) / weight.sum()
            exact = project(torch.tensor(middle)[None], torch.tensor(focal), torch.tensor(center).double())[0].numpy()
            assert np.abs(exact - wanted).max() < 1e-4
            assert np.abs(found - wanted).max() < 0.35  # the light moves the weight of the colours a little


def test_what_is_above_the_centre_is_drawn_above_it_and_what_is_right_to_the_right(software: bool) -> None:
    with MeshRenderer(90, 60, software=software) as renderer:
        drawn = renderer.draw(np.zeros((60, 90, 3), np.uint8), [ball((0.4, -0.3, 2.0), 0.1)], 60.0, (45.0, 30.0))
    rows, columns = np.nonzero(drawn[..., 0])
    assert rows.max() < 30
    assert columns.min() > 45


def test_the_nearer_surface_hides_the_farther_whichever_comes_first(software: bool) -> None:
    near, far = ball((0, 0, 2.0), 0.3, RED), ball((0.05, 0, 3.0), 0.9, GREEN)
    with MeshRenderer(80, 80, software=software) as renderer:
        one = renderer.draw(None, [near, far], 80.0, (40.0, 40.0))
        other = renderer.draw(None, [far, near], 80.0, (40.0, 40.0))
    assert np.array_equal(one, other)
    assert one[40, 40, 0] > 2 * one[40, 40, 1]  # red in the middle
    assert one[40, 25, 1] > 2 * one[40, 25, 0]  # green beside it


def test_surfaces_that_pass_through_each_other_are_cut_where_they_meet(software: bool) -> None:
    with MeshRenderer(80, 80, software=software) as renderer:
        drawn = renderer.draw(None, [ball((0, 0, 2.0), 0.4), wall(1.8)], 80.0, (40.0, 40.0))
    red = (drawn[..., 0] > drawn[..., 1]).sum()
    # The cap that stands out of the wall has a radius of sqrt(0.4^2 - 0.2^2) m at a depth of 1.8 m.
    assert red == pytest.approx(np.pi * (0.346 * 80 / 1.8) ** 2, rel=0.08)


def test_people_apart_and_people_together_are_drawn_as_they_are_alone(software: bool) -> None:
    # The third bridges the first two, and the fourth stands by itself.
    places = [(-0.6, 0.0, 2.0), (0.6, 0.0, 2.0), (0.0, 0.0, 2.5), (0.0, -0.9, 2.0)]
    meshes = [ball(place, 0.35) for place in places]
    with MeshRenderer(120, 120, software=software) as renderer:
        behind = np.zeros((120, 120, 3), np.uint8)
        drawn = renderer.draw(behind, meshes, 100.0, (60.0, 60.0))
        alone = [renderer.draw(behind, [mesh], 100.0, (60.0, 60.0)) for mesh in meshes]
    covered = [picture.any(-1) for picture in alone]
    assert np.array_equal(drawn.any(-1), np.any(covered, axis=0))
    for picture, others in (
        (alone[0], covered[1:]),
        (alone[3], covered[:3]),
        (alone[2], [covered[i] for i in (0, 1, 3)]),
    ):
        own = picture.any(-1) & ~np.any(others, axis=0)
        assert own.any()
        assert np.abs(drawn[own].astype(int) - picture[own]).max() <= 1


def test_pixels_without_a_body_stay_as_they_were(software: bool) -> None:
    behind = picture(120, 90)
    kept = behind.copy()
    with MeshRenderer(120, 90, software=software) as renderer:
        drawn = renderer.draw(behind, [ball((0, 0, 2.0), 0.3)], 90.0, (60.0, 45.0))
    rows, columns = np.indices((90, 120)) + 0.5
    away = np.hypot(rows - 45, columns - 60)
    assert np.array_equal(drawn[away > 16], behind[away > 16])
    assert (drawn != behind).any(-1)[away < 12].mean() > 0.99
    assert np.array_equal(behind, kept)  # the background itself is not written to


def test_opacity_blends_the_body_with_the_picture(software: bool) -> None:
    behind = picture(60, 60)
    with (
        MeshRenderer(60, 60, software=software) as solid,
        MeshRenderer(60, 60, opacity=0.25, software=software) as thin,
    ):
        whole = solid.draw(behind, [ball((0, 0, 2.0), 0.4)], 60.0, (30.0, 30.0))
        part = thin.draw(behind, [ball((0, 0, 2.0), 0.4)], 60.0, (30.0, 30.0))
    inside = np.s_[25:35, 25:35]
    expected = 0.25 * whole[inside].astype(float) + 0.75 * behind[inside]
    assert np.abs(part[inside] - expected).max() < 2.5


def test_a_body_partly_behind_the_camera_is_drawn_where_it_is_in_front(software: bool) -> None:
    # A rod along the view, from a metre behind the camera to two before it, a little below the axis.
    rod = ball((0, 0, 0), 1.0)
    rod = Mesh(
        rod.vertices * np.array([0.1, 0.1, 1.5], np.float32) + np.array([0, 0.25, 0.5], np.float32), rod.faces, RED
    )
    with MeshRenderer(80, 80, software=software) as renderer:
        drawn = renderer.draw(np.zeros((80, 80, 3), np.uint8), [rod], 60.0, (40.0, 40.0))
    assert not drawn[:40].any()
    assert drawn[79, 40].any()


@pytest.mark.parametrize("where", [(0, 0, -3.0), (30.0, 0, 3.0), (float("nan"), 0, 3.0)])
def test_a_body_that_cannot_be_seen_leaves_the_picture_alone(where: tuple[float, float, float], software: bool) -> None:
    behind = picture(64, 48)
    with MeshRenderer(64, 48, software=software) as renderer:
        assert np.array_equal(renderer.draw(behind, [ball(where, 0.3)], 50.0, (32.0, 24.0)), behind)


def test_a_ball_wound_inside_out_looks_the_same(software: bool) -> None:
    right = ball((0, 0, 2.0), 0.4)
    wrong = Mesh(right.vertices, right.faces[:, ::-1], right.colour)
    with MeshRenderer(60, 60, software=software) as renderer:
        assert np.array_equal(
            renderer.draw(None, [right], 60.0, (30.0, 30.0)), renderer.draw(None, [wrong], 60.0, (30.0, 30.0))
        )


def test_an_open_surface_is_seen_and_lit_from_both_sides(software: bool) -> None:
    front = wall(2.0, 0.5)
    back = Mesh(front.vertices, np.array(front.faces[:, ::-1]), front.colour)
    with MeshRenderer(60, 60, software=software) as renderer:
        drawn = [renderer.draw(None, [mesh], 60.0, (30.0, 30.0)) for mesh in (front, back)]
    assert drawn[0][30, 30, 1] > drawn[0][30, 30, 0] + 80
    assert np.array_equal(*drawn)


def test_each_vertex_may_have_its_own_colour(software: bool) -> None:
    plain = ball((0, 0, 2.0), 0.4)
    colours = np.where(plain.vertices[:, :1] < 0, RED, GREEN).astype(np.float32)
    with MeshRenderer(60, 60, software=software) as renderer:
        drawn = renderer.draw(None, [Mesh(plain.vertices, plain.faces, colours)], 60.0, (30.0, 30.0)).astype(int)
    assert drawn[30, 23, 0] > drawn[30, 23, 1] + 60
    assert drawn[30, 37, 1] > drawn[30, 37, 0] + 60


def test_faces_to_the_light_are_brighter(software: bool) -> None:
    with MeshRenderer(80, 80, software=software, light=(-1.0, 0.0, 0.0)) as renderer:
        drawn = renderer.draw(None, [ball((0, 0, 2.0), 0.6, (0.5, 0.5, 0.5))], 80.0, (40.0, 40.0)).astype(int)
    assert drawn[40, 25, 0] > drawn[40, 55, 0] + 25


def test_no_background_means_plain_grey_and_no_meshes_means_nothing_drawn(software: bool) -> None:
    with MeshRenderer(31, 17, software=software) as renderer:
        assert (renderer.draw(None, [], 30.0, (15.0, 8.0)) == BACKGROUND).all()


def test_a_background_of_another_size_is_refused(software: bool) -> None:
    with MeshRenderer(64, 48, software=software) as renderer, pytest.raises(ValueError, match="expected a picture"):
        renderer.draw(picture(48, 64), [], 50.0, (32.0, 24.0))


def test_renderers_may_take_turns(software: bool) -> None:
    meshes = [ball((0, 0, 2.0), 0.4)]
    with MeshRenderer(60, 60, software=software) as one, MeshRenderer(40, 90, software=software) as other:
        alone = one.draw(None, meshes, 60.0, (30.0, 30.0))
        other.draw(None, [ball((0, 0, 3.0), 0.4, GREEN), *meshes], 60.0, (20.0, 45.0))
        assert np.array_equal(one.draw(None, meshes, 60.0, (30.0, 30.0)), alone)


def test_faces_that_come_as_fresh_arrays_draw_the_right_mesh(software: bool) -> None:
    # Memory of faces that are gone may be given to others, which must not be taken for them.
    with MeshRenderer(60, 60, software=software) as renderer:
        for size in (0.2, 0.4):
            for mesh in (ball((0, 0, 2.0), size), wall(2.0, size)):
                fresh = renderer.draw(None, [Mesh(mesh.vertices, mesh.faces.copy(), mesh.colour)], 60.0, (30.0, 30.0))
                assert np.array_equal(fresh, renderer.draw(None, [mesh], 60.0, (30.0, 30.0)))


@pytest.mark.usefixtures("opengl")
def test_both_rasterisers_draw_the_same_picture() -> None:
    body = toy_body()
    vertices = body.template.numpy() * np.array([1, -1, -1], np.float32)
    meshes = [
        Mesh(vertices + np.array([dx, 0.9, z], np.float32), body.faces.numpy(), colour)
        for dx, z, colour in ((0.0, 3.0, RED), (0.3, 3.4, GREEN), (-0.5, 0.4, (0.2, 0.4, 0.9)))
    ]
    behind = np.repeat(np.repeat(picture(23, 17), 10, axis=0), 10, axis=1)
    with MeshRenderer(230, 170) as fast, MeshRenderer(230, 170, software=True) as plain:
        assert fast.device.startswith("OpenGL")
        difference = np.abs(
            fast.draw(behind, meshes, 200.0, (115.0, 85.0)).astype(int)
            - plain.draw(behind, meshes, 200.0, (115.0, 85.0))
        ).max(-1)
    assert difference.mean() < 1.0
    # Outlines are smoothed by other patterns of samples.
    assert (difference > 12).mean() < 0.02


def test_without_opengl_one_line_says_so_and_numpy_draws(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def absent() -> None:
        raise gl.NoOpenGL("libEGL.so.1 not found")

    monkeypatch.setattr(gl, "make_context", absent)
    with MeshRenderer(40, 40) as renderer, MeshRenderer(30, 30):
        assert renderer.device.startswith("numpy")
        assert (renderer.draw(None, [ball((0, 0, 2.0), 0.4)], 40.0, (20.0, 20.0)) != BACKGROUND).any()
    assert len(caplog.messages) == 1
    assert "no OpenGL (libEGL.so.1 not found)" in caplog.messages[0]
    assert "\n" not in caplog.messages[0]


@pytest.mark.usefixtures("opengl")
def test_where_there_is_opengl_nothing_is_said(caplog: pytest.LogCaptureFixture) -> None:
    MeshRenderer(20, 20).close()
    assert not caplog.messages


def test_opengl_that_fails_every_way_is_reported_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    import moderngl

    tried: list[dict] = []

    def fail(**settings: object) -> None:
        tried.append(settings)
        raise Exception("eglInitialize failed")

    monkeypatch.setattr(moderngl, "create_context", fail)
    with pytest.raises(gl.NoOpenGL, match="eglInitialize failed"):
        gl.make_context()
    assert tried


def triangle(depth: float, colour: tuple[float, float, float], reach: float = 1.0) -> Mesh:
    corners = np.array([[-reach, -reach, depth], [reach, -reach, depth], [-reach, reach, depth]], np.float32)
    return Mesh(corners, np.array([[0, 1, 2]]), colour)


def test_a_wireframe_shows_the_edges_and_what_is_behind_the_picture_between_them(software: bool) -> None:
    picture = np.full((80, 80, 3), 90, np.uint8)
    with MeshRenderer(80, 80, wireframe=True, software=software) as renderer:
        drawn = renderer.draw(picture, [triangle(2.0, RED)], 60.0, (40.0, 40.0)).astype(int)
    red = drawn[..., 0] - drawn[..., 1] > 60
    assert not red[25:35, 25:35].any(), "inside, the picture shows"
    assert (drawn[25:35, 25:35] == 90).all()
    # The corners are at (10, 10), (70, 10) and (10, 70).
    assert red[9:12, 30:50].any(0).all()
    assert red[30:50, 9:12].any(1).all()
    assert 1 <= red[:, 25].sum() <= 8


def test_a_wireframe_hides_what_is_behind_its_faces(software: bool) -> None:
    with MeshRenderer(80, 80, wireframe=True, software=software) as renderer:
        near, far = triangle(2.0, RED), triangle(4.0, GREEN, reach=1.0)
        drawn = renderer.draw(None, [near, far], 60.0, (40.0, 40.0)).astype(int)
        alone = renderer.draw(None, [far], 60.0, (40.0, 40.0)).astype(int)
    assert (alone[..., 1] - alone[..., 0] > 60).sum() > 40
    assert not (drawn[..., 1] - drawn[..., 0] > 60)[30:50, 30:44].any()


def test_both_rasterisers_draw_the_same_wireframe(opengl: None) -> None:
    pictures = []
    for software in (False, True):
        with MeshRenderer(200, 160, wireframe=True, software=software) as renderer:
            pictures.append(renderer.draw(None, [ball((0.1, 0.0, 3.0), 0.8)], 200.0, (100.0, 80.0)).astype(int))
    assert np.abs(pictures[0] - pictures[1]).mean() < 3
    assert 0.05 < (pictures[0].min(-1) < 200).mean() < 0.25
