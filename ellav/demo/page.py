"""The page itself: which fields there are, and which of the desk's functions each button calls; nothing is decided."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from html import escape
from importlib.resources import files

import gradio as gr

from ellav.demo.asked import AGREED, OWN, Asked, language_choices, voice_choices
from ellav.demo.desk import Desk, Shown, line
from ellav.infer.asked import FASTEST, SLOWEST

HELLO = "The old sailor bought three green boats."

BEFORE = line("Speak shows here what was said, with its words and phones.")

WAITING = 16
"""Requests that wait for the models; any more are told so."""

KEPT = (600, 3600)
"""Every so many seconds recordings are removed that were sent so many seconds ago."""

BUSY = {"concurrency_id": "models", "concurrency_limit": 1, "show_progress": "minimal"}
"""Of all that uses the models: one at a time, so that gradio tells the others how many wait before them."""

STYLE = {
    "css": (files(__package__) / "page.css").read_text(encoding="utf-8"),
    "head": f"<script>{(files(__package__) / 'page.js').read_text(encoding='utf-8')}</script>",
    "theme": gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]),
    "footer_links": [],
    "run_history": False,
}
"""How the page looks, for gradio; with fonts that are there, not ones that would be fetched."""


def make_page(desk: Desk, notice: str) -> gr.Blocks:
    """The page of a desk. notice: on consent, shown above everything."""
    with gr.Blocks(title="ellav", analytics_enabled=False, fill_width=True, delete_cache=KEPT) as page:
        gr.HTML(f"<h1>ellav</h1><p>{escape(notice)}</p>", elem_classes="ellav-about")
        with gr.Row(equal_height=False):
            with gr.Column(scale=1, min_width=320):
                asked = _fields(desk)
                with gr.Row():
                    speak = gr.Button("Speak", variant="primary", elem_id="speak")
                    stream = gr.Button("Stream", elem_id="stream")
            with gr.Column(scale=2, min_width=320), gr.Row(equal_height=False):
                parts = [_part(desk, number) for number in range(len(desk.voices))]
        outputs = [field for part in parts for field in part]
        speak.click(_spoken(desk.speak), asked, outputs, api_name="speak", **BUSY)
        stream.click(_spoken(desk.stream), asked, outputs, api_name="stream", **BUSY)
    page.queue(max_size=WAITING)
    return page


def _fields(desk: Desk) -> list:
    """What is filled in, in the order of `Asked`."""
    choices, languages = voice_choices(desk.voices), language_choices(desk.voices)
    text = gr.Textbox(HELLO, label="Text", lines=3, max_lines=12, max_length=desk.limits.text, elem_id="text")
    language = _language(languages, "Language", "language")
    voice = gr.Dropdown(choices, value=choices[0], label="Voice", elem_id="voice")
    with gr.Group(visible=choices[0] == OWN) as own:
        recording = gr.Audio(
            sources=["microphone", "upload"],
            type="filepath",
            buttons=[],
            label="About 3 s of one person",
            elem_id="recording",
        )
        transcript = gr.Textbox(
            label="What it says", info="Recognised by itself; correct it.", lines=2, elem_id="transcript"
        )
        remark = gr.HTML(elem_id="transcribed", padding=True)
        prompt_language = _language(languages, "In which language", "prompt-language")
        agreed = gr.Checkbox(label=AGREED, elem_id="agreed")
    with gr.Row():
        rate = gr.Slider(SLOWEST, FASTEST, 1.0, step=0.05, label="Rate", elem_id="rate")
        seed = gr.Number(0, label="Seed", step=1, elem_id="seed")
    voice.change(
        lambda chosen: gr.update(visible=chosen == OWN), voice, own, queue=False, show_progress="hidden",
        api_visibility="private",
    )  # fmt: skip
    heard = [recording.upload, recording.stop_recording]
    gr.on(heard, desk.transcribe, recording, [transcript, remark], api_name="transcribe", **BUSY)
    return [text, voice, recording, transcript, agreed, rate, seed, language, prompt_language]


def _language(choices: list[str], label: str, name: str) -> gr.Dropdown:
    """One of the languages that are spoken, out of sight where there is no choice."""
    first = choices[0] if choices else None
    return gr.Dropdown(choices, value=first, label=label, visible=bool(choices), elem_id=name)


def _part(desk: Desk, number: int) -> list:
    """What shows one model's speech, in the order of `Shown`; and how a word of it is changed."""
    with gr.Column(min_width=320, elem_classes="ellav-part", elem_id=f"part-{number}"):
        if len(desk.voices) > 1:
            gr.HTML(f"<h2>{escape(desk.names[number])}</h2>")
        key = gr.State("")
        said = gr.HTML(BEFORE, elem_classes="ellav-line")
        speech = gr.HTML(elem_classes="ellav-speech")
        with gr.Column(visible=desk.can_edit(number)):
            words = gr.Radio([], label="Choose a word to change, here or in the picture", elem_classes="ellav-words")
            with gr.Row(elem_classes="ellav-change"):
                again = gr.Button("Say it anew", scale=0, min_width=150, elem_classes="ellav-again")
                with gr.Row(elem_classes="ellav-change"):
                    instead = gr.Textbox(label="Say instead", max_lines=1, min_width=120, elem_classes="ellav-instead")
                    replace = gr.Button("Replace", scale=0, min_width=100, elem_classes="ellav-replace")
                with gr.Row(elem_classes="ellav-change"):
                    rate = gr.Slider(
                        SLOWEST, FASTEST, 0.7, step=0.05, label="Rate", min_width=170, elem_classes="ellav-rate"
                    )
                    stretch = gr.Button("Stretch", scale=0, min_width=100, elem_classes="ellav-stretch")
    shown = [key, said, speech, words]
    edit = partial(desk.edit, number)
    for name, events, more, change in (
        ("again", [again.click], [], lambda key, word: edit(key, word, again=True)),
        ("replace", [replace.click, instead.submit], [instead], lambda key, word, text: edit(key, word, text=text)),
        ("stretch", [stretch.click], [rate], lambda key, word, rate: edit(key, word, rate=rate)),
    ):
        gr.on(events, _edited(change), [key, words, *more], shown, api_name=f"{name}_{number}", **BUSY)
    return shown


def _spoken(work: Callable[[Asked], Iterator[list[Shown]]]) -> Callable:
    """A handler of gradio's: fields to what all models' parts show, as often as that changes."""

    def handler(*fields):
        for shown in work(Asked(*fields)):
            yield [update for one in shown for update in _updates(one)]

    return handler


def _edited(change: Callable[..., Shown]) -> Callable:
    """A handler of gradio's for one model's part."""
    return lambda *fields: _updates(change(*fields))


def _updates(shown: Shown) -> list:
    """For gradio: what one model's part shows."""
    words = gr.skip() if shown.words is None else gr.update(choices=_numbered(shown.words), value=None)
    return [*(gr.skip() if one is None else one for one in shown[:3]), words]


def _numbered(words: list[str]) -> list[tuple[str, int]]:
    return [(word, number) for number, word in enumerate(words)]
