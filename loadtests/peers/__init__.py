"""Other Python servers with the same model file, texts and machine, side by side with ours."""
