"""Runs ministack with event source mappings that look at a quiet stream as often as Lambda's: four times a second.

https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-eventsourcemapping.html says so; ministack has no setting
for its one second.
"""

import time
from types import SimpleNamespace

from ministack.app import main
from ministack.services import lambda_svc

POLL_SECONDS = 0.25

if __name__ == "__main__":
    lambda_svc.time = SimpleNamespace(**{**vars(time), "sleep": lambda seconds: time.sleep(min(seconds, POLL_SECONDS))})
    main()
