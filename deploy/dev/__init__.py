"""Private services for trying and testing: each starts alone and leaves nothing behind.

A service keeps its files in one state folder: `run/*.pid`, `log/*.log` and data of its own. Use
it with `with`, or call `start()` and let a later process call `stop()` on the same folder.
"""
