"""Runs ministack as close to Lambda as this project needs it; called by path, with the interpreter for functions.

Event source mappings look at a quiet stream four times a second, which is Lambda's rate; ministack has no setting for
its one second: https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-eventsourcemapping.html

Functions run on an interpreter other than ministack's own; there is no setting for that either.

Log groups are told with their class and their key, which ministack forgets: Terraform would make the group anew.
"""

import json
import sys
import time
from types import SimpleNamespace
from typing import Any

from ministack.app import main
from ministack.services import cloudwatch_logs, lambda_svc

POLL_SECONDS = 0.25

KEPT = {"logGroupClass": "STANDARD", "kmsKeyId": None}
"""What is kept of a log group, and what it is where the request does not say."""

_create_log_group = cloudwatch_logs._create_log_group
_describe_log_groups = cloudwatch_logs._describe_log_groups


def create_log_group(data: dict[str, Any]) -> Any:
    """Make a log group that knows its class and its key."""
    answer = _create_log_group(data)
    if answer[0] == 200:
        cloudwatch_logs._log_groups[data["logGroupName"]]["kept"] = {
            name: data.get(name, default) for name, default in KEPT.items() if data.get(name, default)
        }
    return answer


def describe_log_groups(data: dict[str, Any]) -> Any:
    """Tell each log group's class and key too."""
    status, headers, body = _describe_log_groups(data)
    answer = json.loads(body)
    for group in answer.get("logGroups", ()):
        # A group that Lambda made knows of neither.
        group.update(cloudwatch_logs._log_groups[group["logGroupName"]].get("kept", {}))
    return status, headers, json.dumps(answer).encode()


if __name__ == "__main__":
    sys.executable = sys.argv.pop()
    cloudwatch_logs._create_log_group = create_log_group
    cloudwatch_logs._describe_log_groups = describe_log_groups
    lambda_svc.time = SimpleNamespace(**{**vars(time), "sleep": lambda seconds: time.sleep(min(seconds, POLL_SECONDS))})
    main()
