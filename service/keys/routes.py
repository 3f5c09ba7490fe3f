"""Routes of keys, for the administrator only."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from service.deps import KeyId, KeysDep, administrator
from service.errors import NotFound
from service.keys.schemas import KeyIn, KeyMadeOut, KeyOut, KeysOut
from service.problems import fails_with
from trainer.contract.names import Name

router = APIRouter(prefix="/keys", tags=["keys"], dependencies=[Depends(administrator)])


@router.post("", status_code=201)
def create_key(body: KeyIn, keys: KeysDep) -> KeyMadeOut:
    """Make a key of a project. The answer shows it, once; the service keeps only its SHA-256."""
    quota = body.quota.decided() if body.quota else None
    return KeyMadeOut.made(*keys.create(body.project, body.name, quota))


@router.get("")
def list_keys(
    keys: KeysDep,
    limit: Annotated[int, Query(ge=1, le=500, description="Keys on a page.")] = 50,
    cursor: Annotated[Name | None, Query(description="A page's `next_cursor`.")] = None,
) -> KeysOut:
    """Keys of all projects, newest first, each with its project's quota; not what they are opened by."""
    found, following = keys.page(limit=limit, cursor=cursor)
    return KeysOut(items=[KeyOut.of(key) for key in found], next_cursor=following)


@router.delete("/{key_id}", status_code=204, responses=fails_with(NotFound))
def delete_key(key_id: KeyId, keys: KeysDep) -> None:
    """Delete a key. No later request is let in by it; streams that it has opened end by themselves."""
    keys.delete(key_id)
