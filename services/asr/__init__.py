"""Speech recognition: from audio to a transcript."""
