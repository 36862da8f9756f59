"""What leaves rfconv: the fields as a document, and pictures."""
