"""What may be sent to the studio: JSON, and files of the kinds that it reads, within limits."""

from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.datastructures import Headers
from starlette.formparsers import MultiPartException
from starlette.types import Message, Receive

from studio.stores.datafiles import SUFFIXES
from studio.texts import say

UPLOAD_PATH = "/gradio_api/upload"
# Datasets, packed or not, and the settings that the Train tab reads.
KINDS = (*SUFFIXES, *(f"{suffix}.gz" for suffix in SUFFIXES), ".yaml", ".yml", ".zip")
MOST_FILES = 20
MOST_UPLOADED = 2 * 1024**3 + 1024**2
MOST_TOLD = 64 * 1024**2


class BodyRefused(Exception):
    """A body that is not taken: why, as a text's key, and the status that says so."""

    def __init__(self, code: str, status: int) -> None:
        super().__init__(code)
        self.code = code
        self.status = status


def watch_body(path: str, headers: Headers, receive: Receive) -> Receive:
    """The same body, read through its limits as it comes. Raises BodyRefused for a kind that is not taken.

    Files are refused by Gradio's own way for a broken upload, which removes what was written of them.
    """
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    length = headers.get("content-length", "0")
    has_body = length != "0" or "transfer-encoding" in headers
    is_upload = path == UPLOAD_PATH and kind == "multipart/form-data"
    if has_body and not is_upload and kind != "application/json":
        raise BodyRefused("wrong_type", 415)
    most = MOST_UPLOADED if is_upload else MOST_TOLD
    if length.isdecimal() and int(length) > most:
        raise BodyRefused("too_large", 413)
    files = FileNames(headers["content-type"]) if is_upload else None
    seen = 0

    async def watched() -> Message:
        nonlocal seen
        message = await receive()
        if message["type"] == "http.request":
            seen += len(message.get("body", b""))
            if seen > most and not files:
                raise BodyRefused("too_large", 413)
            if files:
                if seen > most:
                    raise MultiPartException(say("guard.too_large"))
                files.read(message.get("body", b""))
        return message

    return watched


class FileNames:
    """Reads the names of uploaded files as they come by, as Gradio does, and stops at one that is not taken."""

    def __init__(self, content_type: str) -> None:
        _, options = parse_options_header(content_type)
        if b"boundary" not in options:
            raise BodyRefused("wrong_type", 415)
        self._count = 0
        self._field = self._value = self._disposition = b""
        callbacks = {
            "on_part_begin": self._begin,
            "on_header_field": self._more_field,
            "on_header_value": self._more_value,
            "on_header_end": self._header,
            "on_headers_finished": self._check,
        }
        self._parser = MultipartParser(options[b"boundary"], callbacks)  # pyright: ignore[reportArgumentType]

    def read(self, data: bytes) -> None:
        """Go through a piece of the body. Raises MultiPartException, which Gradio answers with 400."""
        if data:
            self._parser.write(data)

    def _begin(self) -> None:
        self._disposition = b""

    def _more_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _more_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header(self) -> None:
        if self._field.lower() == b"content-disposition":
            self._disposition = self._value
        self._field = self._value = b""

    def _check(self) -> None:
        _, options = parse_options_header(self._disposition)
        if b"filename" not in options:
            return
        self._count += 1
        if self._count > MOST_FILES:
            raise MultiPartException(say("guard.too_many_files", most=MOST_FILES))
        name = options[b"filename"].decode("utf-8", "replace").lower()
        if not name.endswith(KINDS):
            raise MultiPartException(say("guard.wrong_kind", known=", ".join(KINDS)))
