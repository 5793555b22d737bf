"""The operating system around picar: systemd and logind."""
