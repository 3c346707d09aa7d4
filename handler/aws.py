"""AWS behind its two seams: the secret that holds the API key, and the table that lists are rebuilt from."""

import asyncio
import base64
import contextlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import msgspec
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError
from aws_lambda_powertools.utilities.parameters.secrets import SecretsProvider
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from handler.attributes import AttributeValue
from handler.cache import CONCURRENCY, CacheError, NotAKeyError, Page, TransientError
from handler.settings import Momento, RebuildFrom, Table

CONNECT_TIMEOUT_SECONDS = 1
READ_TIMEOUT_SECONDS = 3
ATTEMPTS = 2
REQUEST_SECONDS = ATTEMPTS * (CONNECT_TIMEOUT_SECONDS + READ_TIMEOUT_SECONDS) + 1.0
"""The longest that one request takes, with a second for the pause between the attempts.

botocore's bounds are for one address of the host name, and none is for the resolver: so the whole is bounded too.
"""

FETCH_SECONDS = 5.0
"""The longest wait for the secret. With connecting to Momento it has to fit Lambda's init phase of 10 s."""

_CONFIG = Config(
    connect_timeout=CONNECT_TIMEOUT_SECONDS,
    read_timeout=READ_TIMEOUT_SECONDS,
    retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
    max_pool_connections=CONCURRENCY,
)


_THROTTLED = {"ProvisionedThroughputExceededException", "RequestLimitExceeded", "ThrottlingException"}
"""https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html"""

SERVER_ERROR = 500


class SecretKey:
    """The Momento API key, kept in Secrets Manager."""

    fetch_seconds = FETCH_SECONDS

    def __init__(self, momento: Momento) -> None:
        self._momento = momento
        # By boto3's default session, as the table's: a session of its own would read all that there is on AWS again.
        self._secrets = SecretsProvider(boto3_client=boto3.client("secretsmanager", config=_CONFIG))

    def fetch(self) -> str:
        """Fetch the present key.

        Raises:
            CacheError: the secret cannot be read, or does not hold a key; the message names the input to fix.
        """
        try:
            secret: object = self._secrets.get(self._momento.secret_arn, force_fetch=True)
        except GetParameterError as error:
            raise CacheError(f"momento.secret_arn: the secret cannot be read: {error}") from error
        # What was stored as binary is text all the same, or no key.
        text = secret.decode("ascii", "replace") if isinstance(secret, bytes) else str(secret or "")
        fields = _json_object(text)
        name = self._momento.secret_json_key
        if name is None:
            if fields is not None:
                raise CacheError(
                    "momento.secret_json_key: the secret is a JSON object: name the field that holds the API key"
                )
            if not text.strip():
                raise CacheError("momento.secret_arn: the secret holds no text: store the API key there")
            return text.strip()
        if fields is None:
            raise CacheError(
                "momento.secret_json_key: the secret is not a JSON object: leave the input out, or store one"
            )
        key = fields.get(name)
        if not isinstance(key, str) or not key.strip():
            raise CacheError(
                f'momento.secret_json_key: the secret\'s JSON has no text "{name}": name the field with the key'
            )
        return key.strip()


def _json_object(text: str) -> dict[str, object] | None:
    # An error of msgspec could quote the secret.
    with contextlib.suppress(msgspec.DecodeError):
        return msgspec.json.decode(text, type=dict[str, object])
    return None


class DynamoTable:
    """The table whose stream is read."""

    request_seconds = REQUEST_SECONDS

    def __init__(self, table: Table) -> None:
        self._name = table.name
        self._client = boto3.client("dynamodb", config=_CONFIG)
        # As many as there are operations at once: a query that waited for a thread could end after its time.
        self._threads = ThreadPoolExecutor(CONCURRENCY)

    async def query(
        self, source: RebuildFrom, condition: Mapping[str, AttributeValue], after: Mapping[str, AttributeValue] | None
    ) -> Page:
        """Read one page of an index, or of the table itself, consistently."""
        request: dict[str, Any] = {
            "TableName": self._name,
            "KeyConditionExpression": " AND ".join(f"#k{n} = :k{n}" for n in range(len(condition))),
            "ExpressionAttributeNames": {f"#k{n}": name for n, name in enumerate(condition)},
            "ExpressionAttributeValues": {f":k{n}": _for_boto3(value) for n, value in enumerate(condition.values())},
        }
        if source.index_name is None:
            request["ConsistentRead"] = True
        else:
            request["IndexName"] = source.index_name
        if after is not None:
            request["ExclusiveStartKey"] = after
        try:
            # A thread cannot be ended: one that is given up goes on until the kernel's own bounds.
            answer = await asyncio.wait_for(
                asyncio.get_running_loop().run_in_executor(self._threads, lambda: self._client.query(**request)),
                self.request_seconds,
            )
        except ClientError as error:
            # The code, not the message: that may quote the item's values.
            code = error.response["Error"]["Code"]
            if "does not match schema type" in error.response["Error"]["Message"]:
                raise NotAKeyError("rebuild_from: a value is not of its key's type") from None
            may_pass = code in _THROTTLED or error.response["ResponseMetadata"]["HTTPStatusCode"] >= SERVER_ERROR
            raise (TransientError if may_pass else CacheError)(f"rebuild_from: the query failed: {code}") from error
        except TimeoutError:
            raise CacheError(
                "rebuild_from: DynamoDB does not answer: check the function's network, such as the VPC endpoint or "
                "NAT gateway and its security group"
            ) from None
        except BotoCoreError as error:
            raise CacheError(f"rebuild_from: the query failed: {type(error).__name__}") from error
        # An empty key is the end as well: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Query.html
        return Page(answer["Items"], answer.get("LastEvaluatedKey") or None)


def _for_boto3(value: AttributeValue) -> AttributeValue:
    """A value of a Lambda event as boto3 wants it: there binary is base64 text, here bytes."""
    return {"B": base64.b64decode(value["B"])} if "B" in value else value
