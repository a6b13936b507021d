"""Working bodies for the OpenAPI document, by path, then by name."""

from __future__ import annotations

from typing import Any, Final

EXAMPLES: Final[dict[str, dict[str, dict[str, Any]]]] = {
    "/classify": {
        "prompt": {
            "summary": "A prompt",
            "value": {"prompt": "How do I bake bread?"},
        },
        "pair": {
            "summary": "A response, given its prompt",
            "value": {
                "prompt": "How do I bake bread?",
                "response": "Knead flour, water, salt and yeast, and let the dough rise.",
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
            "value": {"model": "omni-moderation-latest", "input": "How do I bake bread?"},
        },
        "several": {
            "summary": "Several texts, a result for each",
            "value": {"input": ["What is the capital of France?", "Write a poem."]},
        },
        "parts": {
            "summary": "One input in parts",
            "value": {"input": [{"type": "text", "text": "How do I bake bread?"}]},
        },
    },
    "/beta/litellm_basic_guardrail_api": {
        "request": {
            "summary": "A request on its way to a model",
            "value": {"input_type": "request", "texts": ["How do I bake bread?"]},
        },
        "response": {
            "summary": "The answer on its way back",
            "value": {
                "input_type": "response",
                "texts": ["Knead the dough and let it rise."],
                "structured_messages": [{"role": "user", "content": "How do I bake bread?"}],
            },
        },
    },
    "/predict": {
        "text": {"summary": "A prompt", "value": {"inputs": "How do I bake bread?"}},
        "pair": {
            "summary": "A prompt and its response",
            "value": {"inputs": ["How do I bake bread?", "Knead the dough and let it rise."]},
        },
        "batch": {
            "summary": "Several of both",
            "value": {"inputs": [["Write a poem."], ["Hello!", "Hello, how can I help?"]]},
        },
    },
    "/": {"text": {"summary": "A prompt", "value": {"inputs": "How do I bake bread?"}}},
    "/request": {
        "messages": {
            "summary": "A chat on its way to a model",
            "value": {"body": {"messages": [{"role": "user", "content": "How do I bake bread?"}]}},
        },
    },
    "/response": {
        "choices": {
            "summary": "The answer on its way back",
            "value": {
                "body": {
                    "choices": [
                        {
                            "message": {
                                "role": "assistant",
                                "content": "Knead the dough and let it rise.",
                            }
                        }
                    ]
                }
            },
        },
    },
    "/contentsafety/text:analyze": {
        "text": {"summary": "A text", "value": {"text": "What a helpful answer, thank you."}},
        "levels": {
            "summary": "Two categories, at all eight severities",
            "value": {
                "text": "What a helpful answer, thank you.",
                "categories": ["Sexual", "Violence"],
                "outputType": "EightSeverityLevels",
            },
        },
    },
    "/api/v1/text/contents": {
        "contents": {
            "summary": "Texts",
            "value": {"contents": ["How do I bake bread?"], "detector_params": {}},
        },
    },
    "/api/v1/text/generation": {
        "pair": {
            "summary": "A prompt and the answer to it",
            "value": {
                "prompt": "How do I bake bread?",
                "generated_text": "Knead the dough and let it rise.",
            },
        },
    },
    "/api/v1/text/chat": {
        "chat": {
            "summary": "A chat",
            "value": {
                "messages": [{"role": "user", "content": "How do I bake bread?"}],
                "detector_params": {},
            },
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
