"""Pictures of people: meshes and sticks drawn over the frames of a video."""
