"""Many runs at once: processes, jobs of a cluster, and what is finished of them."""
