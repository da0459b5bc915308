"""Figures and the papers made from them."""
