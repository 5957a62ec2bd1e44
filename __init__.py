"""The face of perdure: hands on the public names, nothing else."""
