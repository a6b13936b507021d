"""OpenAI's Responses API behind the guard: its requests, its answers, its streams."""
