"""Makes `python -m postern` the same command as `postern`."""

import sys

from postern.cli import main

sys.exit(main())
