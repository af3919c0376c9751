"""How much of an HTTP request has arrived: enough for a thread to answer it without waiting, or not yet.

Pure. It decides only who waits where. What a request means is gunicorn's to say; where the two disagree about its end,
the connection ends with the answer.
"""

import re

MAX_HEAD_BYTES = 65_536
"""Eight times what Alertmanager's could be; gunicorn itself would take 400 KB."""

_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*0*([0-9]+)[ \t]*(?=\r\n)", re.IGNORECASE)
_EXPECTATION = re.compile(rb"\r\nexpect:[ \t]*100-continue[ \t]*(?=\r\n)", re.IGNORECASE)


class Arrival:
    """The bytes of one request, as they come in.

    A body over `max_body` bytes is not waited for, since the head is enough to refuse it.
    """

    def __init__(self, max_body: int) -> None:
        self._max_body = max_body
        self._bytes = bytearray()
        self._wanted: int | None = None
        self._head_size = 0
        self._ended = False
        self.size = 0
        """Bytes that have come in so far."""
        self.expects_continue = False
        """Whether the client holds its body back until it is asked for it."""

    @property
    def is_whole(self) -> bool:
        """Whether nothing more has to come before it can be answered."""
        return self._ended or (self._wanted is not None and self.size >= self._wanted)

    @property
    def body_size(self) -> int:
        """Bytes that have come in after the head; more than the body where the client has not waited for the answer."""
        return self.size - self._head_size

    @property
    def has_endless_head(self) -> bool:
        """Whether the head is too long to be waited for."""
        return self._wanted is None and self.size > MAX_HEAD_BYTES

    def add(self, data: bytes) -> None:
        """Take what the client has sent; nothing at all means that it sends no more."""
        if not data:
            self._ended = True
            return
        searched = max(self.size - len(_END_OF_HEAD) + 1, 0)
        self._bytes += data
        self.size += len(data)
        if self._wanted is None:
            self._read_head(searched)

    def take(self, size: int) -> bytes:
        """The next bytes, at most `size`; none where all that came in were taken."""
        taken = bytes(memoryview(self._bytes)[:size])
        del self._bytes[:size]
        return taken

    def _read_head(self, searched: int) -> None:
        end = self._bytes.find(_END_OF_HEAD, searched)
        if end < 0:
            return
        end += len(_END_OF_HEAD)
        head = bytes(memoryview(self._bytes)[:end])
        lengths = _LENGTH.findall(head)
        # Of more digits than any length has, int() might make an error.
        length = int(lengths[0][:12]) if len(lengths) == 1 else 0
        if length > self._max_body:
            length = 0
        self._head_size, self._wanted = end, end + length
        # HTTP/1.0 does not know the word.
        asks = b" HTTP/1.1\r\n" in head and _EXPECTATION.search(head)
        self.expects_continue = self.size < self._wanted and bool(asks)
