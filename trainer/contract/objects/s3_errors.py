"""boto3's failures in this project's words, each with what to do about it. Used by `s3`."""

import contextlib
from collections.abc import Iterator

from boto3.exceptions import Boto3Error
from botocore import exceptions as boto
from botocore.exceptions import BotoCoreError, ClientError
from s3transfer.exceptions import RetriesExceededError, S3DownloadFailedError
from urllib3.exceptions import HTTPError

from trainer.contract.objects.store import NoSuchObject, StoreError, StoreUnavailable

NOT_ANSWERED = (BotoCoreError, HTTPError)
"""The store was not reached, or broke off; HTTPError of some broken bodies, which boto3 lets through."""
OF_FILES = (Boto3Error, RetriesExceededError, S3DownloadFailedError)
"""What boto3 raises for whole files, around what happened."""

MISSING = {"NoSuchKey", "404"}
TAKEN = {"PreconditionFailed", "412"}
IN_CONFLICT = {"ConditionalRequestConflict", "409"}
"""Another conditional write of the same key was under way: nothing is decided, ask again."""
PAST_THE_END = {"InvalidRange", "416"}

KEYS = "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and what they may do"
REMEDIES = {
    "NoSuchBucket": "there is no such bucket: make it, or name another in RESIDUAL_STORAGE_URL",
    "InvalidAccessKeyId": f"it does not know the key: {KEYS}",
    "SignatureDoesNotMatch": f"the secret key is not right: {KEYS}",
    "AccessDenied": f"the keys are not enough for this: {KEYS}",
    "403": f"the keys are not enough for this: {KEYS}",
    "ExpiredToken": "the keys have expired: give new ones",
    "InvalidToken": "AWS_SESSION_TOKEN is not right: give a new one with its keys",
    "RequestTimeTooSkewed": "the clocks differ: set this machine's",
    "AuthorizationHeaderMalformed": "the bucket is in another region: set AWS_DEFAULT_REGION",
    "PermanentRedirect": "the bucket is in another region: set AWS_DEFAULT_REGION",
    "301": "the bucket is in another region: set AWS_DEFAULT_REGION",
    "EntityTooLarge": "it takes no object that is so large",
    "InvalidStorageClass": "the bucket's settings do not allow this write",
    "QuotaExceeded": "it is full: free some space",
    "InsufficientStorage": "it is full: free some space",
    "507": "it is full: free some space",
    "SlowDown": "it has too much to do",
    "ServiceUnavailable": "it has too much to do, or is starting",
    "503": "it has too much to do, or is starting",
    "NotImplemented": "it cannot do this: use one that passes `residual store verify`",
    "PreconditionFailed": "the object was replaced while it was read",
    "412": "the object was replaced while it was read",
}
"""Error code (of an answer without a body, its status) → what it means here, and what to do."""

NO_ANSWER: list[tuple[type[BotoCoreError] | tuple[type[BotoCoreError], ...], str]] = [
    (
        (boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError),
        "there are no keys for the store: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile",
    ),
    (boto.NoRegionError, "set AWS_DEFAULT_REGION, or the store's endpoint in AWS_ENDPOINT_URL"),
    (boto.SSLError, "the store's certificate is not trusted: set AWS_CA_BUNDLE to its authority's"),
    (boto.EndpointConnectionError, "the store cannot be reached: check AWS_ENDPOINT_URL"),
    (boto.ConnectTimeoutError, "the store cannot be reached in time: check AWS_ENDPOINT_URL"),
    (boto.ConnectionClosedError, "the store hung up before it answered"),
    (boto.ReadTimeoutError, "the store does not answer in time"),
    (
        (boto.IncompleteReadError, boto.ResponseStreamingError),
        "the store broke off in the middle of an object",
    ),
    (boto.ParamValidationError, "the store's URL or a key in it is not right"),
]
"""What is raised without an answer → what it means here, and what to do; the first that fits."""


@contextlib.contextmanager
def explained(what: str) -> Iterator[None]:
    """Raises StoreError instead of what boto3 does. `what` is a key or a prefix, for the sentence."""
    try:
        yield
    except (ClientError, *NOT_ANSWERED, *OF_FILES) as error:
        raise as_store_error(error, what) from error


def code_of(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "")


def as_store_error(error: Exception, what: str) -> StoreError:
    """Of an error of boto3, botocore or what boto3 wraps them in for whole files."""
    if isinstance(error, OF_FILES):
        within = getattr(error, "last_exception", None) or error.__context__
        if isinstance(within, Exception):
            return as_store_error(within, what)
        return StoreUnavailable(f"the store failed at {what}: {error}")
    if isinstance(error, ClientError):
        code = code_of(error)
        if code in MISSING:
            return NoSuchObject(what)
        remedy = REMEDIES.get(code)
        if remedy is None and code.startswith("KMS"):
            remedy = "its key cannot be used: check kms_key_id in RESIDUAL_STORAGE_URL"
        return StoreUnavailable(
            f"the store answered {code} for {what}" + (f"; {remedy}" if remedy else "")
        )
    for kinds, sentence in NO_ANSWER:
        if isinstance(error, kinds):
            return StoreUnavailable(f"{sentence} ({error})")
    return StoreUnavailable(f"the store does not answer, or broke off: {error}")
