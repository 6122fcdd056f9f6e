"""A stand-in for the hubs: it speaks as much of their HTTP as their SDKs ask for, and keeps what it is sent."""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

GOOD_TOKEN = "token-that-is-secret-42"
OWNER = "me"


@dataclass
class Hub:
    """What was sent: files by repository and path, blobs by their hash, and whether a repository is private."""

    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    private: dict[str, bool] = field(default_factory=dict)
    address: str = ""
    slow_s: float = 0.0
    # Whether a token that it does not know is repeated to who has sent it.
    repeats: bool = False
    # What AI Studio answers to whoever asks for a new repository.
    refused: str = ""

    def keep(self, repository: str, path: str, data: bytes) -> None:
        self.files.setdefault(repository, {})[path] = data


class Answerer(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def reply(self, told: object, status: int = 200) -> None:
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-MD5", "x")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle_any(self) -> None:
        body = self._body()
        path = self.path.partition("?")[0]
        if self.command == "PUT":
            self.hub.blobs[path.rpartition("/")[2]] = body
            threading.Event().wait(self.hub.slow_s)
            self.reply({"Code": 200})
            return
        open_to_all = any(word in path for word in ("getSuffixBlackList", "checkYaml", "verify", "checkPermit"))
        if not open_to_all and GOOD_TOKEN not in self.headers.get("Authorization", ""):
            told = "Invalid token" + (f" {self.headers.get('Authorization')}" if self.hub.repeats else "")
            self.reply({"error": told, "Message": told, "errorCode": 1, "errorMsg": told, "logId": "1"}, 401)
            return
        for pattern, act in ROUTES:
            match = re.fullmatch(pattern, path)
            if match:
                act(self, body, *match.groups())
                return
        self.reply({"error": f"no {self.command} {path}"}, 404)

    do_GET = do_POST = do_PUT = handle_any

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        data = b""
        while size := int(self.rfile.readline(), 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data


def _create_hf(self: Answerer, body: bytes) -> None:
    told = json.loads(body)
    if told["organization"] != OWNER:
        self.reply(
            {"error": f"You don't have the rights to create a model under the namespace {told['organization']}"},
            403,
        )
        return
    name = f"{told['organization']}/{told['name']}"
    if name in self.hub.private:
        self.reply({"error": "You already created this model repo", "url": f"{self.hub.address}/{name}"}, 409)
        return
    self.hub.private[name] = told.get("visibility") == "private" or bool(told.get("private"))
    self.reply({"url": f"{self.hub.address}/{name}", "name": name})


def _modes(self: Answerer, body: bytes, repository: str) -> None:
    files = [
        {"path": f["path"], "uploadMode": _mode(f["path"]), "lfs": _mode(f["path"]) == "lfs", "shouldIgnore": False}
        for f in json.loads(body)["files"]
    ]
    self.reply({"files": files})


def _mode(path: str) -> str:
    return "lfs" if path.endswith(".safetensors") else "regular"


def _batch(self: Answerer, body: bytes, repository: str) -> None:
    objects = [
        {
            **each,
            "actions": {
                "upload": {"href": f"{self.hub.address}/lfs/{each['oid']}", "header": {}},
                "verify": {"href": f"{self.hub.address}/verify"},
            },
        }
        for each in json.loads(body)["objects"]
    ]
    self.reply(
        {"transfer": "basic", "objects": objects, "Data": {"objects": objects}, "Code": 200, "Success": True}
    )


def _commit_hf(self: Answerer, body: bytes, repository: str) -> None:
    for line in body.splitlines():
        told = json.loads(line)
        value = told["value"]
        if told["key"] == "file":
            self.hub.keep(repository, value["path"], base64.b64decode(value["content"]))
        elif told["key"] == "lfsFile":
            self.hub.keep(repository, value["path"], self.hub.blobs[value["oid"]])
        elif told["key"] == "deletedFile":
            del self.hub.files[repository][value["path"]]
    self.reply(
        {"success": True, "commitUrl": f"{self.hub.address}/{repository}/commit/{'a' * 40}", "commitOid": "a" * 40}
    )


def _create_ms(self: Answerer, body: bytes) -> None:
    told = json.loads(body)
    if told["Path"] != OWNER:
        self.reply({"Code": 403, "Message": "forbidden", "Success": False}, 403)
        return
    name = f"{told['Path']}/{told['Name']}"
    # The SDK asks again at each upload, without saying how.
    if name in self.hub.private:
        self.reply({"Code": 10010101001, "Message": "model already exists", "Success": False}, 400)
        return
    self.hub.private[name] = told["Visibility"] == 1
    self.reply({"Code": 200, "Success": True, "Data": {"Path": told["Path"], "Name": told["Name"]}})


def _commit_ms(self: Answerer, body: bytes, repository: str) -> None:
    for told in json.loads(body)["actions"]:
        if told["action"] == "delete":
            del self.hub.files[repository][told["path"]]
            continue
        lfs = told["type"] == "lfs"
        self.hub.keep(
            repository, told["path"], self.hub.blobs[told["sha256"]] if lfs else base64.b64decode(told["content"])
        )
    self.reply({"Code": 200, "Success": True, "Data": {"oid": "a" * 40}})


def _create_ai(self: Answerer, body: bytes) -> None:
    told = json.loads(body)
    refused = self.hub.refused or (
        "repo already created" if f"{OWNER}/{told['repoName']}" in self.hub.private else ""
    )
    if refused:
        self.reply({"errorCode": 1, "errorMsg": refused, "logId": "1"})
        return
    self.hub.private[f"{OWNER}/{told['repoName']}"] = told["repoType"] == 0
    self.reply({"errorCode": 0, "result": {**told}})


def _contents(self: Answerer, body: bytes, repository: str, path: str = "") -> None:
    if self.command == "GET":
        data = self.hub.files.get(repository, {}).get(path)
        found = data is not None
        self.reply(
            {"sha": hashlib.sha1(data or b"").hexdigest()} if found else {"message": "not found"},
            200 if found else 404,
        )
        return
    for each in json.loads(body)["files"]:
        content = base64.b64decode(each["content"])
        pointer = re.search(rb"oid sha256:(\w+)", content)
        self.hub.keep(repository, each["path"], self.hub.blobs[pointer[1].decode()] if pointer else content)
    self.reply({"ok": True}, 201)


def _info_hf(self: Answerer, body: bytes, repository: str) -> None:
    names = [{"rfilename": name} for name in self.hub.files.get(repository, {})]
    self.reply({"id": repository, "private": self.hub.private[repository], "siblings": names})


def _info_ms(self: Answerer, body: bytes, repository: str) -> None:
    self.reply({"Code": 200, "success": True, "data": {"id": repository, "private": self.hub.private[repository]}})


def _files_ms(self: Answerer, body: bytes, repository: str) -> None:
    files = [{"Path": name, "Type": "blob"} for name in self.hub.files.get(repository, {})]
    self.reply({"Code": 200, "Success": True, "Data": {"Files": files}})


def _tree_ai(self: Answerer, body: bytes, repository: str) -> None:
    files = [{"path": name} for name in self.hub.files.get(repository, {})]
    if not files:
        self.reply({"message": "not found"}, 404)
        return
    self.reply({"url": "x/sha", "tree": files, "total_count": len(files), "truncated": False})


def _may_read_ai(self: Answerer, body: bytes) -> None:
    asked = parse_qs(self.path.partition("?")[2])["repoId"][0]
    hidden = self.hub.private.get(asked, False) and GOOD_TOKEN not in self.headers.get("Authorization", "")
    self.reply(
        {"errorCode": 1, "errorMsg": "no auth", "logId": "1"} if hidden else {"errorCode": 0, "result": True}
    )


def _fine(self: Answerer, body: bytes) -> None:
    self.reply({"errorCode": 0, "result": [], "errors": [], "warnings": [], "Code": 200, "Data": {}})


ROUTES: list[tuple[str, Any]] = [
    (r"/api/repos/create", _create_hf),
    (r"/api/models/([^/]+/[^/]+)/preupload/main", _modes),
    (r"/api/v1/repos/([^/]+/[^/]+)/preupload/master", _modes),
    (r"/([^/]+/[^/]+)\.git/info/lfs/objects/batch", _batch),
    (r"/api/v1/repos/models/([^/]+/[^/]+)/info/lfs/objects/batch", _batch),
    (r"/api/models/([^/]+/[^/]+)/commit/main", _commit_hf),
    (r"/api/v1/models", _create_ms),
    (r"/api/v1/repos/models/([^/]+/[^/]+)/commit/master", _commit_ms),
    (r"/modelcenter/v2/models/sdk/add", _create_ai),
    (r"/api/v1/repos/([^/]+/[^/]+)/contents", _contents),
    (r"/api/v1/repos/([^/]+/[^/]+)/contents/(.+)", _contents),
    (r"/api/models/([^/]+/[^/]+)", _info_hf),
    (r"/openapi/v1/models/([^/]+/[^/]+)", _info_ms),
    (r"/api/v1/models/([^/]+/[^/]+)/repo/files", _files_ms),
    (r"/api/v1/repos/([^/]+/[^/]+)/git/trees/master", _tree_ai),
    (r"/modelcenter/v2/models/sdk/checkPermit", _may_read_ai),
    (r"/verify|/api/validate-yaml|/modelcenter/v2/models/\w+|/api/v1/login", _fine),
]


@contextmanager
def hub_server() -> Iterator[Hub]:
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Answerer,), {"hub": hub}))
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
