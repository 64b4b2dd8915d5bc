"""The access record: its fields, what it is made from, and the bytes and records it becomes."""
