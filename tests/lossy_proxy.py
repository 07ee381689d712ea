"""A TCP proxy before a Redis that executes a command and loses its answer."""

import socket
import threading
from collections.abc import Callable
from typing import Self

CHUNK = 65536


class LossyProxy:
    """Listens on a loopback port; a connection whose command is chosen is cut before its answer.

    Args:
        port: Of the true server.
        lose: Is given what a client sends, and tells whether its answer is to be lost.
    """

    def __init__(self, port: int, lose: Callable[[bytes], bool]) -> None:
        self._server = ("127.0.0.1", port)
        self._lose = lose
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.lost = 0
        """Answers that were lost so far."""
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._server) as server:
            lossy = threading.Event()
            back = threading.Thread(target=self._answer, args=(server, client, lossy), daemon=True)
            back.start()
            try:
                while sent := client.recv(CHUNK):
                    if self._lose(sent):
                        lossy.set()
                    server.sendall(sent)
            except OSError:
                pass  # cut, by us or by them
            _cut(server)
            back.join()

    def _answer(self, server: socket.socket, client: socket.socket, lossy: threading.Event) -> None:
        try:
            while answer := server.recv(CHUNK):
                if lossy.is_set():
                    self.lost += 1
                    break
                client.sendall(answer)
        except OSError:
            pass
        _cut(client)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()


def _cut(end: socket.socket) -> None:
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the other side was faster
