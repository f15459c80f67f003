"""Values that all subjects share; pure, below everything else."""
