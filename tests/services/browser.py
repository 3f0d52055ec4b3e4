"""Chromium without a window, by the WebDriver protocol (W3C) and nothing but Python's
own library. Runs as root and without a network."""

import base64
import json
import os
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

START = 30.0  # seconds until the driver listens; a browser needs about as many
OPTIONS = [
    "--headless=new",
    "--no-sandbox",  # which root has none of
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
    "--window-size=2000,1200",
    "--hide-scrollbars",
]


class Browser:
    """A browser with one window, gone after `with`."""

    def __enter__(self):
        self.home = tempfile.TemporaryDirectory(prefix="browser.")
        self.driver = subprocess.Popen(
            ["chromedriver", "--port=0"],
            env={**os.environ, "HOME": self.home.name},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.session = None
        try:
            self.root = f"http://127.0.0.1:{self.port()}"
            options = {"args": OPTIONS + [f"--user-data-dir={self.home.name}/profile"]}
            wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
            made = self.post("/session", {"capabilities": {"alwaysMatch": wanted}})
            self.session = f"/session/{made['sessionId']}"
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        try:
            if self.session:
                self.call("DELETE", self.session)
        finally:
            self.driver.terminate()
            self.driver.wait(10)
            self.home.cleanup()

    def port(self):
        """The one that the driver has chosen, by what it prints."""
        end = time.monotonic() + START
        for line in self.driver.stdout:
            if "started successfully on port" in line:
                return int(line.rstrip(".\n").split()[-1])
            if time.monotonic() > end:
                break
        raise RuntimeError("chromedriver does not start")

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.root + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=2 * START) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(json.load(error)["value"]["message"]) from None

    def post(self, path, body):
        return self.call("POST", path, body)

    def open(self, file):
        self.post(f"{self.session}/url", {"url": "file://" + os.path.abspath(file)})

    def run(self, script, *arguments):
        """What the JavaScript function body `script` returns."""
        return self.post(f"{self.session}/execute/sync", {"script": script, "args": list(arguments)})

    def scheme(self, name):
        """As if the user had asked for `light` or `dark` pages."""
        media = {"features": [{"name": "prefers-color-scheme", "value": name}]}
        self.post(f"{self.session}/goog/cdp/execute", {"cmd": "Emulation.setEmulatedMedia", "params": media})

    def complaints(self):
        """What the browser had to say since it was asked last, of pages not its own."""
        said = [entry["message"] for entry in self.post(f"{self.session}/se/log", {"type": "browser"})]
        return [message for message in said if not message.startswith("chrome://")]

    def screenshot(self, file):
        """All of the page, also what is below the window's edge."""
        size = {"captureBeyondViewport": True, "format": "png"}
        taken = self.post(f"{self.session}/goog/cdp/execute", {"cmd": "Page.captureScreenshot", "params": size})
        with open(file, "wb") as out:
            out.write(base64.b64decode(taken["data"]))
