"""A TCP proxy that can be slow, and fall silent, as a network does, telling neither end."""

import socket
import threading
import time


class Proxy:
    def __init__(self, target, bytes_per_s=None):
        """`bytes_per_s`: each way of each connection; None: as fast as it goes."""
        self._bytes_per_s = bytes_per_s
        host, port = target.rsplit(":", 1)
        self._target = (host, int(port))
        self._lock = threading.Lock()
        self._links = []
        self._listener = None
        self.port = 0
        self.open()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def open(self):
        """Accepts connections, on the same port as ever."""
        listener = socket.create_server(("127.0.0.1", self.port))
        self.port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def freeze(self):
        """The connections there are stay open and carry nothing more. New ones work."""
        with self._lock:
            for link in self._links:
                link.frozen.set()

    def cut(self):
        """Resets every connection and accepts none."""
        # Closing alone does not wake the thread that accepts.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            links, self._links = self._links, []
        for link in links:
            link.close()

    close = cut

    def _accept(self, listener):
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(self._target)
            except OSError:
                near.close()
                continue
            link = _Link(near, far, self._bytes_per_s)
            with self._lock:
                self._links.append(link)
            link.start()


class _Link:
    """One connection through the proxy."""

    def __init__(self, near, far, bytes_per_s):
        self._bytes_per_s = bytes_per_s
        self.frozen = threading.Event()
        self._ends = (near, far)

    def start(self):
        near, far = self._ends
        for source, sink in ((near, far), (far, near)):
            threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source, sink):
        try:
            while data := source.recv(1 << 16 if self._bytes_per_s is None else 1 << 12):
                if self.frozen.is_set():
                    return  # both ends stay open, and neither hears a word
                sink.sendall(data)
                if self._bytes_per_s is not None:
                    time.sleep(len(data) / self._bytes_per_s)
        except OSError:
            pass
        if not self.frozen.is_set():
            self.close()

    def close(self):
        for end in self._ends:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()
