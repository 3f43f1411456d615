"""A page for a browser on this machine that shows the drawn pictures as they come (Motion JPEG)."""

import json
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Thread
from types import TracebackType
from typing import Any

import cv2
import numpy as np
from jaxtyping import UInt8

from anthropose.errors import UserError
from anthropose.live.figures import Figures

QUALITY = 80
"""Of the JPEG pictures."""
BOUNDARY = "anthropose-frame"
TRIES = 20
"""Ports that are tried, one after the other."""
OWN_NAMES = ("localhost", "127.0.0.1", "[::1]")

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>anthropose live</title>
<style>
body { margin: 0; background: #16181d; color: #e8e8e8; font: 16px/1.4 system-ui, sans-serif; text-align: center }
img { display: block; margin: 16px auto 8px; width: auto; max-width: calc(100vw - 32px); height: calc(100vh - 90px);
      object-fit: contain; background: #000 }
p { margin: 0; font-variant-numeric: tabular-nums }
</style>
<img src="/stream" alt="the camera's picture with the people drawn over it"><p id="speed">waiting for the camera</p>
<script>
const line = document.getElementById("speed"), picture = document.querySelector("img");
let ended = false;
setInterval(async () => {
  try {
    line.textContent = (await (await fetch("/speed")).json()).text;
    if (ended) picture.src = "/stream?" + Date.now();
    ended = false;
  } catch { line.textContent = "the camera is no longer running"; ended = true; }
}, 1000);
</script></html>
"""


class Page:
    """Serves the page while its block lasts."""

    def __init__(self, host: str, port: int, figures: Figures) -> None:
        """
        Args:
            host: the address of the interface that it is offered on.
            port: the first that is tried.

        Raises:
            UserError: there is no such address here, or none of the ports is free.
        """
        self._figures = figures
        self._jpeg: bytes = b""
        self._count = 0
        self._watching = 0
        self._changed = Condition()
        self._closed = False
        self._server = _serve(host, port, self)
        names = OWN_NAMES if host in ("127.0.0.1", "localhost", "::1") else None
        self._server.names = names  # type: ignore[attr-defined]
        self.address = f"http://{'localhost' if names else host}:{self._server.server_port}"

    def __enter__(self) -> "Page":
        Thread(target=self._server.serve_forever, args=(0.1,), name="live-page", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()

    @property
    def where(self) -> str:
        """Where to look, for the terminal."""
        return f"live on {self.address}"

    def show(self, picture: UInt8[np.ndarray, "h w 3"], taken: float) -> None:
        """Sends a picture to everyone who watches; it is only encoded where someone does."""
        if self._watching:
            ok, jpeg = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
            assert ok
            with self._changed:
                self._jpeg, self._count = jpeg.tobytes(), self._count + 1
                self._changed.notify_all()
        self._figures.show(taken)

    def poll(self) -> bool:
        """Whether to go on: a page cannot be closed from its other end."""
        return True

    def speed(self) -> dict[str, Any]:
        """Rate and latency, for the page."""
        speed = self._figures.speed
        return {"rate": speed.rate, "latency": speed.latency, "text": str(speed)}

    def pictures(self) -> Any:
        """The newest picture, again and again, for one who watches; a slow browser misses some."""
        with self._changed:
            self._watching += 1
            seen = self._count
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._count != seen or self._closed)  # noqa: B023 - called at once
                    if self._closed:
                        return
                    seen, jpeg = self._count, self._jpeg
                yield jpeg
        finally:
            with self._changed:
                self._watching -= 1


class _Handler(BaseHTTPRequestHandler):
    """Answers a browser."""

    server: Any
    timeout = 10.0

    def do_GET(self) -> None:
        if not self._is_ours():
            self.send_error(HTTPStatus.FORBIDDEN)
        elif self.path == "/":
            self._answer("text/html; charset=utf-8", PAGE.encode())
        elif self.path == "/speed":
            self._answer("application/json", json.dumps(self.server.page.speed()).encode())
        elif self.path.partition("?")[0] == "/stream":
            self._stream()
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def _is_ours(self) -> bool:
        """Whether the browser came by one of this machine's own names.

        A foreign page whose name was made to lead here (DNS rebinding) could read the camera's pictures otherwise.
        """
        names = self.server.names
        return names is None or self.headers.get("Host", "").rpartition(":")[0] in names

    def _answer(self, kind: str, content: bytes) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(content)

    def _stream(self) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={BOUNDARY}")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        boundary = f"--{BOUNDARY}\r\n".encode()
        try:
            self.wfile.write(boundary)
            for jpeg in self.server.page.pictures():
                head = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                # Browsers show a picture when they see its end, so the next boundary goes along with it.
                self.wfile.write(head.encode() + jpeg + b"\r\n" + boundary)
        except OSError:
            pass  # The browser has gone.

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: the terminal is for the camera."""


def _serve(host: str, port: int, page: Page) -> ThreadingHTTPServer:
    reason: OSError | None = None
    for candidate in range(port, port + TRIES) if port else (0,):
        try:
            server = ThreadingHTTPServer((host, candidate), _Handler)
        except (OSError, OverflowError) as error:
            reason = error if isinstance(error, OSError) else OSError(str(error))
            continue
        server.daemon_threads = True
        server.page = page  # type: ignore[attr-defined]
        return server
    raise UserError(f"--host {host} --port {port}: no page can be offered there ({reason}); choose others")
