"""`isthmus invoke`: run an operation as a state machine's task does, without HTTP."""

import argparse
import json
import os
import sys
from urllib.parse import quote

from infra.local.client import LONGEST_TASK_S, control, show, show_problem
from infra.local.home import find, home_of
from isthmus.failure import Malformed


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("operation", help="its name, such as get_block")
    parser.add_argument("request", nargs="?", default="{}", help="the request as JSON, or - for the standard input")


def run(options: argparse.Namespace) -> int:
    """Invoke and print the result, or the error's name and message."""
    text = sys.stdin.read() if options.request == "-" else options.request
    try:
        request = json.loads(text)
    except ValueError as error:
        raise Malformed("The request is not JSON.", next_step="""Write it as '{"height": 1}'.""") from error
    event = json.dumps({"execution": "cli", "request": request}).encode()
    path = f"/invoke/{quote(options.operation, safe='')}"
    answer = control(find(home_of(os.environ)), "POST", path, event, timeout_s=LONGEST_TASK_S)
    if not answer.ok:
        show_problem(json.loads(answer.body))
        return 1
    if "x-amz-function-error" in answer.headers:
        raised = json.loads(answer.body)
        print(f"{raised.get('errorType')}: {raised.get('errorMessage')}", file=sys.stderr)
        return 1
    show(answer.body)
    return 0
