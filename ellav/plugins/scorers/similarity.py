"""Speaker similarity: cosines between embeddings of voices."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

import numpy as np

from ellav.plugins.scorers import Scored, scorers
from ellav.plugins.scorers.speakers import RATE, RESEMBLYZER, Embedder, embedder


@scorers.register("similarity")
class Similarity:
    """How much the voice is the prompt's, and whether it is nearest to its own speaker.

    least: recordings that a speaker must have to be enrolled. model: who compares: `resemblyzer`, whose
    weights come with its package; or a WavLM with a head for speakers, as a name on the Hugging Face hub
    (`microsoft/wavlm-base-plus-sv`, the papers') or a folder. Figures of two models do not compare. A scored
    utterance's own recording is never part of its speaker's centroid, and what a continuation was given is
    not compared.
    """

    reads_text = False
    reads_prompt = True

    def __init__(self, least: int = 5, model: Path | str = RESEMBLYZER):
        self.least = least
        self.enrolled: dict[str, np.ndarray] = {}
        self._name = str(model)
        self._prompt: tuple[np.ndarray | None, np.ndarray | None] = (None, None)
        shown = Path(self._name).name if Path(self._name).is_dir() else self._name
        self.metrics = {
            "similarity": f"cosine between the embeddings of the speech and of its prompt, by {shown}",
            "own_first": f"share whose own speaker ranks first among all enrolled, %, by {shown}",
        }

    def enroll(self, recordings: Iterable[Scored]) -> dict[str, np.ndarray]:
        """ids (n,), speakers (n,) and embeddings (n, size) of the recordings."""
        ids, speakers, embeddings = [], [], []
        for recording in recordings:
            ids.append(recording.id)
            speakers.append(recording.speaker)
            embeddings.append(self.embed(recording.wav, recording.sample_rate))
        stacked = np.stack(embeddings) if embeddings else np.zeros((0, self._model.size), np.float32)
        return {"ids": np.array(ids, dtype=str), "speakers": np.array(speakers, dtype=str), "embeddings": stacked}

    def score(self, utterance: Scored) -> dict[str, tuple[float, float] | str]:
        """`similarity` where there is a prompt, `own_first` where the speaker is enrolled."""
        voice = self.embed(utterance.wav[utterance.given :], utterance.sample_rate)
        result: dict[str, tuple[float, float] | str] = {}
        if utterance.prompt is not None:
            result["similarity"] = (float(voice @ self._embed_prompt(utterance)), 1.0)
        names, centroids = self._centroids(without=utterance.id)
        if utterance.speaker in names and len(names) > 1:
            cosines = centroids @ voice
            own = cosines[names.index(utterance.speaker)]
            ranked_first = np.count_nonzero(cosines >= own) == 1  # a tie is no recognition
            result["own_first"] = (100.0 * ranked_first, 1.0)
            result["nearest"] = names[int(cosines.argmax())]
        return result

    def embed(self, wav: np.ndarray, sample_rate: int) -> np.ndarray:
        """(size,) float32 of length 1, or zeros for silence."""
        if not np.any(np.abs(wav) > 1e-4):
            return np.zeros(self._model.size, np.float32)
        if sample_rate != RATE:
            import soxr

            wav = soxr.resample(wav, sample_rate, RATE)
        return self._model(wav)

    def _embed_prompt(self, utterance: Scored) -> np.ndarray:
        # The control is scored against the same prompt, right after the speech itself.
        if self._prompt[0] is not utterance.prompt:
            self._prompt = (utterance.prompt, self.embed(utterance.prompt, utterance.sample_rate))
        return self._prompt[1]

    def _centroids(self, without: str) -> tuple[list[str], np.ndarray]:
        """Names and (speakers, size) unit centroids of those with at least `least` recordings."""
        if not self.enrolled:
            return [], np.zeros((0, 0), np.float32)
        others = self.enrolled["ids"] != without
        names, centroids = [], []
        for speaker in np.unique(self.enrolled["speakers"]):
            rows = self.enrolled["embeddings"][others & (self.enrolled["speakers"] == speaker)]
            if len(rows) >= self.least:
                centroid = rows.mean(axis=0)
                names.append(str(speaker))
                centroids.append(centroid / max(np.linalg.norm(centroid), 1e-9))
        return names, np.array(centroids, dtype=np.float32).reshape(len(names), self.enrolled["embeddings"].shape[1])

    @cached_property
    def _model(self) -> Embedder:
        return embedder(self._name)
