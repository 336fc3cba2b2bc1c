"""The load test without input and output: what is asked of a cluster, simulated frameworks, results, verdicts."""
