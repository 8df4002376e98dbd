"""Tests: unit, conformance (against live switches), lab and bench."""
