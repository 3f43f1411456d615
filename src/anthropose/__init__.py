"""3D human pose and shape over time, from ordinary video."""
