"""The motor process, the channel to it, and the L298N that it drives."""
