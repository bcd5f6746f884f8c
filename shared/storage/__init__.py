"""SQL storage that services with state share: the database, the inbox, the outbox."""
