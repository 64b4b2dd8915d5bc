"""Parts of ``logserve.logs`` by themselves: no server, no process."""
