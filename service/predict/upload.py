"""The images in a request: its whole body, its parts named `file`, or in JSON. Used by the predict
route."""

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from service.errors import Invalid, Malformed, UnsupportedMedia
from service.http import json_body
from service.predict.schemas import ImagesIn
from trainer.contract.serving import MAX_IMAGES

IMAGE_TYPES = ("image/jpeg", "image/png", "image/webp")
_HOW = (
    "send one image as image/jpeg, image/png or image/webp, or several as multipart/form-data, or in "
    "base64 as application/json"
)


async def images(request: Request) -> list[bytes]:
    """Raises UnsupportedMedia, Malformed or Invalid. What the bytes really are, the replica sees."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        found = await _parts(request)
    elif kind in IMAGE_TYPES:
        found = [await request.body()]
    elif kind == "application/json":
        found = _from_json(await request.body())
    else:
        said = (
            f"'{kind[:100]}' is not a type this route takes" if kind else "Content-Type is missing"
        )
        raise UnsupportedMedia(f"{said}; {_HOW}.")
    if not all(found):
        raise Invalid(f"The body or a part of it is empty; {_HOW}.")
    return found


def _from_json(body: bytes) -> list[bytes]:
    said = json_body.read(body, ImagesIn)
    return [json_body.unbase64(text, field=f"images.{i}") for i, text in enumerate(said.images)]


async def _parts(request: Request) -> list[bytes]:
    try:
        # One more than allowed is read, so that the sentence about too many can be said.
        async with request.form(max_files=MAX_IMAGES + 1, max_fields=MAX_IMAGES) as form:
            found = [await _file(name, part) for name, part in form.multi_items()]
    except HTTPException as error:
        if error.status_code != 400:  # too large: the body's limit says so itself
            raise
        raise Malformed(f"The multipart body cannot be read: {error.detail}") from error
    if not found:
        raise Invalid("There is no part named 'file' in the body.", field="file")
    return found


async def _file(name: str, part: UploadFile | str) -> bytes:
    if name != "file" or isinstance(part, str):
        raise Invalid(
            f"There is a part '{name[:100]}'; every part must be a file named 'file', as "
            "curl -F file=@image.png sends it.",
            field="file",
        )
    return await part.read()
