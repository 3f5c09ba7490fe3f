"""Where the images lie that a project may have classified: `inputs/<project>/` of the object store, and
nowhere else. Used by `resolving`."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from service.errors import Invalid
from trainer.contract import layout
from trainer.contract.objects.store import ObjectStore
from trainer.contract.prediction import MAX_SOURCE, SOURCE_PATTERN

FIELD = "source"


@dataclass(frozen=True)
class Inputs:
    """Of every project."""

    objects: ObjectStore
    storage_url: str
    """Of `objects`, as the settings have it."""

    def find(self, project: str, source: str) -> tuple[str, str]:
        """The name of a source below the project's own area, and its prefix in the store. Raises Invalid,
        StoreUnavailable."""
        name = self._named(project, source) if ":" in source else source.rstrip("/")
        if len(name) > MAX_SOURCE or not re.fullmatch(SOURCE_PATTERN, name):
            raise Invalid(
                f"A source is a folder below {self._area(project)}, written as in 'holiday/2026': letters, "
                "digits, '_', '.' and '-', and no part begins with a dot.",
                field=FIELD,
            )
        prefix = layout.inputs(project, name)
        if next(iter(self.objects.list(f"{prefix}/")), None) is None:
            raise Invalid(
                f"There is nothing in {self._area(project)}{name}; put the images there first.",
                field=FIELD,
            )
        return name, prefix

    def _named(self, project: str, url: str) -> str:
        """The name in a URL of this very store."""
        area = self._area(project)
        if area.startswith("s3://") and url.startswith(area):
            return url.removeprefix(area).rstrip("/")
        more = (
            f", or '{area}FOLDER' of this service's own store" if area.startswith("s3://") else ""
        )
        raise Invalid(
            f"Images are read from this service's own object store only; give a folder below "
            f"{layout.inputs(project, '')} as 'FOLDER'{more}.",
            field=FIELD,
        )

    def _area(self, project: str) -> str:
        """Of the project, as people find it: of a directory not where it lies on the service's machine."""
        parts = urlsplit(self.storage_url)
        below = f"{parts.path.strip('/')}/".lstrip("/")
        root = f"s3://{parts.netloc}/{below}" if parts.scheme == "s3" else ""
        return f"{root}{layout.inputs(project, '')}"
