"""Arithmetic and state machines of the car: no clocks, no sockets, no threads; time is an argument."""
