"""What training and serving share: words, text format, artifact format, decision."""
