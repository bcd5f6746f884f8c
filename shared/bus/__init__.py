"""The bus: Kafka as Parley uses it. Everything that speaks to a broker is in this package."""
