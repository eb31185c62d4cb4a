"""Many runs at once: processes, cluster jobs, and a record of finished runs."""
