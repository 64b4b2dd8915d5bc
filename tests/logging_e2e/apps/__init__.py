"""Applications that log in every way that applications do; the tests read what arrives."""
