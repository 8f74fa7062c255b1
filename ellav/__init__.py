"""ellav: zero-shot text-to-speech with neural codec language models."""

from ellav.version import __version__

__all__ = ["Request", "Synthesizer", "__version__"]


def __getattr__(name: str):
    if name == "Synthesizer":
        from ellav.infer.synthesizer import Synthesizer

        return Synthesizer
    if name == "Request":
        from ellav.infer.asked import Request

        return Request
    raise AttributeError(f"module 'ellav' has no attribute {name!r}")
