"""A request for a prediction as it comes: its query, and its images, whichever way the body carries them.

The service passes bodies on as they are, so this is the one place that reads them. Used by `answering`.
"""

from pydantic import ValidationError
from pydantic_core import from_json
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.types import Message

from deploy.refusing import Refused, at_fault, invalid
from trainer.contract.problems import (
    INVALID,
    MALFORMED,
    NOT_FOUND,
    TOO_LARGE,
    UNSUPPORTED_MEDIA,
)
from trainer.contract.serving import (
    IMAGE_TYPES,
    MAX_IMAGES,
    PACKED,
    ImagesIn,
    Question,
    ReplicaArgs,
    unbase64,
    unpack,
)

HOW = (
    "send one image as image/jpeg, image/png or image/webp, or several as multipart/form-data, or in "
    "base64 as application/json"
)


def question(request: Request, args: ReplicaArgs) -> Question:
    """The query of a request to the replica of `args`, which answers for itself alone. Raises Refused."""
    query = dict(request.query_params)
    if "alias" in query:
        said = (
            "aliases are known to the service; leave 'alias' out, or ask at the service's address"
        )
        raise at_fault("alias", said, where="query")
    try:
        asked = Question.model_validate(query)
    except ValidationError as error:
        known = [*Question.model_fields]
        raise invalid(error.errors(), where="query", known=known) from error
    if asked.model not in (None, args.name) or asked.version not in (None, args.version):
        raise Refused(
            NOT_FOUND,
            f"version {args.version} of '{args.name}' answers here and no other; ask the other one at its "
            "own path, or the service",
        )
    return asked


def bounded(request: Request, most: int) -> Request:
    """The same, of which no more than `most` bytes are read: more raises Refused. At the service's address
    the service has refused it before."""
    left = most

    async def counted() -> Message:
        nonlocal left
        message = await request.receive()
        left -= len(message.get("body", b""))
        if left < 0:
            said = f"the body of a request has at most {most} bytes; send fewer images, or smaller ones"
            raise Refused(TOO_LARGE, said)
        return message

    return Request(request.scope, counted)


async def images(request: Request) -> list[bytes]:
    """Raises Refused. What the bytes really are is seen when they are decoded."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        found = await _parts(request)
    elif kind in IMAGE_TYPES:
        found = [await request.body()]
    elif kind == "application/json":
        found = _from_json(await request.body())
    elif kind == PACKED:
        found = _packed(await request.body())
    else:
        said = (
            f"'{kind[:100]}' is not a type that is taken here"
            if kind
            else "Content-Type is missing"
        )
        raise Refused(UNSUPPORTED_MEDIA, f"{said}; {HOW}")
    if not all(found):
        raise Refused(INVALID, f"the body or a part of it is empty; {HOW}")
    if not 0 < len(found) <= MAX_IMAGES:
        raise Refused(INVALID, f"send 1 to {MAX_IMAGES} images in a request, not {len(found)}")
    return found


def _packed(body: bytes) -> list[bytes]:
    try:
        return unpack(body)
    except ValueError as error:
        raise Refused(MALFORMED, str(error)) from error


def _from_json(body: bytes) -> list[bytes]:
    try:
        said = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise Refused(MALFORMED, f"the body is not JSON: {error}") from error
    try:
        texts = ImagesIn.model_validate(said).images
    except ValidationError as error:
        raise invalid(error.errors(), where="body", known=[*ImagesIn.model_fields]) from error
    return [_from_text(text, f"images.{i}") for i, text in enumerate(texts)]


def _from_text(text: str, field: str) -> bytes:
    try:
        return unbase64(text, field=field)
    except ValueError as error:
        raise at_fault(field, str(error)) from error


async def _parts(request: Request) -> list[bytes]:
    try:
        # One more than allowed is read, so that the sentence about too many can be said.
        # Of a request that names its application, the form's own failures would be HTTP's.
        request.scope.pop("app", None)
        async with request.form(max_files=MAX_IMAGES + 1, max_fields=MAX_IMAGES) as form:
            found = [await _file(name, part) for name, part in form.multi_items()]
    except MultiPartException as error:
        raise Refused(MALFORMED, f"the multipart body cannot be read: {error.message}") from error
    if not found:
        raise at_fault("file", "There is no part named 'file' in the body.")
    return found


async def _file(name: str, part: UploadFile | str) -> bytes:
    if name != "file" or isinstance(part, str):
        raise at_fault(
            "file",
            f"There is a part '{name[:100]}'; every part must be a file named 'file', as "
            "curl -F file=@image.png sends it.",
        )
    return await part.read()
