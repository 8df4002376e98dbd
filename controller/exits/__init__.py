"""What the plan leads to beside switches: names, routes, a layer-7 tier, discovery. One package each."""
