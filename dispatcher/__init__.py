"""The face: command line, HTTP, demo; the one place that puts everything together."""
