"""Trials of compose.yaml with a container engine."""
