"""Facts about the machine that carries the car, and the thread that reads them."""
