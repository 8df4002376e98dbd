"""Benchmarks: each module measures one thing and is run by name, ``evenkeel bench NAME``."""
