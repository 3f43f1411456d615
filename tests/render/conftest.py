"""Both rasterisers for tests that hold for either."""

import pytest

from anthropose.render.gl import NoOpenGL, make_context


@pytest.fixture(scope="session")
def opengl() -> None:
    """Skips the test on machines without OpenGL."""
    try:
        make_context().release()
    except NoOpenGL as error:
        pytest.skip(f"no OpenGL here: {error}")


@pytest.fixture(params=["opengl", "numpy"])
def software(request: pytest.FixtureRequest) -> bool:
    """The argument of MeshRenderer that chooses the rasteriser."""
    if request.param == "opengl":
        request.getfixturevalue("opengl")
    return bool(request.param == "numpy")
