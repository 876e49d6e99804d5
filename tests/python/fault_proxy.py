"""A TCP proxy on the loopback that fails on purpose, by a script.

    with FaultProxy(3306, Rule(Cut(after=20_000))) as proxy:
        ...  # a client that connects to 127.0.0.1 at proxy.port loses one line, once

What can befall a line, and the words of the script, are in `faults`.

`AtStatement` reads the MySQL protocol as far as it must: packet headers, plain queries, and
prepared statements by the text that they were prepared with. It sees nothing in an encrypted line,
so a client that is to be cut there connects with its encryption off.

Every line has two threads of its own. Nothing is left running when the `with` block ends.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType

from faults import Armed, AtStatement, Cut, Delay, HalfOpen, Refuse, Rule, Stall, Throttle, Way

CHUNK = 64 * 1024
HOST = "127.0.0.1"
# The most of one statement that is held back until its text is known.
HEAD = 4096
HEADER = 4
QUERY, PREPARE, EXECUTE = 0x03, 0x16, 0x17


class _Statements:
    """The statements in what a client sends."""

    def __init__(self) -> None:
        self._buffer = b""
        self._rest = 0
        self._prepared: dict[int, str] = {}
        self._preparing: str | None = None
        self._answer = b""

    def read(self, chunk: bytes) -> Iterator[tuple[bytes, str | None]]:
        """Takes bytes; gives them in pieces, with the text where a piece begins a statement."""
        self._buffer += chunk
        while self._buffer:
            if self._rest:
                yield self._take(self._rest), None
                continue
            if len(self._buffer) < HEADER:
                return
            length = int.from_bytes(self._buffer[:3], "little")
            # Commands begin a sequence; the rows of a load and answers to challenges do not.
            if self._buffer[3] != 0 or length == 0:
                self._rest = HEADER + length
                continue
            head = min(HEADER + length, HEAD)
            if len(self._buffer) < head:
                return
            text = self._text(self._buffer[HEADER:head])
            self._rest = HEADER + length
            yield self._take(head), text

    def _take(self, count: int) -> bytes:
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        self._rest -= len(taken)
        return taken

    def _text(self, payload: bytes) -> str | None:
        command, text = payload[0], payload[1:].decode(errors="replace")
        if command == PREPARE:
            self._preparing, self._answer = text, b""
            return None
        if command == EXECUTE:
            return self._prepared.get(int.from_bytes(payload[1:5], "little"))
        return text if command == QUERY else None

    def answered(self, chunk: bytes) -> None:
        """Takes what the server says: the number of what was just prepared is in it."""
        if self._preparing is None:
            return
        self._answer += chunk[:9]
        if len(self._answer) >= HEADER + 5:
            if self._answer[HEADER] == 0:
                number = int.from_bytes(self._answer[5:9], "little")
                self._prepared[number] = self._preparing
            self._preparing = None


class _Line:
    """A client's line, the one to the server that belongs to it, and what befalls them."""

    def __init__(
        self, proxy: FaultProxy, client: socket.socket, server: socket.socket, armed: list[Armed]
    ) -> None:
        self._proxy = proxy
        self._ends = {Way.TO_SERVER: client, Way.TO_CLIENT: server}
        self._armed = armed
        slow = [one for one in armed if isinstance(one.rule.fault, Delay | Throttle)]
        self._slow = [one.rule.fault for one in slow if one.strike()]
        watched = any(isinstance(one.rule.fault, AtStatement) for one in armed)
        self._statements = _Statements() if watched else None
        self._gone = threading.Event()
        self._silent = self._lingers = False
        # What becomes of the line once the server has answered.
        self._fate: AtStatement | None = None
        self._threads = [threading.Thread(target=self._pump, args=(way,)) for way in Way]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Closes both ends."""
        self._gone.set()
        for end in self._ends.values():
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def join(self) -> None:
        for thread in self._threads:
            thread.join()
        for end in self._ends.values():
            end.close()

    def is_over(self) -> bool:
        return not any(thread.is_alive() for thread in self._threads)

    def _pump(self, way: Way) -> None:
        source, sink = self._ends[way], self._ends[next(one for one in Way if one is not way)]
        with suppress(OSError):
            while chunk := source.recv(CHUNK):
                if self._silent:
                    continue
                for piece, text in self._pieces(way, chunk):
                    if not self._carry(way, piece, text, sink):
                        break
        if self._lingers and way is Way.TO_SERVER:
            # The server learns nothing before the proxy ends.
            self._gone.wait()
        self.end()

    def _pieces(self, way: Way, chunk: bytes) -> Iterator[tuple[bytes, str | None]]:
        if self._statements is None:
            yield chunk, None
        elif way is Way.TO_SERVER:
            yield from self._statements.read(chunk)
        else:
            self._statements.answered(chunk)
            yield chunk, None

    def _carry(self, way: Way, piece: bytes, text: str | None, sink: socket.socket) -> bool:
        """Passes a piece on, or what is left of it; answers whether the line goes on."""
        if way is Way.TO_CLIENT and self._fate is not None:
            return self._fail(self._fate)
        for armed in self._armed:
            match armed.rule.fault:
                case Cut() | Stall() as fault:
                    left = armed.passing(fault, way, len(piece))
                    if left is not None:
                        self._send(way, piece[:left], sink)
                        return self._fail(fault)
                case AtStatement() as fault if text is not None and armed.meets(fault, text):
                    if not fault.reached:
                        return self._fail(fault)
                    self._fate = fault
        self._send(way, piece, sink)
        return True

    def _fail(self, fault: Stall | Cut | AtStatement) -> bool:
        self._silent = True
        match fault:
            case Stall(lingers=lingers) | AtStatement(stalls=True, lingers=lingers):
                self._lingers = lingers
            case _:
                self.end()
        return False

    def _send(self, way: Way, piece: bytes, sink: socket.socket) -> None:
        step = len(piece)
        for fault in self._slow:
            match fault:
                case Delay(seconds):
                    self._gone.wait(seconds)
                case Throttle(rate):
                    step = max(rate // 20, 1)
        for start in range(0, len(piece), max(step, 1)):
            part = piece[start : start + step]
            for fault in self._slow:
                if isinstance(fault, Throttle):
                    self._gone.wait(len(part) / fault.bytes_per_second)
            sink.sendall(part)
            self._proxy.count(way, len(part))


class FaultProxy:
    """Stands between a client and a server of this machine.

    Attributes:
        port: Where clients connect, on 127.0.0.1. It stays the same for the proxy's whole life.
        passed: Bytes that were handed on, by their way.
        lines: How many lines were accepted.
        arrived: Set by every line that is accepted; whoever waits for the next one clears it.
    """

    def __init__(self, server_port: int, *rules: Rule, host: str = HOST) -> None:
        """Takes a port, and does nothing else before the `with` block begins."""
        self._server = self._next = (host, server_port)
        self._armed = [Armed(rule) for rule in rules]
        self._lock = threading.Lock()
        self._open: list[_Line] = []
        self._deaf: list[socket.socket] = []
        self._accepting: threading.Thread | None = None
        self.passed = dict.fromkeys(Way, 0)
        self.lines = 0
        self.arrived = threading.Event()
        self._listener = self._reserve(0)
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> FaultProxy:
        """Lets lines in."""
        self.up()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Ends every line and every thread."""
        self.down()
        self._listener.close()

    @property
    def strikes(self) -> int:
        """How often the rules of the script have struck."""
        return sum(armed.strikes for armed in self._armed)

    def fail_over_to(self, server_port: int) -> None:
        """Has lines lead to another server once a rule has struck."""
        self._next = (self._server[0], server_port)

    def script(self, *rules: Rule) -> None:
        """Gives lines that come from now on other rules; counts begin anew."""
        self._armed = [Armed(rule) for rule in rules]

    def count(self, way: Way, count: int) -> None:
        """Takes note of bytes that were handed on."""
        with self._lock:
            self.passed[way] += count

    def up(self) -> None:
        """Lets lines in."""
        self._listener.listen()
        self._accepting = threading.Thread(target=self._accept, args=(self._listener,))
        self._accepting.start()

    def down(self) -> None:
        """Ends every line, and refuses new ones from now on: nobody listens."""
        if self._accepting is not None:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._accepting.join()
            self._accepting = None
            self._listener.close()
            self._listener = self._reserve(self.port)
        self.end_lines()

    def end_lines(self) -> None:
        """Ends every line that is open now."""
        with self._lock:
            lines, self._open = self._open, []
            deaf, self._deaf = self._deaf, []
        for line in lines:
            line.end()
        for line in lines:
            line.join()
        for client in deaf:
            client.close()

    def _reserve(self, port: int) -> socket.socket:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        return listener

    def _accept(self, listener: socket.socket) -> None:
        # A listener that was shut down accepts nothing more.
        with suppress(OSError):
            while True:
                client, _address = listener.accept()
                self._welcome(client)

    def _welcome(self, client: socket.socket) -> None:
        self.lines += 1
        try:
            self._treat(client)
        finally:
            self.arrived.set()

    def _treat(self, client: socket.socket) -> None:
        armed = [one for one in self._armed if one.rule.line in (None, self.lines)]
        for one in armed:
            if isinstance(one.rule.fault, Refuse) and one.strike():
                # Without a farewell: the other end gets a reset.
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.close()
                return
            if isinstance(one.rule.fault, HalfOpen) and one.strike():
                with self._lock:
                    self._deaf.append(client)
                return
        try:
            server = socket.create_connection(self._next if self.strikes else self._server)
        except OSError:
            client.close()
            return
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line = _Line(self, client, server, armed)
        with self._lock:
            over = [known for known in self._open if known.is_over()]
            self._open = [known for known in self._open if known not in over] + [line]
        line.start()
        for ended in over:
            ended.join()
