"""A worker's end of the Lambda Runtime API, under AWS's own runtime loop.

The client that comes with `awslambdaric` sends an answer's head and body apart and waits for the reply before it asks
for the next invocation: host and worker wake each other up three times per invocation where once is enough. Here a
worker hands back its answer and asks for the next invocation in one go (pipelining, RFC 9112 section 9.3.2), which is
all that the loop does next.
"""

import socket
from typing import Any, BinaryIO

from awslambdaric.lambda_runtime_client import InvocationRequest
from awslambdaric.lambda_runtime_marshaller import LambdaMarshaller, to_json

_REQUEST = "{} /{}/2018-06-01/runtime/{} HTTP/1.1\r\nHost: runtime\r\nContent-Length: {}\r\n\r\n"


class RuntimeClient:
    """What `awslambdaric.bootstrap.run` asks of its client, over one connection.

    Args:
        api: host and port of the Runtime API.
        secret: the worker's own, the first part of every path.
    """

    def __init__(self, api: str, secret: str) -> None:
        host, _, port = api.rpartition(":")
        self.marshaller = LambdaMarshaller()
        self._socket = socket.create_connection((host, int(port)))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._replies: BinaryIO = self._socket.makefile("rb")
        self._secret = secret
        self._next = self._request("GET", "invocation/next")
        self._answered = False

    def wait_next_invocation(self) -> InvocationRequest:
        """The next invocation.

        Raises:
            SystemExit: the host is gone.
        """
        if self._answered:
            self._reply()  # that it was taken; the next invocation is asked for already
        else:
            self._socket.sendall(self._next)
        headers, event = self._reply()
        return InvocationRequest(
            invoke_id=headers["lambda-runtime-aws-request-id"],
            invoked_function_arn=headers["lambda-runtime-invoked-function-arn"],
            deadline_time_in_ms=int(headers["lambda-runtime-deadline-ms"]),
            content_type=headers["content-type"],
            event_body=event,
            **dict.fromkeys(("x_amzn_trace_id", "client_context", "cognito_identity", "tenant_id", "invocation_id")),
        )

    def post_invocation_result(self, invoke_id: str, result_data: str | bytes, *_more: Any) -> None:
        """Hand back what the handler returned."""
        self._answer(f"invocation/{invoke_id}/response", result_data)

    def post_invocation_error(self, invoke_id: str, error_response_data: str, *_more: Any) -> None:
        """Hand back what the handler raised."""
        self._answer(f"invocation/{invoke_id}/error", error_response_data)

    def post_init_error(self, error_response_data: Any) -> None:
        """Say why the handler could not be loaded; the process ends next."""
        self._socket.sendall(self._request("POST", "init/error", to_json(error_response_data).encode()))
        self._reply()

    def _answer(self, path: str, body: str | bytes) -> None:
        data = body.encode() if isinstance(body, str) else body
        self._socket.sendall(self._request("POST", path, data) + self._next)
        self._answered = True

    def _request(self, method: str, path: str, body: bytes = b"") -> bytes:
        return _REQUEST.format(method, self._secret, path, len(body)).encode() + body

    def _reply(self) -> tuple[dict[str, str], bytes]:
        """The headers, their names in lower case, and the body of one reply."""
        if not self._replies.readline():
            raise SystemExit("the host is gone")
        headers: dict[str, str] = {}
        while line := self._replies.readline().strip():
            name, _, value = line.decode("latin-1").partition(": ")
            headers[name.lower()] = value
        return headers, self._replies.read(int(headers["content-length"]))
