"""The commands of labs: demo, bench, lab and switch. Registered in ``pyproject.toml``."""
