"""The pictures of README and docs, made from the running product."""
