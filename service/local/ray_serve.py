"""Ray's dashboard and Ray Serve as `residual up` starts them and waits for them, local or not."""

from urllib.parse import urlsplit

import httpx

START_TIMEOUT = httpx.Timeout(20.0, connect=5.0)  # seconds; it takes 5 on two idle cores
LOOK_TIMEOUT_S = 5.0
APPLICATIONS = "/api/serve/applications/"


def answers(address: str, token: str | None) -> bool:
    """Whether Ray's dashboard at `address` answers to this token."""
    try:
        with _dashboard(address, token) as http:
            return http.get("/api/version").is_success
    except httpx.HTTPError:
        return False


def start_serve(address: str, token: str | None, serve_address: str) -> None:
    """Start Ray Serve, unless it runs: then all that it serves stays untouched.
    Raises httpx.HTTPError."""
    with _dashboard(address, token) as http:
        seen = http.get(APPLICATIONS, timeout=START_TIMEOUT).raise_for_status()
        if seen.json().get("proxies"):
            return
        wanted = urlsplit(serve_address)
        alone = wanted.hostname in {"127.0.0.1", "localhost"}
        host = "127.0.0.1" if alone else "0.0.0.0"  # noqa: S104  # other machines ask its proxies
        options = {"host": host, "port": wanted.port or 80}
        body = {"applications": [], "http_options": options}
        http.put(APPLICATIONS, json=body, timeout=START_TIMEOUT).raise_for_status()


def serve_answers(address: str, token: str | None) -> bool:
    """Whether a proxy of Ray Serve takes requests. Ray Serve's controller is asked, because a proxy
    without any application calls itself unhealthy."""
    try:
        with _dashboard(address, token) as http:
            proxies = http.get(APPLICATIONS).raise_for_status().json().get("proxies") or {}
    except (httpx.HTTPError, ValueError):
        return False
    return any(proxy.get("status") == "HEALTHY" for proxy in proxies.values())


def _dashboard(address: str, token: str | None) -> httpx.Client:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.Client(base_url=address, headers=headers, timeout=LOOK_TIMEOUT_S, trust_env=False)
