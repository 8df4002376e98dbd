"""Metrics for Prometheus, and what says that the controller lives and is ready."""
