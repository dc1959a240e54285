"""main() of each daemon. These modules import nothing heavy until threads or eventlet is chosen."""
