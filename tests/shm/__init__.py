"""Shared memory: the ring's protocol and the intents."""
