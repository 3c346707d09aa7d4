"""Runs ministack as close to Lambda as this project needs it; called by path, with the interpreter for functions.

Event source mappings look at a quiet stream four times a second, which is Lambda's rate; ministack has no setting for
its one second: https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-eventsourcemapping.html

Functions run on an interpreter other than ministack's own; there is no setting for that either.

What ministack forgets, and Terraform would make or set anew at each apply, is told as it was written: log groups with
their class and their key, event source mappings with the ARN that their tags are under, topics with the tags that they
were made with, and how many days back a table can be recovered.

An answer goes out in one piece. Between its head and its body, a client in Go, such as Terraform's provider, at times
drops the connection, where the machine is busy and the server so near that it answers before the client's own writer is
done. AWS's SDK then makes the request again, and what it was to make exists already:
https://github.com/aws/aws-sdk-go-v2/issues/2737
"""

import json
import re
import sys
import time
from types import SimpleNamespace
from typing import Any

from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.events import Event, RawData
from ministack.app import main
from ministack.services import cloudwatch_logs, dynamodb, lambda_svc, sns

POLL_SECONDS = 0.25

KEPT = {"logGroupClass": "STANDARD", "kmsKeyId": None}
"""What is kept of a log group, and what it is where the request does not say."""

RECOVERY_PERIOD_DAYS = 35
"""What AWS takes where the request does not say:
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_PointInTimeRecoverySpecification.html
"""

_connections: Any = TCPServer
_protocol_send = TCPServer.protocol_send
_create_log_group = cloudwatch_logs._create_log_group
_describe_log_groups = cloudwatch_logs._describe_log_groups
_esm_response = lambda_svc._esm_response
_create_topic = sns._create_topic
_update_continuous_backups = dynamodb._update_continuous_backups
_describe_continuous_backups = dynamodb._describe_continuous_backups


async def protocol_send(connection: Any, event: Event) -> None:
    """Send what there is to be sent, but keep an answer's head until its body, or its end, comes."""
    if isinstance(event, RawData):
        data = vars(connection).pop("head", b"") + event.data
        # "100 Continue" is no answer's head: the client waits for it.
        if event.data.startswith(b"HTTP/1.1 ") and not event.data.startswith(b"HTTP/1.1 1"):
            connection.head = data
            return
        event = RawData(data)
    await _protocol_send(connection, event)


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


def esm_response(mapping: dict[str, Any]) -> dict[str, Any]:
    """Tell an event source mapping's own ARN too."""
    account = mapping["FunctionArn"].partition(":function:")[0]
    return {**_esm_response(mapping), "EventSourceMappingArn": f"{account}:event-source-mapping:{mapping['UUID']}"}


def create_topic(parameters: dict[str, Any]) -> Any:
    """Make a topic with the tags that come with the request, which ministack looks for under another name."""
    return _create_topic({re.sub(r"^Tags\.", "Tag.", name): value for name, value in parameters.items()})


def update_continuous_backups(data: dict[str, Any]) -> Any:
    """Keep a table's recovery period where ministack keeps that it has one: any number will do as well."""
    answer = _update_continuous_backups(data)
    if answer[0] == 200 and dynamodb._pitr_settings[data["TableName"]]:
        days = data["PointInTimeRecoverySpecification"].get("RecoveryPeriodInDays", RECOVERY_PERIOD_DAYS)
        dynamodb._pitr_settings[data["TableName"]] = days
    return answer


def describe_continuous_backups(data: dict[str, Any]) -> Any:
    """Tell a table's recovery period too."""
    status, headers, body = _describe_continuous_backups(data)
    answer = json.loads(body)
    if status == 200 and dynamodb._pitr_settings.get(data["TableName"]):
        recovery = answer["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
        recovery["RecoveryPeriodInDays"] = dynamodb._pitr_settings[data["TableName"]]
    return status, headers, json.dumps(answer).encode()


if __name__ == "__main__":
    sys.executable = sys.argv.pop()
    _connections.protocol_send = protocol_send
    cloudwatch_logs._create_log_group = create_log_group
    cloudwatch_logs._describe_log_groups = describe_log_groups
    lambda_svc._esm_response = esm_response
    sns._create_topic = create_topic
    dynamodb._update_continuous_backups = update_continuous_backups
    dynamodb._describe_continuous_backups = describe_continuous_backups
    lambda_svc.time = SimpleNamespace(**{**vars(time), "sleep": lambda seconds: time.sleep(min(seconds, POLL_SECONDS))})
    main()
