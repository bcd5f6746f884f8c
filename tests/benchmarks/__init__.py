"""`make bench`: what Parley costs, each figure beside the bare minimum its parts allow, measured in one run."""
