"""The page shows the newest picture to browsers on this machine, and to nobody else."""

import http.client
import json
import threading
import time
from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from anthropose.errors import UserError
from anthropose.live.figures import Figures, Learnt
from anthropose.live.page import Page


@pytest.fixture
def page() -> Iterator[Page]:
    with Page("127.0.0.1", 0, Figures()) as served:
        yield served


def connect(page: Page) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", page._server.server_port, timeout=30)


def get(page: Page, path: str, host: str = "localhost:1") -> tuple[int, bytes]:
    connection = connect(page)
    connection.request("GET", path, headers={"Host": host})
    answer = connection.getresponse()
    return answer.status, answer.read()


def picture(level: int) -> np.ndarray:
    return np.full((48, 64, 3), (level, 40, 40), np.uint8)


def next_picture(stream: http.client.HTTPResponse) -> np.ndarray:
    """The next JPEG of the stream, as RGB."""
    length = 0
    while (line := stream.readline().strip()) or not length:
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    return cv2.imdecode(np.frombuffer(stream.read(length), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def test_a_browser_gets_the_page_its_pictures_and_the_speed(page: Page) -> None:
    status, text = get(page, "/")
    assert status == 200
    assert b'src="/stream"' in text
    connection = connect(page)
    connection.request("GET", "/stream")
    stream = connection.getresponse()
    assert stream.getheader("Content-Type", "").startswith("multipart/x-mixed-replace")
    while not page._watching:
        time.sleep(0.01)
    for level in (200, 90):
        page.show(picture(level), time.monotonic() - 0.05)
        np.testing.assert_allclose(next_picture(stream)[20, 30], (level, 40, 40), atol=6)
    speed = json.loads(get(page, "/speed")[1])
    assert speed["rate"] > 0
    assert 0.05 <= speed["latency"] < 30
    assert speed["text"].endswith(" ms")
    page._figures.learn(Learnt(12, 1))
    assert json.loads(get(page, "/speed")[1])["text"].endswith(" ms, adapted in 12 steps, 1 taken back")
    assert get(page, "/elsewhere")[0] == 404


def test_pictures_are_encoded_only_while_someone_watches(page: Page) -> None:
    page.show(picture(100), time.monotonic())
    assert page._count == 0
    assert page._figures.shown == 1


@pytest.mark.parametrize("path", ["/", "/stream", "/speed"])
def test_a_page_of_a_foreign_name_that_leads_here_gets_nothing(page: Page, path: str) -> None:
    assert get(page, path, host="evil.example:8008")[0] == 403


def test_the_page_is_for_this_machine_alone(page: Page) -> None:
    assert page._server.server_address[0] == "127.0.0.1"
    assert page.address.startswith("http://localhost:")


def test_a_port_that_is_taken_gives_the_next_one_and_an_address_that_is_not_here_a_line() -> None:
    with Page("127.0.0.1", 28_431, Figures()) as first, Page("127.0.0.1", 28_431, Figures()) as second:
        assert first._server.server_port != second._server.server_port
    with pytest.raises(UserError, match=r"^--host 192\.0\.2\.1 --port 80: no page can be offered"):
        Page("192.0.2.1", 80, Figures())


def test_a_stream_ends_with_the_session() -> None:
    with Page("127.0.0.1", 0, Figures()) as page:
        connection = connect(page)
        connection.request("GET", "/stream")
        stream = connection.getresponse()
        while not page._watching:
            time.sleep(0.01)
    assert stream.read() == b"--anthropose-frame\r\n"
    assert not [thread for thread in threading.enumerate() if thread.name == "live-page" and thread.is_alive()]
