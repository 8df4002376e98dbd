"""The P4 pipeline: programs, what p4c makes of them, and what its tables should hold. Pure."""
