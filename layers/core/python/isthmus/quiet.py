"""Libraries that write what they send and receive when the root logger is at DEBUG: secrets are among it."""

import logging

TALKATIVE = ("boto3", "botocore", "s3transfer", "urllib3")


def quiet() -> None:
    """Let AWS's libraries say no more than INFO, whatever the root logger's level; call it before making a client."""
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.INFO)
