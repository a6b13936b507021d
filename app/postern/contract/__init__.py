"""What training and serving share: vocabulary, text format, artifact format and decision."""
