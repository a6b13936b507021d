"""Asks the model of config/, behind Postern, each argument in turn: python chat.py "Hello!" """

import os
import sys
from pathlib import Path

from nemoguardrails import LLMRails, RailsConfig

config = RailsConfig.from_path(str(Path(__file__).parent / "config"))
if "UPSTREAM_URL" in os.environ:
    config.models[0].parameters["base_url"] = os.environ["UPSTREAM_URL"]
rails = LLMRails(config)
for prompt in sys.argv[1:]:
    print(rails.generate(messages=[{"role": "user", "content": prompt}])["content"])
