"""Hostile inputs for whatever takes input from others: ``python -m tests.fuzz TARGET`` (docs/fuzzing.md)."""
