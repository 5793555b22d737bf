"""The server's car: clients in their seats, the driver, the commands to the motor process. It does not use Tornado."""
