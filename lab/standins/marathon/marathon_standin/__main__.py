"""Entry point: ``python3 -m marathon_standin FLAGS``."""

import sys

from .main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
