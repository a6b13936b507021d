"""NeMo Guardrails' action that asks Postern. POSTERN_URL and POSTERN_KEY say where and who asks."""

import os

import httpx
from nemoguardrails.actions import action


@action(name="postern_finds_harmless")
async def postern_finds_harmless(prompt: str, response: str | None = None) -> bool:
    """True only where Postern says so; False as well where it gives no verdict."""
    key = os.environ.get("POSTERN_KEY")
    try:
        async with httpx.AsyncClient(timeout=10.0) as client:
            reply = await client.post(
                os.environ.get("POSTERN_URL", "http://127.0.0.1:8000") + "/classify",
                json={"prompt": prompt, "response": response},
                headers={"Authorization": f"Bearer {key}"} if key else {},
            )
        reply.raise_for_status()
        return reply.json()["harmful"] is False
    except (httpx.HTTPError, ValueError, KeyError):
        return False
