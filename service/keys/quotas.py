"""What projects may use at most. Asked when a job is made, and by the reconciler."""

from dataclasses import dataclass

from service.errors import QuotaExceeded
from service.keys.store import KeyStore, Quota


@dataclass(frozen=True)
class Quotas:
    store: KeyStore

    def of(self, project: str) -> Quota | None:
        """None: it has no limits."""
        return self.store.quota(project)

    def check(self, project: str) -> None:
        """Raises QuotaExceeded when one more live job is too many. Requests at the same moment may pass
        together: this keeps a project within bounds, and counts no last job."""
        quota = self.store.quota(project)
        if quota is None or quota.live_jobs is None:
            return
        if self.store.live_jobs(project) >= quota.live_jobs:
            raise QuotaExceeded(
                f"The project has as many jobs that have not ended as it may have ({quota.live_jobs}); "
                "wait for one, cancel one, or ask the administrator for more."
            )
