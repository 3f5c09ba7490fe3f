"""HAProxy in front of a local Ray Serve, for `RAY_SERVE_ENABLE_HA_PROXY=1 residual up`.

It hands requests to the replicas themselves, instead of Serve's proxy in Python. Ray brings it, on Linux.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

SWITCH = "RAY_SERVE_ENABLE_HA_PROXY"
"""Ray's own variable."""
PORTS = 3
DRAIN_S = 2
"""For which a replica that shall end still answers: until HAProxy has its new list, 0.1 s."""
LONGEST_REQUEST_S = 60
"""For which an HAProxy that was replaced goes on with the requests it has."""


def options(base: Mapping[str, str], temp_dir: Path, ports: Sequence[int]) -> dict[str, str]:
    """Variables of all processes of Ray, if `base` wants HAProxy. What is its own is below `temp_dir`, and at
    `PORTS` ports that no other service has."""
    if base.get(SWITCH) != "1":
        return {}
    stats, metrics, fallback = ports
    return {
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        # Directly below: Ray adds a directory of 56 characters, and HAProxy's sockets may have 96.
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(temp_dir / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(temp_dir / "admin.sock"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(temp_dir / "metrics.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(temp_dir),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(temp_dir / "server-state"),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(stats),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(metrics),
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(fallback),
        "RAY_SERVE_HAPROXY_NBTHREAD": "1",
        "RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S": str(LONGEST_REQUEST_S),
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": str(DRAIN_S),
    }
