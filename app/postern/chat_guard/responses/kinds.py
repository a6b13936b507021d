"""Every type of event that a Responses stream is known to have; a test reads OpenAI's package.

An event of another type passes in its place, and is judged and counted.
"""

from __future__ import annotations

from typing import Final

_WHOLE: Final = "created queued in_progress completed incomplete failed"
# By the type of an event between `response.` and its last part: which last parts there are.
_STAGES: Final = {
    "output_item": "added done",
    "content_part": "added done",
    "output_text": "delta done",
    "output_text.annotation": "added",
    "refusal": "delta done",
    "reasoning_text": "delta done",
    "reasoning_summary_part": "added done",
    "reasoning_summary_text": "delta done",
    "function_call_arguments": "delta done",
    "custom_tool_call_input": "delta done",
    "mcp_call": "in_progress completed failed",
    "mcp_call_arguments": "delta done",
    "mcp_list_tools": "in_progress completed failed",
    "web_search_call": "in_progress searching completed",
    "file_search_call": "in_progress searching completed",
    "code_interpreter_call": "in_progress interpreting completed",
    "code_interpreter_call_code": "delta done",
    "image_generation_call": "in_progress generating partial_image completed",
    "shell_call_command": "added delta done",
    "shell_call_output_content": "delta done",
    "compaction": "compacting",
    "audio": "delta done",
    "audio.transcript": "delta done",
}
EVENTS: Final = frozenset(
    {
        "error",
        *(f"response.{stage}" for stage in _WHOLE.split()),
        *(f"response.{stem}.{stage}" for stem, all_ in _STAGES.items() for stage in all_.split()),
    }
)
