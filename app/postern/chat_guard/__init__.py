"""The guarded proxy: judges chats on their way to a chat model and back before they pass."""
