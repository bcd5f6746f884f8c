"""The edge: gRPC and HTTP in and out, and the ledger of every turn."""
