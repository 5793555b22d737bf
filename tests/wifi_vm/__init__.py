"""The car's own WiFi on a real Linux with NetworkManager and three virtual radios, in a virtual PC."""
