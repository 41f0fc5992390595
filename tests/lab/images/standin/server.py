"""Answers every request with 200, unless it is told to serve none."""

import http.server
import sys
import time


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        pass


if "--no-http" in sys.argv:
    time.sleep(3600)
http.server.ThreadingHTTPServer(("0.0.0.0", 8069), Handler).serve_forever()
