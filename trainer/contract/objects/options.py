"""What a storage URL can say of an S3 bucket after its '?', as `addressing=virtual&sse=aws:kms`: what boto3
has no environment variable for, so that all processes of a job do the same. Used by `open` and `s3`."""

from typing import Literal
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError, model_validator


class Options(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """Of a bucket. No secret is among them: a URL is part of a job's command line."""

    addressing: Literal["path", "virtual", "auto"] = "path"
    """The bucket as part of the path, which stores other than Amazon's want, or of the host name
    (`virtual`); `auto`: as boto3 decides."""
    checksums: Literal["when_required", "when_supported"] | None = None
    """Whether CRCs go with each object (`when_supported`). Default: as
    `AWS_REQUEST_CHECKSUM_CALCULATION` says, else `when_required`: many stores do not know boto3's."""
    sse: Literal["AES256", "aws:kms"] | None = None
    """Encryption at rest by the store: `AES256` or `aws:kms`. Default: as the bucket is set up."""
    kms_key_id: str | None = None
    """The key of `sse=aws:kms`. Default: the store's own."""

    @model_validator(mode="after")
    def _key_fits(self) -> "Options":
        if self.kms_key_id is not None and self.sse != "aws:kms":
            raise ValueError("kms_key_id goes with sse=aws:kms")
        return self

    @classmethod
    def of(cls, query: str) -> "Options":
        """Raises ValueError with a sentence that names the option at fault."""
        given = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
        names = [name for name, _ in given]
        if len(set(names)) < len(names):
            raise ValueError("the storage URL gives an option twice")
        try:
            return cls.model_validate(dict(given))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            at = ".".join(map(str, first["loc"]))
            known = ", ".join(cls.model_fields)
            raise ValueError(
                f"the storage URL's option {at!r}: {first['msg']}; it takes {known}"
            ) from error

    def of_each_write(self) -> dict[str, str]:
        """Parameters of every request that writes an object."""
        said = {"ServerSideEncryption": self.sse, "SSEKMSKeyId": self.kms_key_id}
        return {name: value for name, value in said.items() if value is not None}
