"""The one place at the engine: requests take it in the order in which they came."""

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from studio.engine.generation import Ending, Piece
from studio.errors import StudioError

WAITING_LIMIT = 256
Work = Callable[[Callable[[Piece], None], Callable[[], bool]], Ending]


class Slot:
    """One generation at a time, first come, first served: the engine's random state is one, and so is a CPU.

    A request that was given up while it waited is passed over; one that is being answered ends at its next token.
    """

    def __init__(self) -> None:
        self._worker = ThreadPoolExecutor(1, "generation")
        self.waiting = 0
        self.running = 0
        self.last_used = time.monotonic()

    def refuse_if_full(self) -> None:
        """Raise StudioError when too many wait."""
        if self.waiting >= WAITING_LIMIT:
            raise StudioError("queue_full", waiting=self.waiting)

    async def call(self, work: Callable[[], Any]) -> Any:
        """Do something else with the model between two requests. Raises what `work` raises."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._worker, work)
        finally:
            self.last_used = time.monotonic()

    async def stream(
        self, work: Work, waited: Callable[[float], None], given_up: Callable[[], None]
    ) -> AsyncGenerator[list[Piece] | Ending]:
        """Pieces as they come, all that came at once together, and at last the ending.

        Closing this gives the slot up, and tells `given_up` when its turn had not come; `waited` is told the
        seconds in the queue. Raises what `work` raises.
        """
        loop = asyncio.get_running_loop()
        came: asyncio.Queue[Piece | Ending | Exception] = asyncio.Queue()
        gone = threading.Event()
        asked = time.monotonic()
        begun = False

        def put(item: Piece | Ending | Exception) -> None:
            loop.call_soon_threadsafe(came.put_nowait, item)

        def begin() -> None:
            nonlocal begun
            if not gone.is_set():
                begun = True
                self.waiting -= 1
                waited(time.monotonic() - asked)
            self.running += 1

        def end() -> None:
            self.running -= 1
            self.last_used = time.monotonic()

        def run() -> None:
            if gone.is_set():
                return
            loop.call_soon_threadsafe(begin)
            try:
                put(work(put, gone.is_set))
            except Exception as error:
                put(error)
            finally:
                loop.call_soon_threadsafe(end)

        self.waiting += 1
        self._worker.submit(run)
        try:
            while True:
                items = [await came.get()]
                while not came.empty():
                    items.append(came.get_nowait())
                pieces = [item for item in items if isinstance(item, Piece)]
                if pieces:
                    yield pieces
                last = items[-1]
                if isinstance(last, Ending):
                    yield last
                    return
                if isinstance(last, Exception):
                    raise last
        finally:
            gone.set()
            if not begun:
                self.waiting -= 1
                given_up()
            self.last_used = time.monotonic()
