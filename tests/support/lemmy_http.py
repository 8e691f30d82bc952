"""The Lemmy stand-in's side of an HTTP/1.1 connection, on h11."""

from __future__ import annotations

import json
import socket
import struct
from http import HTTPStatus

import h11
import trio

BODY_LIMIT = 256 * 1024
_HEAD_LIMIT = 128 * 1024
_LINGER_RST = struct.pack("ii", 1, 0)


class ServerConnection:
    """Requests one after another: a head ends at its blank line, so that its bytes are at hand; the rest is h11's."""

    def __init__(self, stream: trio.SocketStream, number: int) -> None:
        self.number = number
        self.head = b""
        self.request: h11.Request | None = None
        self._stream = stream
        self._buffer = b""
        self._http = h11.Connection(h11.SERVER)

    async def read_head(self) -> bool:
        """`head` is set; False when the peer hung up first."""
        self.head, self.request = b"", None
        while b"\r\n\r\n" not in self._buffer:
            received = await self._stream.receive_some(65536)
            self._buffer += received
            if not received or len(self._buffer) > _HEAD_LIMIT:
                return False
        before, blank, self._buffer = self._buffer.partition(b"\r\n\r\n")
        self.head = before + blank
        return True

    async def read_request(self) -> tuple[h11.Request, bytes | None]:
        """The request and its body; None in its place when that is too large. Raises h11.RemoteProtocolError."""
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD_LIMIT)
        self._http.receive_data(self.head)
        request = self._http.next_event()
        assert isinstance(request, h11.Request)
        self.request = request
        if self._http.they_are_waiting_for_100_continue:
            go_on = h11.InformationalResponse(status_code=100, headers=[])
            await self._stream.send_all(self._http.send(go_on) or b"")
        if self._buffer:
            self._http.receive_data(self._buffer)
        body = bytearray()
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                self._http.receive_data(await self._stream.receive_some(65536))
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > BODY_LIMIT:
                    return request, None
            elif isinstance(event, h11.EndOfMessage):
                self._buffer = self._http.trailing_data[0]
                return request, bytes(body)

    def wants_close(self) -> bool:
        """Did the peer ask for this to be the last request?"""
        return self._http.their_state is h11.MUST_CLOSE

    async def answer(self, status: int, error: str, *, close: bool = False, cut: bool = False) -> None:
        """Lemmy's answer: nothing on success, else `{"error": ...}`. `cut`: only the first half of its bytes."""
        body = b"" if status == 200 else json.dumps({"error": error}).encode()
        head = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", f"content-length: {len(body)}"]
        if body:
            head.append("content-type: application/json")
        if close:
            head.append("connection: close")
        raw = "\r\n".join([*head, "", ""]).encode() + body
        await self._stream.send_all(raw[: len(raw) // 2] if cut else raw)

    async def wait_for_hangup(self) -> None:
        """Return once the peer has closed its side."""
        while await self._stream.receive_some(65536):
            pass

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        self._stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RST)
        self._stream.socket.close()
