"""A fabric of containers, one a node: who lays the cables between them, and what runs inside each."""
