"""Knowledge: from a question to the passages that answer it, or an honest not found."""
