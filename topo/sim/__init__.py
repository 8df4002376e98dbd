"""A lab without privileges: real switch processes, cables in memory, and simulated hosts."""
