"""The pages of the two command lines."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterator
from typing import Final

from scripts.reference import sources
from scripts.reference.markdown import NOTE, page, paragraphs, sentence, table

# A command with more settings than this accepts nearly all of them.
_FEW_FLAGS: Final = 20


def server_page() -> str:
    return page(
        [
            "# Command line",
            NOTE,
            "A command of `postern` ends with exit code 0 when it has done its work, with 2 after "
            "an error, which is one line on standard error, and with 130 when it was interrupted.",
            *_commands(sources.server_parser(), "postern"),
        ]
    )


def training_page() -> str:
    return page(
        [
            "# Training command line",
            NOTE,
            "`python -m model_training` runs one stage of a [recipe](recipe.md), or all stages "
            "with `run`. It works in a clone, in the environment that `make train` and `make test` "
            "set up. [Train your own student](../guides/training.md) says how to use it.",
            *_commands(sources.stage_parser(), "python -m model_training"),
        ]
    )


def _commands(parser: argparse.ArgumentParser, program: str) -> Iterator[str]:
    """A section for each command; commands with the same arguments share one."""
    (chosen,) = [one for one in parser._actions if isinstance(one, argparse._SubParsersAction)]
    said = {one.dest: one.help or "" for one in chosen._choices_actions}
    alike: dict[str, list[str]] = {}
    for name, command in chosen.choices.items():
        alike.setdefault(_arguments(command), []).append(name)
    for arguments, names in alike.items():
        command = chosen.choices[names[0]]
        if len(names) == 1:
            yield f"## {program.split()[-1]} {names[0]}"
            yield paragraphs(command.description or sentence(said[names[0]]))
            yield f"```text\n{_usage(command, f'{program} {names[0]}')}\n```"
        else:
            yield f"## {program.split()[-1]} STAGE"
            yield f"```text\n{_usage(command, f'{program} STAGE')}\n```"
            yield "`STAGE` is one of these:"
            yield table(("stage", "what"), [(f"`{name}`", sentence(said[name])) for name in names])
        yield arguments


def _arguments(command: argparse.ArgumentParser) -> str:
    """The table of a command's arguments, and the settings among them."""
    parts = []
    own = [one for one in command._actions if not _is_setting(one) and one.dest != "help"]
    if own:
        rows = [(_names(one), _help(command, one)) for one in own]
        parts.append(table(("argument", "meaning"), rows))
    flags = [one for one in command._actions if _is_setting(one)]
    if len(flags) > _FEW_FLAGS:
        parts.append("Every [setting](settings.md) is a flag, except those that hold keys.")
    elif flags:
        listed = ", ".join(f"`{one.option_strings[0]}`" for one in flags)
        parts.append(f"[Settings](settings.md) that are flags of this command: {listed}.")
    return "\n\n".join(parts)


def _is_setting(action: argparse.Action) -> bool:
    return action.dest.startswith(sources.SETTING_FLAG)


def _usage(command: argparse.ArgumentParser, program: str) -> str:
    parts = [program]
    for one in command._actions:
        if one.dest == "help" or _is_setting(one):
            continue
        shown = (
            f"{one.option_strings[0]} {_metavar(one)}".strip()
            if one.option_strings
            else (_metavar(one))
        )
        optional = not one.required if one.option_strings else one.nargs == "?"
        parts.append(f"[{shown}]" if optional else shown)
    if any(_is_setting(one) for one in command._actions):
        parts.append("[SETTING …]")
    return textwrap.fill(
        " ".join(part.replace(" ", "\0") for part in parts),
        width=92,
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    ).replace("\0", " ")


def _metavar(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    if action.choices is not None:
        shown = "{" + ",".join(map(str, action.choices)) + "}"
    elif isinstance(action.metavar, str):
        shown = action.metavar
    else:
        shown = action.dest.upper() if action.option_strings else action.dest
    return f"{shown} …" if action.nargs in ("+", "*") else shown


def _names(action: argparse.Action) -> str:
    names = action.option_strings or [_metavar(action)]
    return ", ".join(f"`{name}`" for name in names) + (
        f" `{_metavar(action)}`" if action.option_strings and _metavar(action) else ""
    )


def _help(command: argparse.ArgumentParser, action: argparse.Action) -> str:
    text = (action.help or "") % {
        "default": action.default,
        "prog": command.prog,
        "dest": action.dest,
    }
    needed = bool(action.option_strings) and action.required
    return sentence(" ".join(text.split())) + (" Required." if needed else "")
