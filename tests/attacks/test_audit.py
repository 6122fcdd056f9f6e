"""What is locked is looked up among known vulnerabilities; without an answer that is said and nothing fails."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

AUDIT = Path(__file__).parents[2] / "scripts" / "audit"


class Service(BaseHTTPRequestHandler):
    """Knows of one vulnerability, in Gradio."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))["queries"]
        found = [{"vulns": [{"id": "GHSA-x"}]} if one["package"]["name"] == "gradio" else {} for one in asked]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"results": found}).encode())

    def log_message(self, *_: object) -> None:
        return None


def audit(url: str) -> "subprocess.CompletedProcess[str]":
    env = {**os.environ, "AUDIT_URL": url, "NO_PROXY": "127.0.0.1"}
    return subprocess.run([sys.executable, AUDIT], env=env, capture_output=True, text=True, check=False)


def test_a_known_vulnerability_fails_and_no_answer_is_said() -> None:
    server = HTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    told = audit(f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    server.server_close()
    assert told.returncode == 1
    assert "GHSA-x" in told.stdout
    silent = audit("http://127.0.0.1:9/")
    assert silent.returncode == 0
    assert "skipped" in silent.stdout
