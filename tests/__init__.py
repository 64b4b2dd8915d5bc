"""The tests of logserve."""
