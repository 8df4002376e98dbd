"""Evenkeel: layer-4 load balancing inside switches."""

__version__ = "0.1.0"
