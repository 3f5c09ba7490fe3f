"""Fixtures of several areas; each is documented where it is made."""

pytest_plugins = ["tests.db.databases", "tests.local.running"]
