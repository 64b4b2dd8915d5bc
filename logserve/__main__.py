"""``python -m logserve``."""

import sys

from logserve.cli.serve import main

if __name__ == "__main__":
    sys.exit(main())
