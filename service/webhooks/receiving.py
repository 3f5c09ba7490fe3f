"""What whoever writes a receiver must know. The API's document shows it; a test runs its example."""

DESCRIPTION = """\
Changes of jobs' states, sent to a URL on a host that the administrator allows
(`RESIDUAL_WEBHOOK_HOSTS`, none by default). Each is a POST of JSON:

```json
{"type": "job.failed", "timestamp": "2026-01-31T12:00:00Z",
 "data": {"job": "job-1k0y64et6dng0az10y5", "from": "running", "to": "failed", "attempt": 2,
          "reason": {"code": "diverged", "message": "…", "remedy": "…"}}}
```

An answer from 200 to 299 within 10 seconds takes it; otherwise it is sent again with growing waits, for
a day, and then given up. Redirects are not followed. A message may come more than once, always with the
same `webhook-id`. Of one job, a change is sent when the one before was taken, or given up.

The signature is that of the [Standard Webhooks](https://www.standardwebhooks.com) specification, for
which there are libraries. Without one:

```python
import base64, hashlib, hmac, time

def is_genuine(secret: str, headers: dict[str, str], body: bytes) -> bool:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    sent = headers["webhook-timestamp"]
    content = f"{headers['webhook-id']}.{sent}.".encode() + body
    digest = base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
    is_signed = hmac.compare_digest(headers["webhook-signature"], f"v1,{digest}")
    return is_signed and abs(time.time() - int(sent)) < 300
```
"""
