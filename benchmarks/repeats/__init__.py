"""Sets of clips that repeat one another or only look as if they did, for `benchmarks.dedup`."""
