"""One front end for each language of a corpus: `--text "en: g2p_en, es: espeak"`."""

from __future__ import annotations

from ellav.config import paths, read_mapping, schema
from ellav.errors import UserError, did_you_mean
from ellav.plugins.text import Phones, TextFrontEnd, text

NAME = "by_language"


@text.register(NAME)
class ByLanguage:
    """The front end of each utterance's language, which `utt2lang` in the data folder names.

    languages: language -> `text`, the front end's name, and `text_conf`, its options; written as
    `--text "en: g2p_en, es: espeak" --text-conf es.stress=false`. A front end that has an option `language` gets the
    language's name where nothing else is said. A text of no known language is read as one of the first. The phones of
    the models are the union of all; phones that two languages share are one phone.
    """

    version = "1"

    def __init__(self, languages: dict):
        if not languages:
            raise UserError('text by_language: no languages; write --text "en: g2p_en, es: espeak"')
        self.front_ends: dict[str, TextFrontEnd] = {}
        for language, part in languages.items():
            self.front_ends[str(language)] = _made(str(language), part)
        self.phone_set = "+".join(dict.fromkeys(one.phone_set for one in self.front_ends.values()))

    @property
    def languages(self) -> tuple[str, ...]:
        """Those that have a front end, the first first."""
        return tuple(self.front_ends)

    def __call__(self, text: str) -> Phones:
        """Phones of a text in the first language. Raises UserError as its front end does."""
        return self.in_language(text, self.languages[0])

    def in_language(self, text: str, language: str) -> Phones:
        """Phones of a text in `language`. Raises UserError where no front end is named for it."""
        if language not in self.front_ends:
            raise UserError(
                f"language {language!r} has no front end{did_you_mean(language, self.languages)}; there are"
                f" {', '.join(self.languages)}"
            )
        return self.front_ends[language](text)

    def fallbacks(self, phone: str) -> list[str]:
        """Those of each language's front end, each once."""
        found = [
            other
            for front_end in self.front_ends.values()
            if hasattr(front_end, "fallbacks")
            for other in front_end.fallbacks(phone)
        ]
        return [other for other in dict.fromkeys(found) if other != phone]


def choice_of(given: str, conf: dict) -> tuple[str, dict]:
    """Name and options of the front end that `--text` and `--text-conf` mean, where the former is a map.

    Raises UserError where the map is none, or an option is of none of its languages.
    """
    named = read_mapping(given if given.lstrip().startswith("{") else "{" + given + "}", f"--text {given!r}:")
    odd = next((name for name in named.values() if not isinstance(name, str)), None)
    if odd is not None or not named:
        raise UserError(f'--text {given!r}: write language: front end, as in --text "en: g2p_en, es: espeak"')
    languages = {language: {"text": name, "text_conf": {}} for language, name in named.items()}
    places = {language.replace("-", "_"): language for language in languages}
    for key, value in conf.items():
        place, dot, option = key.partition(".")
        if not dot or place not in places:
            raise UserError(f"--text-conf {key}: write LANGUAGE.KEY=VALUE with one of {', '.join(languages)}")
        languages[places[place]]["text_conf"][option] = value
    return NAME, {"languages": languages}


def _made(language: str, part: dict) -> TextFrontEnd:
    if not isinstance(part, dict) or not isinstance(part.get("text"), str) or part["text"] == NAME:
        raise UserError(f"text by_language: language {language!r} has no front end's name as its `text`")
    name, conf = part["text"], dict(part.get("text_conf") or {})
    cls = text.get(name)
    if files := paths(cls):
        raise UserError(f"text by_language: {name} cannot be the one of {language!r}: it has a file ({files[0]})")
    if "language" in schema(cls):
        conf.setdefault("language", language)
    try:
        return text.create(name, conf)
    except UserError as error:
        raise UserError(f"language {language!r}: {error} (--text-conf {language}.KEY=VALUE)") from None
