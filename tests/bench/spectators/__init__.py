"""`scripts/bench --spectators`: what N spectators cost the driver, the product against a plain broadcast."""
