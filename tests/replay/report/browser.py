"""A headless Chromium for tests, driven through its DevTools pipe; the standard library is enough.

Owns the process, a profile in a temporary folder, and one page. What the page logs and asks the network for is kept.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
    "--remote-debugging-pipe", "--hide-scrollbars", "--force-color-profile=srgb",
)  # fmt: skip
DEADLINE_S = 60.0
# becomes the browser, which reads commands from descriptor 3 and answers on 4
PLACE = """
import fcntl, os, sys
for target, given in zip((3, 4), [fcntl.fcntl(int(n), fcntl.F_DUPFD, 10) for n in sys.argv[1:3]]):
    os.dup2(given, target)
os.execv(sys.argv[3], sys.argv[3:])
"""


def find_chromium():
    """Path of a browser, or None."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Browser:
    """One page in a browser of its own; a context manager.

    Attributes:
        logged: What the page wrote to the console, threw, or the browser complained about.
        requests: Addresses the page asked for, `data:` left out.
    """

    def __init__(self, executable: str, profile: Path) -> None:
        self.logged: list[str] = []
        self.requests: list[str] = []
        self._events: list[str] = []
        self._next_id, self._buffer, self._session = 0, b"", None
        read_end, self._write = os.pipe()
        self._read, write_end = os.pipe()
        for fd in (read_end, write_end):
            os.set_inheritable(fd, True)
        place = [sys.executable, "-c", PLACE, str(read_end), str(write_end)]
        self._process = subprocess.Popen(
            [*place, executable, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            pass_fds=(read_end, write_end), start_new_session=True, env={**os.environ, "HOME": str(profile)},
        )  # fmt: skip
        for fd in (read_end, write_end):
            os.close(fd)

    def __enter__(self):
        try:
            target = self.call("Target.createTarget", url="about:blank")["targetId"]
            self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Network"):
                self.call(f"{domain}.enable")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(DEADLINE_S)
        os.close(self._read)
        os.close(self._write)

    def open(self, path: Path, width: int, height: int = 844, *, dark: bool = False) -> None:
        """Show a file in a window of a size (CSS pixels) and wait until everything in it is loaded."""
        self.logged.clear()
        self.requests.clear()
        mobile = width < 600
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self._events.clear()
        self.call("Page.navigate", url=path.resolve().as_uri())
        deadline = time.monotonic() + DEADLINE_S
        while "Page.loadEventFired" not in self._events:
            self._take(self._receive(deadline))

    def evaluate(self, expression: str):
        """The value of a JavaScript expression in the page (run by the browser's tools, not by the page)."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def screenshot(self, path: Path, *, whole: bool = True, height: int | None = None) -> None:
        """Save what the page looks like as PNG."""
        options = {"captureBeyondViewport": whole}
        if height is not None:
            width = self.evaluate("innerWidth")
            options["clip"] = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", **options)["data"]))

    def pdf(self, path: Path) -> None:
        """Save what the page looks like on paper."""
        path.write_bytes(base64.b64decode(self.call("Page.printToPDF", printBackground=True)["data"]))

    def call(self, method: str, **params):
        """One command; its result."""
        self._next_id += 1
        message = {"id": self._next_id, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._write, data) :]
        deadline = time.monotonic() + DEADLINE_S
        while True:
            answer = self._receive(deadline)
            if answer.get("id") == self._next_id:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self._take(answer)

    def _take(self, message):
        """Keep what an event tells."""
        kind, params = message.get("method", ""), message.get("params", {})
        self._events.append(kind)
        if kind == "Runtime.consoleAPICalled":
            self.logged.append(f"console.{params['type']}: {[a.get('value') for a in params['args']]}")
        elif kind == "Runtime.exceptionThrown":
            self.logged.append(f"exception: {params['exceptionDetails'].get('text')}")
        elif kind == "Log.entryAdded":
            self.logged.append(f"{params['entry']['level']}: {params['entry']['text']}")
        elif kind == "Network.requestWillBeSent" and not params["request"]["url"].startswith("data:"):
            self.requests.append(params["request"]["url"])

    def _receive(self, deadline: float):
        """The next message."""
        while b"\0" not in self._buffer:
            left = deadline - time.monotonic()
            assert left > 0, f"no answer from the browser within {DEADLINE_S:g} s"
            if select.select([self._read], [], [], left)[0]:
                data = os.read(self._read, 1 << 20)
                assert data, f"the browser ended with status {self._process.poll()}"
                self._buffer += data
        text, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(text)
