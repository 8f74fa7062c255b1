"""Speaker similarity by the embeddings of resemblyzer, whose weights come with its package."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from functools import cached_property
from typing import ClassVar

import numpy as np

from ellav.plugins.scorers import Scored, scorers

_RATE = 16000


@scorers.register("similarity")
class Similarity:
    """How much the voice is the prompt's, and whether it is nearest to its own speaker.

    least: recordings that a speaker must have to be enrolled. A scored utterance's own recording is
    never part of its speaker's centroid, and what a continuation was given is not compared.
    """

    metrics: ClassVar[dict[str, str]] = {
        "similarity": "cosine between the embeddings of the speech and of its prompt",
        "own_first": "share whose own speaker ranks first among all enrolled, %",
    }
    reads_text = False

    def __init__(self, least: int = 5):
        self.least = least
        self.enrolled: dict[str, np.ndarray] = {}

    def enroll(self, recordings: Iterable[Scored]) -> dict[str, np.ndarray]:
        """ids (n,), speakers (n,) and embeddings (n, 256) of the recordings."""
        ids, speakers, embeddings = [], [], []
        for recording in recordings:
            ids.append(recording.id)
            speakers.append(recording.speaker)
            embeddings.append(self.embed(recording.wav, recording.sample_rate))
        stacked = np.stack(embeddings) if embeddings else np.zeros((0, 256), np.float32)
        return {"ids": np.array(ids, dtype=str), "speakers": np.array(speakers, dtype=str), "embeddings": stacked}

    def score(self, utterance: Scored) -> dict[str, tuple[float, float] | str]:
        """`similarity` where there is a prompt, `own_first` where the speaker is enrolled."""
        voice = self.embed(utterance.wav[utterance.given :], utterance.sample_rate)
        result: dict[str, tuple[float, float] | str] = {}
        if utterance.prompt is not None:
            result["similarity"] = (float(voice @ self.embed(utterance.prompt, utterance.sample_rate)), 1.0)
        names, centroids = self._centroids(without=utterance.id)
        if utterance.speaker in names and len(names) > 1:
            cosines = centroids @ voice
            own = cosines[names.index(utterance.speaker)]
            ranked_first = np.count_nonzero(cosines >= own) == 1  # a tie is no recognition
            result["own_first"] = (100.0 * ranked_first, 1.0)
            result["nearest"] = names[int(cosines.argmax())]
        return result

    def embed(self, wav: np.ndarray, sample_rate: int) -> np.ndarray:
        """(256,) float32 of length 1, or zeros for silence."""
        if not np.any(np.abs(wav) > 1e-4):
            return np.zeros(256, np.float32)
        if sample_rate != _RATE:
            import soxr

            wav = soxr.resample(wav, sample_rate, _RATE)
        encoder, audio = self._encoder
        wav = audio.normalize_volume(wav, audio.audio_norm_target_dBFS, increase_only=True)
        voiced = audio.trim_long_silences(np.clip(wav, -1, 1))
        # Where nothing passes for a voice, the noise itself is what there is to compare.
        return encoder.embed_utterance(voiced if len(voiced) > _RATE // 10 else wav)

    def _centroids(self, without: str) -> tuple[list[str], np.ndarray]:
        """Names and (speakers, 256) unit centroids of those with at least `least` recordings."""
        if not self.enrolled:
            return [], np.zeros((0, 256), np.float32)
        others = self.enrolled["ids"] != without
        names, centroids = [], []
        for speaker in np.unique(self.enrolled["speakers"]):
            rows = self.enrolled["embeddings"][others & (self.enrolled["speakers"] == speaker)]
            if len(rows) >= self.least:
                centroid = rows.mean(axis=0)
                names.append(str(speaker))
                centroids.append(centroid / max(np.linalg.norm(centroid), 1e-9))
        return names, np.array(centroids, dtype=np.float32).reshape(len(names), 256)

    @cached_property
    def _encoder(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it imports pkg_resources, which warns that it will go
            from resemblyzer import VoiceEncoder, audio
        return VoiceEncoder("cpu", verbose=False), audio
