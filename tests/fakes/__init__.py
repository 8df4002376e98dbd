"""Stand-ins for switches and controllers that behave as the real ones do, and misbehave on demand."""
