"""Serves ``list.jws`` of a directory on loopback, and notes when each version is first asked for."""

import os
import re
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit


class Handler(BaseHTTPRequestHandler):
    directory: Path

    def do_GET(self) -> None:
        at = time.time()
        version = (self.directory / "version").read_text()
        asked = parse_qs(urlsplit(self.path).query).get("version", ["0"])
        if asked == [version]:
            self.send_response(204)
            self.end_headers()
            return
        with (self.directory / "asked").open("a") as file:
            file.write(f"{version} {at}\n")
        self.send_response(200)
        with (self.directory / "list.jws").open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            self.send_header("Content-Length", str(size))
            self.end_headers()
            self.wfile.flush()
            sent = 0
            while sent < size:
                sent += os.sendfile(self.connection.fileno(), file.fileno(), sent, size - sent)

    def log_message(self, *_: object) -> None:
        pass


def asked_at(directory: Path, version: int) -> float | None:
    """When a version was first asked for, in seconds since 1970."""
    noted = directory / "asked"
    found = re.search(rf"^{version} (\S+)$", noted.read_text() if noted.exists() else "", re.MULTILINE)
    return float(found[1]) if found else None


if __name__ == "__main__":
    Handler.directory = Path(sys.argv[2])
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
