"""``python -m space2vec.cli``."""

import sys

from space2vec.cli import main

sys.exit(main())
