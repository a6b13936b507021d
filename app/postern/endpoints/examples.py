"""Working bodies for the OpenAPI document, by path, then by name."""

from __future__ import annotations

from typing import Any, Final

EXAMPLES: Final[dict[str, dict[str, dict[str, Any]]]] = {
    "/classify": {
        "prompt": {
            "summary": "A prompt",
            "value": {"prompt": "How do I sharpen a kitchen knife?"},
        },
        "pair": {
            "summary": "A response, given its prompt",
            "value": {
                "prompt": "How do I sharpen a kitchen knife?",
                "response": "Draw it over a whetstone at a steady angle of 20 degrees.",
            },
        },
        "inputs": {
            "summary": "Several exchanges, at a stricter operating point",
            "value": {
                "inputs": [
                    {"prompt": "What is the capital of France?"},
                    {
                        "prompt": "Tell me a story.",
                        "response": "Once upon a time there was a gate.",
                    },
                ],
                "operating_point": "strict",
            },
        },
        "messages": {
            "summary": "A conversation",
            "value": {
                "messages": [
                    {"role": "user", "content": "Hello!"},
                    {"role": "assistant", "content": "Hello, how can I help?"},
                    {"role": "user", "content": "Recommend a book about castles."},
                ]
            },
        },
    },
    "/v1/moderations": {
        "text": {
            "summary": "A text",
            "value": {"model": "omni-moderation-latest", "input": "How do I sharpen a knife?"},
        },
        "several": {
            "summary": "Several texts, a result for each",
            "value": {"input": ["What is the capital of France?", "Write a poem."]},
        },
        "parts": {
            "summary": "One input in parts",
            "value": {"input": [{"type": "text", "text": "How do I sharpen a knife?"}]},
        },
    },
    "/beta/litellm_basic_guardrail_api": {
        "request": {
            "summary": "A request on its way to a model",
            "value": {"input_type": "request", "texts": ["How do I sharpen a knife?"]},
        },
        "response": {
            "summary": "The answer on its way back",
            "value": {
                "input_type": "response",
                "texts": ["Draw it over a wet stone at a steady angle."],
                "structured_messages": [{"role": "user", "content": "How do I sharpen a knife?"}],
            },
        },
    },
    "/predict": {
        "text": {"summary": "A prompt", "value": {"inputs": "How do I sharpen a knife?"}},
        "pair": {
            "summary": "A prompt and its response",
            "value": {"inputs": ["How do I sharpen a knife?", "Draw it over a wet stone."]},
        },
        "batch": {
            "summary": "Several of both",
            "value": {"inputs": [["Write a poem."], ["Hello!", "Hello, how can I help?"]]},
        },
    },
    "/v1alpha1/comments:analyze": {
        "comment": {
            "summary": "A comment",
            "value": {
                "comment": {"text": "What a helpful answer, thank you."},
                "requestedAttributes": {"TOXICITY": {}},
                "languages": ["en"],
                "doNotStore": True,
            },
        }
    },
}
