"""Many cars: the bridge to an MQTT broker. Its processes reach the car through `client/` alone."""
