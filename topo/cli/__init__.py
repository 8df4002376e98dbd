"""The commands of labs: bench, demo, lab, soak and switch. Registered in ``pyproject.toml``."""
