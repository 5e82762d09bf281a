"""The same work by many machines, over dask.distributed."""
