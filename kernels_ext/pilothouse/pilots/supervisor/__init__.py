"""The process that owns a pilot: its set-point, its line, recovery, orphans."""
