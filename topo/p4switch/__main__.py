"""Makes ``python -m topo.p4switch`` the same as the command ``evenkeel switch``."""

import sys

from topo.p4switch.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
