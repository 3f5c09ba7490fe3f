"""The API process stays small: a fresh interpreter says what importing it loads."""

import subprocess
import sys

HEAVY = ("torch", "torchvision", "ray", "matplotlib", "sklearn", "scipy", "pandas", "boto3")

PROGRAM = f"""
import sys
import service.main
print(sorted({{name.split(".")[0] for name in sys.modules}} & {set(HEAVY)!r}))
"""


def test_importing_the_application_loads_nothing_heavy() -> None:
    command = [sys.executable, "-c", PROGRAM]
    found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert found.stdout.strip() == "[]"
