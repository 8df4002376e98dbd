"""FRR as the engine: its configuration as text, its daemons' vty sockets, what it says of its state."""
