"""All that ever runs on a device: Python 3.8, standard library plus the device's own runtime, shipped as one zipapp."""
