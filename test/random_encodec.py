"""Weights of EnCodec that no training made, for tests where the real ones cannot be downloaded."""

import warnings

import numpy as np
import torch

from ellav.plugins.codecs.encodec import import_encodec
from ellav.testing.codec import sound


@torch.inference_mode()
def write_weights(path, codebooks=32, seed=0):
    """Write a state dict as the package's: random layers, and codebooks drawn around what these make of sounds."""
    random = torch.Generator().manual_seed(seed)
    with warnings.catch_warnings(), torch.random.fork_rng():
        warnings.simplefilter("ignore", FutureWarning)
        torch.manual_seed(seed)
        model = import_encodec().EncodecModel.encodec_model_24khz(pretrained=False).eval()
    wav = torch.from_numpy(sound(np.random.default_rng(seed), 24000, 20.0))
    left = model.encoder(wav[None, None])[0].T  # (T, D)
    model.quantizer.vq.layers = model.quantizer.vq.layers[:codebooks]
    for layer in model.quantizer.vq.layers:
        chosen = left[torch.randint(len(left), (1024,), generator=random)]
        book = chosen + 0.3 * left.std(dim=0) * torch.randn(chosen.shape, generator=random)
        layer._codebook.embed.copy_(book)
        left = left - book[torch.cdist(left, book).argmin(dim=1)]
    torch.save(model.state_dict(), path)
