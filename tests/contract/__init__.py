"""Protos, events and gRPC APIs, seen as their clients see them."""
