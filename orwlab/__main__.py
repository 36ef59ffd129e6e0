"""``python -m orwlab``: the command ``orwlab``."""

import sys

from orwlab.cli import main

if __name__ == "__main__":
    sys.exit(main())
