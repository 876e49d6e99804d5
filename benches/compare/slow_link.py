"""A slow line to a server: every byte is on its way for a while, and few go at a time."""

import asyncio
import contextlib
import dataclasses
import threading
import time
from collections.abc import Callable
from types import TracebackType

from compare.server import Server

ONE_WAY_SECONDS = 0.015
BITS_PER_SECOND = 10_000_000
# What the line takes before its sender must wait, as a modem's buffer would.
WAITING_PIECES = 16
PIECE_BYTES = 16 * 1024


class Direction:
    """One direction of the line; all connections share it."""

    def __init__(self) -> None:
        """The line is free."""
        self.free_at = 0.0

    def arrival(self, size: int) -> float:
        """When so many bytes, sent now, will have arrived."""
        self.free_at = max(self.free_at, time.monotonic()) + size * 8 / BITS_PER_SECOND
        return self.free_at + ONE_WAY_SECONDS


class SlowLink:
    """A proxy on the loopback, in a thread of its own.

    Attributes:
        server: The server as it is reached through the line.
    """

    def __init__(self, server: Server) -> None:
        """Takes the server at the other end."""
        self._far = server
        self.server = server
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._up, self._down = Direction(), Direction()
        self._turns: list[int] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def __enter__(self) -> "SlowLink":
        """Starts to listen."""
        self._thread.start()
        port = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        self.server = dataclasses.replace(self._far, host="127.0.0.1", port=port)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes everything."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def round_trips(self) -> list[int]:
        """How often each connection asked and waited for the answer, its own opening included."""
        return list(self._turns)

    async def _listen(self) -> int:
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port: int = self._listener.sockets[0].getsockname()[1]
        return port

    async def _close(self) -> None:
        self._listener.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carries one connection until both ends have closed it."""
        task = asyncio.current_task()
        if task is None:
            return
        self._tasks.add(task)
        number = len(self._turns)
        # The handshake of the connection itself is a round trip.
        self._turns.append(1)
        asking = False

        def asked() -> None:
            nonlocal asking
            self._turns[number] += not asking
            asking = True

        def answered() -> None:
            nonlocal asking
            asking = False

        try:
            await asyncio.sleep(2 * ONE_WAY_SECONDS)
            far_reader, far_writer = await asyncio.open_connection(self._far.host, self._far.port)
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await asyncio.gather(
                    self._carry(reader, far_writer, self._up, asked),
                    self._carry(far_reader, writer, self._down, answered),
                )
            far_writer.close()
        finally:
            writer.close()
            self._tasks.discard(task)

    async def _carry(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        line: Direction,
        seen: Callable[[], None],
    ) -> None:
        """Carries what comes from one end to the other, late."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(WAITING_PIECES)

        async def deliver() -> None:
            while True:
                arrival, piece = await under_way.get()
                await asyncio.sleep(arrival - time.monotonic())
                if not piece:
                    writer.write_eof()
                    return
                writer.write(piece)
                await writer.drain()

        delivery = asyncio.create_task(deliver())
        try:
            while piece := await reader.read(PIECE_BYTES):
                seen()
                await under_way.put((line.arrival(len(piece)), piece))
            await under_way.put((line.arrival(0), b""))
            await delivery
        finally:
            delivery.cancel()
