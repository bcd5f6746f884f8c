"""The runtime: hosts any set of services in one process, over Kafka and gRPC alike."""
