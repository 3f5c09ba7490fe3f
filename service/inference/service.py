"""The Open Inference Protocol's questions, put to deployments and their replicas. Used by its routes."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from service.deployments.service import Deployments
from service.errors import ModelUnavailable
from service.inference.asking import Asked
from service.inference.schemas import ModelMetadata
from service.predict.answers import classified
from service.predict.service import Predictor, Sent
from trainer.contract.serving import PACKED, Classified, pack


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
        self.deployments.answering(project, name, version)

    def metadata(self, project: str, name: str, version: int | None) -> ModelMetadata:
        """Raises NotFound, or ModelUnavailable while it starts."""
        who = self.deployments.answering(project, name, version)
        networks = self.deployments.versions.networks(project, name, who.version)
        transforms = dict.fromkeys(each.transform.digest for each in networks)
        return ModelMetadata.of(
            name,
            versions=[str(each) for each in self.deployments.get(project, name).answering],
            preprocessing="+".join(transforms),
            classes=len(networks[0].class_names),
        )

    async def infer(
        self, project: str, name: str, version: int | None, asked: Asked, *, key: str | None
    ) -> Classified:
        """Raises what `Predictor.ask` raises, and what a replica's refusal means."""

        async def packed() -> AsyncIterator[bytes]:
            yield pack(asked.images)

        answer = await self.predictor.ask(
            project,
            Sent(PACKED, packed),
            model=name,
            version=version,
            protocol=asked.protocol,
            top_k=asked.classes,
            key=key,
        )
        return classified(answer)
