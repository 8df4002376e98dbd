"""Operator's edits as a property: random edits on the planner, the oracle and memories; no connection may move."""
