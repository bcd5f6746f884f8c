"""Services on a real broker, a real database, a real model."""
