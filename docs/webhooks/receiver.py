"""Prints the webhooks of addcard, after it has verified them. It is an example to copy
from, and needs nothing but Python 3.9 or newer:

    WEBHOOK_SECRET=whsec_… PORT=9000 python3 receiver.py
"""

import base64
import hashlib
import hmac
import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOLERANCE = 5 * 60  # seconds: how old a request may be, and how wrong the clocks
MAX_BODY = 1 << 20

KEY = base64.b64decode(os.environ.get("WEBHOOK_SECRET", "").removeprefix("whsec_"))
if not KEY:
    sys.exit("WEBHOOK_SECRET must be the endpoint's secret: whsec_ and base64")


def verify(headers, body):
    """Reports whether the request was signed with the key within the tolerance."""
    event_id = headers.get("webhook-id", "")
    timestamp = headers.get("webhook-timestamp", "")
    try:
        age = time.time() - int(timestamp)
    except ValueError:
        return False
    if not event_id or abs(age) > TOLERANCE:
        return False
    content = f"{event_id}.{timestamp}.".encode() + body
    mac = hmac.new(KEY, content, hashlib.sha256).digest()
    want = b"v1," + base64.b64encode(mac)
    # There are two signatures for a day after the secret was changed. compare_digest
    # takes constant time.
    signatures = headers.get("webhook-signature", "").encode().split()
    return any(hmac.compare_digest(got, want) for got in signatures)


seen = set()  # a real receiver keeps this in its database
lock = threading.Lock()


def handle(event_id, body):
    """Does the work once for each id: an event can come twice. A real receiver stores
    the id and what it does in the same transaction. It ignores types that it does not
    know."""
    with lock:
        if event_id in seen:
            return
        event = json.loads(body)
        print(event["type"], json.dumps(event["data"], ensure_ascii=False), flush=True)
        seen.add(event_id)


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        # The signature is of these bytes: read them before anything parses them.
        size = int(self.headers.get("Content-Length", 0))
        if not 0 <= size <= MAX_BODY:
            return self.answer(400)
        body = self.rfile.read(size)
        if not verify(self.headers, body):
            return self.answer(400)
        try:
            handle(self.headers["webhook-id"], body)
        except Exception as err:
            print(repr(err), file=sys.stderr)
            return self.answer(500)  # addcard sends it again
        self.answer(204)

    def answer(self, status):
        self.send_response(status)
        self.end_headers()

    def log_request(self, *args):
        pass  # one line for each event is enough


port = int(os.environ["PORT"])
server = ThreadingHTTPServer(("127.0.0.1", port), Receiver)
print(f"listening on 127.0.0.1:{port}", flush=True)
server.serve_forever()
