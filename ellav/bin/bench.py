"""`ellav bench`: how fast a trained AR model decodes on this machine."""

from __future__ import annotations

import json
from pathlib import Path

from ellav.bin.options import add_choice, add_quantize, add_which, parse, parser
from ellav.infer.protocols import add_options, requests_of


def main(argv: list[str]) -> None:
    """Parse options and measure."""
    made = parser("bench", "Measure decoding: steps a second, and the share that reading the weights would take.")
    made.add_argument("--ar", type=Path, required=True, help="folder of the trained AR model")
    made.add_argument("--data", type=Path, required=True, help="tokenised test set")
    made.add_argument("--tokens", type=Path, required=True, help="folder of the token list")
    add_which(made)
    made.add_argument("--width", type=int, help="rows fed a step; chosen by the engine if left out")
    made.add_argument("--batches", type=int, nargs="+", default=[1, 8, 32], help="batch sizes")
    made.add_argument("--device", default=None, help="cpu or cuda; a GPU is used where there is one")
    add_quantize(made)
    add_choice(made, "decoder", "nucleus", "decoders")
    add_options(made)
    options = parse(made, argv)

    from ellav.data.dataset import Dataset, Tokens
    from ellav.infer.engine import Engine
    from ellav.infer.speed import measure_decoding
    from ellav.models.device import choose_device
    from ellav.models.trained import load_trained
    from ellav.plugins.decoders import decoders

    tokens = Tokens.read(options.tokens)
    dataset = Dataset(options.data, tokens)
    trained = load_trained(options.ar, options.which)
    options.limit = options.limit or 2 * max(options.batches)
    scripts = [trained.ordering.script(request.decode) for request in requests_of(dataset, tokens, options)]
    decoder = decoders.create(options.decoder, options.decoder_conf)
    device = choose_device(options.device)
    engine = Engine(trained.model.to(device), trained.ordering, decoder, width=options.width, quantize=options.quantize)
    print(json.dumps(measure_decoding(engine, scripts, tuple(options.batches)), indent=1))
