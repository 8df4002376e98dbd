"""Turns a Program into Python source once, so that no packet meets the JSON again."""
