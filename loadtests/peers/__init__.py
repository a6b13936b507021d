"""Compares other Python servers with ours: same model file, texts and machine."""
