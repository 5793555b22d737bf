"""The benchmark behind `scripts/bench`: the real product against plain servers, in one interleaved run."""
