"""What goes over the wire beside audio, as OpenAI's clients know it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Annotated, Literal

from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from ellav.errors import printable
from ellav.infer.asked import FASTEST, HIGHEST_SEED, SLOWEST
from ellav.serve.sounds import DEFAULT, FORMATS

WRONG, DENIED, BUSY, FAILED = "invalid_request_error", "authentication_error", "rate_limit_error", "server_error"
"""Types of errors, by OpenAI's names."""


class VoiceId(BaseModel):
    """A voice by its name."""

    id: str


class SpeechRequest(BaseModel):
    """What is to be spoken. Anything else that OpenAI's clients send, `instructions` for example, is ignored."""

    input: Annotated[str, Field(min_length=1, description="the text; SSML where it begins with <speak")]
    model: Annotated[str | None, Field(description="ignored: a server has one model")] = None
    voice: Annotated[str | VoiceId | None, Field(description="of /v1/voices; the model's first if left out")] = None
    response_format: Annotated[str, Field(json_schema_extra={"enum": list(FORMATS)})] = DEFAULT
    speed: Annotated[float, Field(ge=SLOWEST, le=FASTEST, description="how much faster than by itself")] = 1.0
    stream_format: Annotated[
        Literal["audio", "sse"] | None,
        Field(description="audio: sent as it is made; sse: likewise, as events; left out: sent when all is made"),
    ] = None
    language: Annotated[str, Field(description="of the text, for a model of several languages")] = ""
    seed: Annotated[int, Field(ge=0, le=HIGHEST_SEED, description="another seed gives another reading")] = 0

    @property
    def voice_name(self) -> str | None:
        """The voice, in whichever way it was named."""
        return self.voice.id if isinstance(self.voice, VoiceId) else self.voice

    def said(self) -> dict:
        """How it is spoken, as `Synthesizer` calls it."""
        return {"seed": self.seed, "rate": self.speed, "language": self.language}


class Problem(BaseModel):
    """message: one line. param: the field that is wrong, where it is one."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(BaseModel):
    """What every answer that is no success holds."""

    error: Problem


class Voice(BaseModel):
    """A voice. created: seconds since 1970; seconds: of the recording; remarks: what there is to say of it."""

    id: str
    object: Literal["voice"]
    built_in: bool
    created: int | None = None
    seconds: float | None = None
    remarks: list[str] = []


class VoiceList(BaseModel):
    """All voices."""

    object: Literal["list"]
    data: list[Voice]


class VoiceDeleted(BaseModel):
    """A voice that is gone."""

    id: str
    object: Literal["voice.deleted"]
    deleted: bool


class Health(BaseModel):
    """status: ok, or ending. waiting, running: requests in line, and being spoken."""

    status: Literal["ok", "ending"]
    waiting: int
    running: int


class Refused(Exception):  # noqa: N818 - what a client is told, not a fault
    """An answer that is no success."""

    def __init__(
        self, status: int, message: str, kind: str = WRONG, param: str | None = None, after: int | None = None
    ):
        super().__init__(message)
        self.status, self.message, self.kind, self.param, self.after = status, message, kind, param, after

    def response(self) -> JSONResponse:
        """The answer. after: seconds to wait for before trying again."""
        problem = {"message": printable(self.message), "type": self.kind, "param": self.param, "code": None}
        headers = {} if self.after is None else {"Retry-After": str(self.after)}
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return JSONResponse({"error": problem}, self.status, headers)


def could_be_refused(*statuses: int) -> dict[int, dict]:
    """For FastAPI's `responses`."""
    return {status: {"model": ErrorBody} for status in (401, *statuses)}


def event(content: bytes | None) -> bytes:
    """An event of a stream of events: some audio, or its end. Tokens are nothing that is counted here."""
    if content is None:
        usage = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
        told = {"type": "speech.audio.done", "usage": usage}
    else:
        told = {"type": "speech.audio.delta", "audio": base64.b64encode(content).decode()}
    return b"data: " + json.dumps(told).encode() + b"\n\n"


def without_422(describe: Callable[[], dict]) -> Callable[[], dict]:
    """What is invalid is answered with 400 here, as OpenAI does; FastAPI would tell of 422 wherever there is input."""

    def described() -> dict:
        told = describe()
        for path in told["paths"].values():
            for operation in path.values():
                operation["responses"].pop("422", None)
        for name in ("HTTPValidationError", "ValidationError"):
            told.get("components", {}).get("schemas", {}).pop(name, None)
        return told

    return described
