"""The collector as a process of its own, with rings that the tests write."""
