"""What Alertmanager and a running Remediator answer, for stand-ins."""

import json
from copy import deepcopy
from typing import Any

from remediator.config.loader import parse_policy
from remediator.core.durations import format_duration
from tests.monitoring.test_serving import STATUS
from tests.support.service import SHIPPED


def loaded(config: str) -> str:
    """Alertmanager's answer with the configuration that it has loaded."""
    return json.dumps({"config": {"original": config}})


def serving(**changes: Any) -> Any:
    """The status of a Remediator with the shipped remediations, and these changes of its data."""
    answer = deepcopy(STATUS)
    policy, data = parse_policy(SHIPPED.read_text(), str(SHIPPED)), answer["data"]
    data["config"]["remediations"] = [
        {
            "name": one.name,
            "matchers": list(map(str, one.matchers)),
            "target": one.target.name,
            "effect": str(one.action.effect),
            "cooldown": format_duration(one.cooldown),
            "mode": one.mode,
        }
        for one in policy.remediations
    ]
    data["targets"] = [
        {"name": one.name, "namespace": one.namespace, "deployment": one.deployment, "problem": ""}
        for one in policy.targets
    ]
    return {**answer, "data": {**data, **changes}}
