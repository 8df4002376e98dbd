"""Programs that the lab's hosts run."""
