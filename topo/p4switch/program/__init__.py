"""The bmv2 JSON of a compiled program as typed, frozen dataclasses."""

from topo.p4switch.program.load import load_program
from topo.p4switch.program.model import Program

__all__ = ["Program", "load_program"]
