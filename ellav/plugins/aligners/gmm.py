"""Mixtures of diagonal Gaussians for the states of phones, learned from sentences without any times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ellav.plugins.aligners.hmm import Chain, best_paths

ABSENT = -1e30
"""Logarithm of the weight of a component that is not there."""
FLOOR = 0.05
"""Least variance, where all speech has 1."""
FEWEST = 40
"""Frames that a component keeps at least when it is split."""
ROUNDS = (10, 3, 3, 3)
"""Passes over all sentences with 1, 2, 4, ... components a state."""
AT_ONCE = 16
"""Sentences of similar length whose paths are found together."""
ROWS = 512
"""Frames whose densities are computed at once."""


@dataclass(frozen=True)
class Mixtures:
    """centre, scale: (D,) of all features. means, variances: (states, M, D) of what is centred
    and scaled so. weights: (states, M) logarithms. All float32."""

    centre: np.ndarray
    scale: np.ndarray
    means: np.ndarray
    variances: np.ndarray
    weights: np.ndarray

    def likelihoods(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """features (T, D) -> for each state (T, states) the logarithm of its likeliest component's
        density, float32, and which component that is, uint8."""
        rows = (rows - self.centre) / self.scale
        states, components, width = self.means.shape
        flat = (states * components, width)
        inverse = 1 / self.variances.reshape(flat)
        means = self.means.reshape(flat)
        constant = -0.5 * (np.log(2 * np.pi / inverse) + means**2 * inverse).sum(axis=1) + self.weights.ravel()
        weight = np.concatenate([-0.5 * inverse, means * inverse], axis=1).T  # (2 D, states * M)
        best, which = np.empty((len(rows), states), np.float32), np.zeros((len(rows), states), np.uint8)
        for start in range(0, len(rows), ROWS):
            some = rows[start : start + ROWS]
            found = np.concatenate([some**2, some], axis=1) @ weight + constant
            found = found.reshape(len(some), states, components)
            best[start : start + ROWS] = found[:, :, 0]
            for component in range(1, components):
                better = found[:, :, component] > best[start : start + ROWS]
                which[start : start + ROWS][better] = component
                np.maximum(best[start : start + ROWS], found[:, :, component], out=best[start : start + ROWS])
        return best, which

    def split(self, counts: np.ndarray) -> Mixtures:
        """Twice the components: those with frames enough, (states, M) `counts`, become two beside each other."""
        away = 0.2 * np.sqrt(self.variances)
        parted = (counts >= 2 * FEWEST)[:, :, None]
        means = np.concatenate([np.where(parted, self.means - away, self.means), self.means + away], axis=1)
        twice = np.concatenate([self.variances] * 2, axis=1)
        second = np.where(parted[:, :, 0], self.weights, ABSENT)
        return Mixtures(self.centre, self.scale, means, twice, np.concatenate([self.weights, second], axis=1))


def learn(rows: list[np.ndarray], chains: list[Chain], states: int) -> Mixtures:
    """Viterbi training from an equal division of the speech in each sentence.

    rows: features (T, D) of each sentence, none shorter than its chain allows. states: how
    many there are. A state that is never heard gets the density of all speech.
    """
    together = np.concatenate(rows)
    centre, scale = together.mean(axis=0), together.std(axis=0) + 1e-3
    together = (together - centre) / scale
    state = np.concatenate([equal_shares(*pair) for pair in zip(rows, chains, strict=True)])
    made = estimate(together, state, np.zeros(len(state), np.uint8), states, 1, centre, scale)[0]
    for doubling, rounds in enumerate(ROUNDS):
        for _ in range(rounds):
            state, component = heard_as(made, rows, chains)
            made, counts = estimate(together, state, component, states, 2**doubling, centre, scale)
        if doubling + 1 < len(ROUNDS):
            made = made.split(counts)
    return made


def equal_shares(rows: np.ndarray, chain: Chain) -> np.ndarray:
    """(T,) states: silence up to the first and from the last loud frame, the phones' in equal shares between."""
    level = rows[:, 0]
    loud = np.flatnonzero(level > (level.min() + level.max()) / 2)
    spoken = chain.state[chain.state != 0]
    first, last = (loud[0], loud[-1] + 1) if len(loud) else (0, len(rows))
    if last - first < len(spoken):
        first, last = 0, len(rows)
    state = np.zeros(len(rows), int)
    state[first:last] = spoken[np.arange(last - first) * len(spoken) // (last - first)]
    return state


def heard_as(model: Mixtures, rows: list[np.ndarray], chains: list[Chain]) -> tuple[np.ndarray, np.ndarray]:
    """State and component of every frame of all sentences, along the likeliest paths."""
    states: list[np.ndarray] = [np.zeros(0)] * len(rows)
    components = list(states)
    order = sorted(range(len(rows)), key=lambda index: len(rows[index]))
    for start in range(0, len(order), AT_ONCE):
        some = order[start : start + AT_ONCE]
        heard = [model.likelihoods(rows[index]) for index in some]
        paths = best_paths([likelihood for likelihood, _ in heard], [chains[index] for index in some])
        for index, (_, which), path in zip(some, heard, paths, strict=True):
            states[index] = chains[index].state[path]
            components[index] = which[np.arange(len(path)), states[index]]
    return np.concatenate(states), np.concatenate(components)


def estimate(
    rows: np.ndarray,
    state: np.ndarray,
    component: np.ndarray,
    states: int,
    components: int,
    centre: np.ndarray,
    scale: np.ndarray,
) -> tuple[Mixtures, np.ndarray]:
    """Means, variances and weights of centred and scaled `rows` (N, D), each of one component of one
    state, (N,); and (states, components) how many rows each had."""
    unit = state * components + component
    order = np.argsort(unit, kind="stable")
    present, starts, counts = np.unique(unit[order], return_index=True, return_counts=True)
    rows = rows[order]
    total, width = states * components, rows.shape[1]
    count = np.zeros(total)
    mean, variance = np.zeros((total, width)), np.ones((total, width))
    count[present] = counts
    mean[present] = np.add.reduceat(rows, starts, axis=0, dtype=np.float64) / counts[:, None]
    square = np.add.reduceat(rows**2, starts, axis=0, dtype=np.float64) / counts[:, None]
    # A few frames of all speech are counted along, so that few frames do not make a narrow density.
    share = (counts / (counts + 3))[:, None]
    variance[present] = share * (square - mean[present] ** 2) + (1 - share)
    count = count.reshape(states, components)
    weight = np.full((states, components), ABSENT)
    some = count > 0
    weight[some] = np.log((count / np.maximum(count.sum(axis=1, keepdims=True), 1))[some])
    weight[~some.any(axis=1), 0] = 0.0
    shape = (states, components, width)
    made = (mean.reshape(shape), np.maximum(variance, FLOOR).reshape(shape), weight)
    return Mixtures(centre, scale, *(part.astype(np.float32) for part in made)), count
