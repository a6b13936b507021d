"""Compares other Python servers with Postern on the same model file, texts and machine."""
