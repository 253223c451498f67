"""What benchmarks share: programs under load, the load, and figures."""
