"""The HTTP face for programs."""
