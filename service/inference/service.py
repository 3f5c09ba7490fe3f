"""The Open Inference Protocol's questions, put to deployments and their replicas. Used by its routes."""

from dataclasses import dataclass

from service.deployments.service import Deployments
from service.errors import ModelUnavailable
from service.inference.asking import Asked
from service.inference.schemas import ModelMetadata
from service.predict.service import Predictor
from trainer.contract.serving import Classified


@dataclass(frozen=True)
class Inference:
    """What the protocol asks. Knows no HTTP."""

    deployments: Deployments
    predictor: Predictor

    def all_ready(self, project: str) -> None:
        """Raises ModelUnavailable, which names the models that do not answer."""
        starting = [
            each.name for each in self.deployments.all(project) if each.serving_version is None
        ]
        if starting:
            raise ModelUnavailable(f"These models do not answer yet: {', '.join(starting)}.")

    def ready(self, project: str, name: str, version: int | None) -> None:
        """Raises NotFound, or ModelUnavailable while it starts."""
        self.deployments.answering(project, name, version=version, alias=None)

    def metadata(self, project: str, name: str, version: int | None) -> ModelMetadata:
        """Raises NotFound, or ModelUnavailable while it starts."""
        found, number = self.deployments.answering(project, name, version=version, alias=None)
        meta = self.deployments.models.version(project, found, number).meta
        return ModelMetadata.of(
            name,
            versions=[str(each) for each in self.deployments.get(project, name).answering],
            preprocessing=meta.transform.digest,
            classes=len(meta.class_names),
        )

    async def infer(
        self, project: str, name: str, version: int | None, asked: Asked, *, key: str | None
    ) -> Classified:
        """Raises what `Predictor.predict` raises."""
        return await self.predictor.predict(
            project, asked.images, model=name, version=version, top_k=asked.classes, key=key
        )
