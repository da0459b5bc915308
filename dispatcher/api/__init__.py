"""The API: the HTTP face for programs."""
