"""How many checks each asset of the product has, as JSON: {asset: checks}."""

import json
import sys
from pathlib import Path

from churn_assets.definitions import defs

graph = defs.get_repository_def().asset_graph
checks = dict.fromkeys((key.to_user_string() for key in graph.get_all_asset_keys()), 0)
for check in graph.asset_check_keys:
    checks[check.asset_key.to_user_string()] += 1
Path(sys.argv[1]).write_text(json.dumps(checks))
