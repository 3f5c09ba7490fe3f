"""What can be trained, and on what."""

from dataclasses import dataclass

from service.errors import Invalid, NotFound
from trainer.contract import archs, layout, manifest
from trainer.contract.archs import Network, NoSuchNetwork, Shortcut, Stem, Stride
from trainer.contract.datasets import DATASETS, DatasetInfo
from trainer.contract.family import Family
from trainer.contract.objects.store import NoSuchObject, ObjectStore


@dataclass(frozen=True)
class Catalogue:
    """Networks and data sets by name. Knows no HTTP."""

    objects: ObjectStore

    def archs(self) -> list[Network]:
        return list(archs.catalogue().values())

    def arch(
        self,
        name: str,
        family: Family | None = None,
        shortcut: Shortcut | None = None,
        stride: Stride = "v1",
        stem: Stem = "paper",
    ) -> Network:
        """Raises NotFound for the name, Invalid for an option that the network does not have."""
        try:
            return archs.resolve(name, family=family, shortcut=shortcut, stride=stride, stem=stem)
        except NoSuchNetwork as error:
            if error.field == "arch":
                raise NotFound(str(error)) from error
            raise Invalid(str(error), field=error.field) from error

    def datasets(self) -> list[tuple[DatasetInfo, str | None]]:
        """Each with what it lacks to be used at once; None when it is ready."""
        return [(info, self._lacking(info)) for info in DATASETS.values()]

    def dataset(self, name: str) -> tuple[DatasetInfo, str | None]:
        """Raises NotFound."""
        if name not in DATASETS:
            raise NotFound(f"There is no data set '{name}'; there are {', '.join(DATASETS)}.")
        return DATASETS[name], self._lacking(DATASETS[name])

    def _lacking(self, info: DatasetInfo) -> str | None:
        if info.source != "download":
            return None
        try:
            manifest.read(self.objects, layout.dataset(info.name))
        except NoSuchObject:
            return (
                "It has not been fetched yet: the first job that names it does so, and needs a "
                "network for that."
            )
        except manifest.Damaged as error:
            return f"{error}; the next job that names it fetches it again."
        return None
