"""Makes ``python -m controller`` the same as the command ``evenkeel``."""

from controller.cli.main import main

if __name__ == "__main__":
    main()
