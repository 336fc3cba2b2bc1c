"""Entry point: ``python3 -m jenkins_standin``, described on standard input by the war's Main."""

import sys

from .main import main

if __name__ == "__main__":
    sys.exit(main())
