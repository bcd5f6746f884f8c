"""Understanding: text in; language, intent, slots and doubt out."""
