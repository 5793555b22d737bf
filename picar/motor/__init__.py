"""The motor process, the channel to it, the motor boards and the GPIO backends."""
