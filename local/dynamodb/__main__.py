"""`python -m local.dynamodb`: installs DynamoDB Local, which its first use would do too."""

import sys

from local.dynamodb.installation import install
from local.server import ServerError

if __name__ == "__main__":
    try:
        install()
    except ServerError as error:
        sys.exit(str(error))
