"""Messages of ``evenkeel.v1``, made by ``python -m controller.api.compile``: clients need nothing else."""
