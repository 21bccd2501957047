"""The environment of a function's worker: what the template says, with local stores instead of the deployment's."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.local.expand import Function
from infra.local.forks import python_path
from infra.local.intrinsics import REGION

DEPLOYED_ONLY = ("ISTHMUS_TABLE", "ISTHMUS_BUCKET", "ISTHMUS_BITCOIN_SECRET", "ISTHMUS_TOKEN_KEYS")
NODE_VARIABLES = ("ISTHMUS_BITCOIN_URL", "ISTHMUS_BITCOIN_COOKIE", "ISTHMUS_BITCOIN_CA")
NODE_FILES = ("ISTHMUS_BITCOIN_COOKIE", "ISTHMUS_BITCOIN_CA")
_KEPT = ("PATH", "HOME", "TMPDIR", "PYTHONDONTWRITEBYTECODE", "ISTHMUS_OUTBOUND_LOOPBACK")


@dataclass(frozen=True)
class Surroundings:
    """What all workers of one runtime share: its folders, its owner, its control API and its node."""

    root: Path
    home: Path
    owner: str
    control: str
    token: str
    node: Mapping[str, str]


def local_environment(function: Function, around: Surroundings) -> dict[str, str]:
    """All environment variables of the function's workers.

    Without the names of table, bucket, secret and token keys the library takes what it keeps under ISTHMUS_HOME. Every
    AWS endpoint is the control API, and the AWS credentials are its token: nothing here can reach AWS by mistake.
    """
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    given = {name: value for name, value in function.environment.items() if name not in DEPLOYED_ONLY}
    return (
        kept
        | given
        | {
            "ISTHMUS_HOME": str(around.home),
            "ISTHMUS_OWNER": around.owner,
            **around.node,
            "AWS_ENDPOINT_URL": around.control,
            "AWS_ENDPOINT_URL_SFN": around.control,
            "AWS_ACCESS_KEY_ID": around.token,
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_LAMBDA_FUNCTION_NAME": function.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": "local",
            "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info.major}.{sys.version_info.minor}",
            "LAMBDA_TASK_ROOT": str(around.root),
            "PYTHONPATH": python_path(around.root),
            "LANG": "C.UTF-8",
            "TZ": "UTC",
        }
    )
