"""DynamoDB Local: Amazon's own DynamoDB for one machine, with true streams and TTL deletes."""

from local.dynamodb.installation import install
from local.dynamodb.server import DynamoDBLocal

__all__ = ["DynamoDBLocal", "install"]
