"""The prompts of `ellav synth`, looked at before anything heavy is loaded."""

from __future__ import annotations

import os
from pathlib import Path

from ellav.errors import UserError
from ellav.infer.bundle import Bundle, prompt_seconds
from ellav.infer.transcripts import check_place, transcript_beside


def list_prompts(bundle: Bundle) -> None:
    """Print name, seconds and words of each built-in prompt, the default first."""
    if not bundle.prompts:
        raise UserError(f"{bundle.folder}: this model has no prompts of its own")
    for number, prompt in enumerate(bundle.prompts.values()):
        language = f"  {prompt.language}" if prompt.language else ""
        default = "" if number else "  (default)"
        print(f"{prompt.name}{language}  {prompt_seconds(prompt):.1f} s  {prompt.text}{default}")


def check_prompt(bundle: Bundle, prompt: str | None, text: str | None, where: str = "--prompt") -> None:
    """Refuse a prompt that cannot be used. text: what --prompt-text says. where: what the message calls the prompt."""
    if prompt is None and text is not None:
        raise UserError("--prompt-text without --prompt: name the recording that says it")
    if text is not None and not text.strip():
        raise UserError("--prompt-text is empty; give the words that the recording says")
    if prompt is None or (text is None and prompt in bundle.prompts):
        bundle.prompt(prompt)
        return
    check_place(prompt, where)
    if not os.path.exists(prompt):
        if prompt in bundle.prompts:
            raise UserError(f"{where} {prompt}: a built-in prompt knows its words; leave out --prompt-text")
        built_in = f", and none of the built-in prompts ({', '.join(bundle.prompts)})" if bundle.prompts else ""
        raise UserError(f"{where} {prompt}: no such file{built_in}")
    try:
        missing = text is None and transcript_beside(prompt) is None
    except UserError as error:
        raise UserError(f"{where} {prompt}: its transcript {error}") from None
    if missing:
        needs = f"needs its transcript; write its words into {Path(prompt).with_suffix('.txt')}"
        others = ", or give them with --prompt-text, or `auto`" if where == "--prompt" else ""
        raise UserError(f"{where} {prompt}: {needs}{others}")
