"""Spans of a change, from the call that asks for it to the last switch that holds it; an optional part."""
