"""Runs ministack as close to Lambda as this project needs it; called by path, with the interpreter for functions.

Event source mappings look at a quiet stream four times a second, which is Lambda's rate; ministack has no setting for
its one second: https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-eventsourcemapping.html

Functions run on an interpreter other than ministack's own; there is no setting for that either.
"""

import sys
import time
from types import SimpleNamespace

from ministack.app import main
from ministack.services import lambda_svc

POLL_SECONDS = 0.25

if __name__ == "__main__":
    sys.executable = sys.argv.pop()
    lambda_svc.time = SimpleNamespace(**{**vars(time), "sleep": lambda seconds: time.sleep(min(seconds, POLL_SECONDS))})
    main()
