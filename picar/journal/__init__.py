"""The flight recorder: the last minute of both processes, in memory."""
