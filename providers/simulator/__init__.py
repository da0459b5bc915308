"""Carriers with faults, over real sockets, each with its own file of the truth."""
