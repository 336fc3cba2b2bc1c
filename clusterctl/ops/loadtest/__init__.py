"""The load test at work: simulated frameworks on real masters, and what removes them."""
