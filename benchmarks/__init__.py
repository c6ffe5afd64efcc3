"""Measurements that a person runs; none of it is part of the package."""
