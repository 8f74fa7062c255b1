"""The eight open families; each folder holds a protocol, a registry and one file a plugin."""
