"""``python -m campaign.cli …`` is ``countersign …``."""

import sys

from campaign.cli.main import main

sys.exit(main())
