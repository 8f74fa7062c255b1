"""The page itself: what the experiment is, its results, curves and speech."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path

from ellav.config import read_yaml
from ellav.data.outputs import need, read_record
from ellav.plugins.codecs import Codec
from ellav.score.page.curves import charts, read_log
from ellav.score.page.pictures import data_url, mp3, plot
from ellav.score.page.speech import Example, Places, Speech, TestSet
from ellav.score.tables import CONTROLS, LABELS, PROMISE, controls, set_tables, training_table

HERE = Path(__file__).parent
CONTROL_LABELS = {LABELS[row] for row in CONTROLS}
MODELS = {"ar": "6 (train AR)", "nar": "7 (train NAR)"}


def build(
    places: Places,
    results: dict,
    beside: list[dict],
    codec: Codec,
    described: dict,
    count: int,
    limit: int,
    about: str,
    key: str,
) -> tuple[str, int]:
    """The page's text, and how many utterances of each test set are in it.

    results, beside: what stage 9 wrote for the experiment and for those beside it.
    described: the codec's codec.yaml. count: utterances of each set; fewer are taken where
    the page would exceed `limit` bytes. about: what the corpus is, if anything is to be
    said. key: of all that the page is made from. Raises UserError that names the stage to
    run where something is missing.
    """
    exp = places.exps[0]
    head = _head(results["tag"], key) + _header(exp, results, described, about)
    tables = _results(results, beside)
    training = _training(places.exps, [results, *beside])
    sets = [TestSet(name, places, codec) for name in results["sets"]]
    chosen = {test.name: test.choose(count) for test in sets}
    articles: dict[str, list[str]] = {test.name: [] for test in sets}
    script = (HERE / "page.js").read_text(encoding="utf-8")
    footer = f"<footer>Made by <code>ellav report</code> from <code>{escape(str(exp))}</code>.</footer>"

    def assembled() -> str:
        listen = _listen(sets, articles, chosen, limit)
        return f"{head}<main>{tables}{training}{listen}</main>{footer}<script>{script}</script></body></html>\n"

    used = len(assembled().encode())
    shown = 0
    for i in range(max(map(len, chosen.values()), default=0)):
        made = {t.name: _article(t.example(chosen[t.name][i]), codec, exp) for t in sets if i < len(chosen[t.name])}
        used += sum(len(article.encode()) for article in made.values())
        if used > limit:
            break
        for name, article in made.items():
            articles[name].append(article)
        shown = i + 1
    return assembled(), shown


def key_in(path: Path) -> str:
    """The key that a page was made with; empty where there is no page."""
    try:
        with open(path, encoding="utf-8") as stream:
            beginning = stream.read(1000)
    except (FileNotFoundError, UnicodeDecodeError):
        return ""
    return beginning.partition('name="made-from" content="')[2].partition('"')[0]


def _head(tag: str, key: str) -> str:
    css = (HERE / "page.css").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="made-from" content="{key}"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{escape(tag)}: ellav</title><style>{css}</style></head><body>'
    )


def _header(exp: Path, results: dict, described: dict, about: str) -> str:
    where = results["environment"]
    ordering = read_yaml(need(exp / "ar" / "config.yaml", MODELS["ar"]))["ordering"]
    facts = {
        "Ordering": _plugin(ordering["name"], ordering.get("conf")),
        "Codec": _plugin(described["name"], described.get("conf"))
        + f": {described['codebooks']} codebooks of {described['size']}, "
        f"{described['frame_rate']:g} frames per second, {described['sample_rate']} Hz",
        "Decoder": _decoder(exp, results),
        "Scored": f"{where['date']}, commit {where['git']}",
        "Machine": f"{where['cpu']}; {where['system']}",
        "Versions": ", ".join(f"{name} {version}" for name, version in where["versions"].items()),
    }
    rows = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in facts.items() if value)
    rows += f"<dt>Command</dt><dd><code>{escape(results['command'])}</code></dd>"
    said = f'<p class="note"><strong>The speech:</strong> {escape(about)}</p>' if about else ""
    links = (("results", "Results"), ("training", "Training"), ("listen", "Listen"))
    nav = "".join(f'<li><a href="#{target}">{name}</a></li>' for target, name in links)
    return (
        f'<header><p class="over">Experiment</p><h1>{escape(results["tag"])}</h1>'
        f'{said}<dl class="facts">{rows}</dl><nav aria-label="Sections"><ul>{nav}</ul></nav></header>'
    )


def _decoder(exp: Path, results: dict) -> str:
    """The decoder and its options, as the first test set was decoded."""
    options = next((read_record(exp / "decode" / name).get("options", {}) for name in results["sets"]), {})
    if "decoder" not in options:
        return ""
    weights = f"{options['which']} weights" if "which" in options else ""
    parts = [_plugin(options["decoder"], options.get("decoder_conf")), options.get("mode", ""), weights]
    return ", ".join(part for part in parts if part)


def _plugin(name: str, conf: dict | None) -> str:
    chosen = ", ".join(f"{key}={value}" for key, value in (conf or {}).items())
    return f"{name} ({chosen})" if chosen else name


def _results(results: dict, beside: list[dict]) -> str:
    parts = ['<section aria-labelledby="results"><h2 id="results">Results</h2>', f"<p>{escape(PROMISE)}</p>"]
    for table in set_tables(results, beside):
        parts.append(f"<h3>{escape(table.name)} <small>{table.utterances} utterances</small></h3>")
        if table.note:
            parts.append(f"<p>{escape(table.note.replace('`', ''))}</p>")
        parts.append(_table(table.header, table.rows, f"Results on {table.name}", results["tag"]))
    meanings = "".join(f"<li><code>{escape(n)}</code> {escape(text)}</li>" for n, text in results["metrics"].items())
    meanings += "".join(f"<li>{escape(label)}: {escape(text)}</li>" for label, text in controls(results))
    return "".join([*parts, f'<ul class="meanings">{meanings}</ul></section>'])


def _table(header: list[str], rows: list[list[str]], name: str, own: str = "") -> str:
    """An HTML table that scrolls sideways. own: the row to set off; intervals are set small."""
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in header)
    body = []
    for label, *cells in rows:
        plain = label.strip("*")
        kind = "own" if plain in (own, "synthesized") else "control" if plain in CONTROL_LABELS else ""
        filled = "".join(f"<td>{_cell(cell)}</td>" for cell in cells)
        body.append(f'<tr class="{kind}"><th scope="row">{escape(plain)}</th>{filled}</tr>')
    return (
        f'<div class="scroll" tabindex="0" role="group" aria-label="{escape(name)}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def _cell(text: str) -> str:
    value, bracket, interval = text.partition(" (")
    return escape(value) + (f" <small>{escape(interval.rstrip(')'))}</small>" if bracket else "")


def _training(exps: Iterable[Path], all_results: list[dict]) -> str:
    parts = ['<section aria-labelledby="training"><h2 id="training">Training</h2>']
    for exp, results in zip(exps, all_results, strict=True):
        own = results is all_results[0]
        drawn = []
        for model, stage in MODELS.items():
            path = exp / model / "losses.tsv"
            if own:
                need(path, stage)
            if path.exists():
                shown = charts(read_log(path), f"{results['tag']} {model.upper()}")
                said = _length(results["summaries"].get(model, {}))
                drawn.append(f"<h3>{model.upper()} <small>{escape(said)}</small></h3>{shown}")
        content = "".join(drawn)
        if content and not own:
            content = f"<details><summary>Training of {escape(results['tag'])}</summary>{content}</details>"
        parts.append(content)
    header, rows = training_table(all_results)
    if rows:
        table = _table(header, rows, "Speed and training")
        parts.append(f"<details><summary>All figures of training and decoding</summary>{table}</details>")
    return "".join([*parts, "</section>"])


def _length(summary: dict) -> str:
    """`2,400 steps in 11.0 minutes, 3.2 M parameters`, as far as it is known."""
    if not {"steps", "seconds", "parameters"} <= summary.keys():
        return ""
    minutes = summary["seconds"] / 60
    return f"{summary['steps']:,} steps in {minutes:.1f} minutes, {summary['parameters'] / 1e6:.1f} M parameters"


def _listen(sets: list[TestSet], articles: dict[str, list[str]], chosen: dict[str, list[str]], limit: int) -> str:
    parts = [
        '<section aria-labelledby="listen"><h2 id="listen">Listen</h2>',
        "<p>Utterances are taken evenly over each test set's list, not picked by ear. Below each spectrogram stand the "
        "phones: of recorded speech as aligned, of synthesized speech as the model itself timed them, where its "
        "ordering says when phones end. A click in a spectrogram plays from there.</p>",
    ]
    for test in sets:
        shown, wanted = len(articles[test.name]), len(chosen[test.name])
        parts.append(f"<h3>{escape(test.name)} <small>{shown} of {len(test.spoken[0])} utterances</small></h3>")
        if shown < wanted:
            parts.append(
                f'<p class="note">{wanted} were asked for; the others are left out to keep the page below '
                f"{limit / 1e6:g} MB.</p>"
            )
        parts += articles[test.name]
    return "".join([*parts, "</section>"])


def _article(example: Example, codec: Codec, exp: Path) -> str:
    who = [f"<span>{escape(example.id)}</span>"]
    if example.speaker and not example.id.startswith(example.speaker):
        who.append(f"<span>speaker {escape(example.speaker)}</span>")
    if example.prompt is not None:
        player = _player(example.prompt, codec, example.id)
        who.append(f'<span class="prompt">{escape(example.prompt.label)} {player}</span>')
    if example.begun is not None:
        who.append(f"<span>continues the first {example.begun:.1f} s of the recording</span>")
    rows = "".join(_speech(speech, example, codec, speech.label == exp.name) for speech in example.speeches)
    return (
        f'<article class="utterance"><h4>{escape(example.text)}</h4>'
        f'<div class="who quiet">{"".join(who)}</div>{rows}</article>'
    )


def _speech(speech: Speech, example: Example, codec: Codec, own: bool) -> str:
    said = " · ".join(f"{name}\u00a0{value}" for name, value in speech.figures.items())
    lines = [said, *(f"{name}: {value}" for name, value in speech.remarks.items())]
    notes = "".join(f'<p class="said">{escape(line)}</p>' for line in lines if line)
    if len(speech.wav):
        picture = plot(speech.wav, codec.sample_rate, speech.phones, f"{speech.label}, {example.id}")
    else:
        picture = '<p class="quiet">Decoding said nothing.</p>'
    kind = "speech own" if own else "speech"
    return (
        f'<figure class="{kind}"><figcaption><p class="label">{escape(speech.label)}</p>'
        f"{_player(speech, codec, example.id)}{notes}</figcaption>{picture}</figure>"
    )


def _player(speech: Speech, codec: Codec, utterance: str) -> str:
    if not len(speech.wav):
        return ""
    source = data_url("audio/mpeg", mp3(speech.wav, codec.sample_rate))
    name = escape(f"{speech.label}, {utterance}")
    return f'<audio controls preload="metadata" aria-label="{name}" src="{source}"></audio>'
