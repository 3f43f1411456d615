"""A camera live: people found, reconstructed and drawn while they move; see docs/live.md."""
