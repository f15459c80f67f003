"""``python -m synapse_tim`` is ``synapse-tim``."""

import sys

from synapse_tim.cli import main

sys.exit(main())
