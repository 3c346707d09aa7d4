"""What is in the account of a local stack, to tell whether a destroy has left anything."""

from local.aws import AwsStack


def resources(aws: AwsStack) -> list[str]:
    """Name whatever a root module of this repository could leave behind.

    A KMS key that waits for its deletion is none: AWS lets no key go at once.
    """
    client = aws.client
    keys = [each["KeyId"] for each in client("kms").list_keys()["Keys"]]
    return [
        *client("dynamodb").list_tables()["TableNames"],
        *(each["FunctionName"] for each in client("lambda").list_functions()["Functions"]),
        *(each["UUID"] for each in client("lambda").list_event_source_mappings()["EventSourceMappings"]),
        *(each["RoleName"] for each in client("iam").list_roles()["Roles"]),
        *(each["logGroupName"] for each in client("logs").describe_log_groups()["logGroups"]),
        *client("sqs").list_queues().get("QueueUrls", []),
        *(each["TopicArn"] for each in client("sns").list_topics()["Topics"]),
        *(each["Name"] for each in client("s3").list_buckets()["Buckets"]),
        *(key for key in keys if client("kms").describe_key(KeyId=key)["KeyMetadata"]["KeyState"] != "PendingDeletion"),
        *(each["Name"] for each in client("secretsmanager").list_secrets(IncludePlannedDeletion=True)["SecretList"]),
        *(each["AlarmName"] for each in client("cloudwatch").describe_alarms()["MetricAlarms"]),
        *(each["DashboardName"] for each in client("cloudwatch").list_dashboards()["DashboardEntries"]),
    ]
