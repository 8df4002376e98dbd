"""Runs the p4c compiler's own v1model packet tests (.p4 with .stf) through the embedded switch's engine."""
