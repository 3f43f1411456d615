"""People in a video: found, followed, read from other programs' files, and cut into clips."""
