"""The whole road: real processes, a real broker, real models."""
