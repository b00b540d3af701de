"""One module for each numbered result of the paper."""
