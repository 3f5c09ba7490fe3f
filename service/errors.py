"""Every failure a caller can see. Raised where it is known, turned into HTTP once (`problems`).

ServiceError                 500  internal
├── Malformed                400  malformed              the request cannot be read
├── Unauthorized             401  unauthorized           no valid key
├── NotFound                 404  not_found              not there, or not yours
├── MethodNotAllowed         405  method_not_allowed     the path is there, but not for this method
├── Conflict                 409  conflict               not while it is in this state
│   ├── IllegalTransition    409  illegal_transition     a step the lifecycle does not have
│   ├── AlreadyTaken         409  already_taken          the name or number is in use
│   └── IdempotencyMismatch  409  idempotency_mismatch   the key was used with another body
├── TooLarge                 413  too_large              the body is over the limit
├── UnsupportedMedia         415  unsupported_media      not an image, or not of a served format
├── OutOfRange               416  out_of_range           the file has no such bytes
├── Invalid                  422  invalid                a value that cannot be meant
├── QuotaExceeded            429  quota_exceeded         the project has as many live jobs as it may have
└── Unavailable              503  unavailable            a part is away; Retry-After says when to ask
    ├── ClusterUnavailable   503  cluster_unavailable    Ray or Ray Serve does not answer
    ├── StorageUnavailable   503  storage_unavailable    the object store does not answer
    └── ModelUnavailable     503  model_unavailable      the deployment is not serving yet
"""

from typing import ClassVar


class ServiceError(Exception):
    """`message` is a sentence that says how to mend it; `field` names the part of the body at fault;
    `headers` are those of this case's answer."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Internal error"
    retry_after: ClassVar[int | None] = None
    """Seconds."""

    def __init__(
        self, message: str, *, field: str | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.headers = headers or {}


class Malformed(ServiceError):
    status, code, title = 400, "malformed", "Malformed request"


class Unauthorized(ServiceError):
    status, code, title = 401, "unauthorized", "No valid key"


class NotFound(ServiceError):
    status, code, title = 404, "not_found", "Not found"


class MethodNotAllowed(ServiceError):
    status, code, title = 405, "method_not_allowed", "Method not allowed"


class Conflict(ServiceError):
    status, code, title = 409, "conflict", "Not in this state"


class IllegalTransition(Conflict):
    code, title = "illegal_transition", "Not a step of the lifecycle"


class AlreadyTaken(Conflict):
    code, title = "already_taken", "Already taken"


class IdempotencyMismatch(Conflict):
    code, title = "idempotency_mismatch", "Idempotency key used with another body"


class TooLarge(ServiceError):
    status, code, title = 413, "too_large", "Too large"


class UnsupportedMedia(ServiceError):
    status, code, title = 415, "unsupported_media", "Unsupported media type"


class OutOfRange(ServiceError):
    status, code, title = 416, "out_of_range", "Out of range"


class Invalid(ServiceError):
    status, code, title = 422, "invalid", "Invalid value"


class QuotaExceeded(ServiceError):
    status, code, title, retry_after = 429, "quota_exceeded", "Over a quota", 60


class Unavailable(ServiceError):
    status, code, title, retry_after = 503, "unavailable", "A part is away", 5


class ClusterUnavailable(Unavailable):
    code, title = "cluster_unavailable", "The Ray cluster does not answer"


class StorageUnavailable(Unavailable):
    code, title = "storage_unavailable", "The object store does not answer"


class ModelUnavailable(Unavailable):
    code, title = "model_unavailable", "The model is not serving yet"
