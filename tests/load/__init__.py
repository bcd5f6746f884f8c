"""Open-loop load by the gateway's public API, and what it tells of capacity."""
