"""Every method that crosses the bus: who serves it, how it is sent, its time limit and its types."""
