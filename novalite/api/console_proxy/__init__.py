"""novalite-novncproxy: guests' screens and serial consoles, over websockets, to browsers and terminals."""
