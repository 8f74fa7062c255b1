"""Recordings as browsers and curl send them: forms of several parts."""

from __future__ import annotations

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from ellav.infer.synthesizer import AUTO
from ellav.serve.wire import Refused

UPLOAD_SCHEMA = {
    "type": "object",
    "required": ["name", "text", "file"],
    "properties": {
        "name": {"type": "string", "description": "letters, digits, '.', '_' and '-'"},
        "text": {"type": "string", "description": f"the words that are said in it, or `{AUTO}`"},
        "language": {"type": "string", "description": "of the words, for a model of several languages"},
        "file": {"type": "string", "format": "binary", "description": "about 3 s of one voice"},
    },
}
"""For OpenAPI."""


async def read_upload(request: Request, most: int) -> tuple[str, str, str, bytes]:
    """name, text, language (empty if left out) and content of a recording that is sent as a form, never on disk.

    Raises Refused. most: bytes of the recording.
    """
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise Refused(400, "send a form (multipart/form-data) with name, text and file")
    parser = MultiPartParser(request.headers, request.stream(), max_files=1, max_fields=8, max_part_size=1 << 14)
    parser.spool_max_size = 1 << 40  # more than is let through, so that nothing is written to disk
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise Refused(400, error.message) from None
    for field in ("name", "text"):
        if not isinstance(form.get(field), str) or not form[field].strip():
            raise Refused(400, f"{field} is missing", param=field)
    if not isinstance(form.get("language", ""), str):
        raise Refused(400, "language is a file; send its name", param="language")
    if not isinstance(form.get("file"), UploadFile):
        raise Refused(400, "file is missing: the recording", param="file")
    content = await form["file"].read()
    await form.close()
    if len(content) > most:
        raise Refused(413, f"the recording is larger than {most} bytes", param="file")
    return form["name"], form["text"], form.get("language", ""), content
