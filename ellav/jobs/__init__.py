"""Commands and arrays of commands, called as Kaldi calls them, here or as jobs of Slurm."""
