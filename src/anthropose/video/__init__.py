"""Video in and out: files, image folders and cameras as RGB frames with times; H.264 files that browsers play."""

from anthropose.video.base import Video
from anthropose.video.opening import open_video
from anthropose.video.writer import VideoWriter

__all__ = ["Video", "VideoWriter", "open_video"]
