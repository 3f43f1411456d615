"""Methods: each turns a clip of one person into a motion, one file each."""
