"""Tests, by what they stand on: unit, contract, integration, end_to_end; and the benchmarks."""
