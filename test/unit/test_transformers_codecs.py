"""The codec `transformers`: each kind of model, tiny and of random weights, in Hugging Face's own files."""

import json
import shutil

import numpy as np
import pytest
import torch

from ellav.errors import UserError
from ellav.plugins.codecs import codecs
from ellav.plugins.codecs.transformers import CONFIG, WEIGHTS, _quantised, import_transformers
from ellav.testing import check_codec
from ellav.testing.codec import sound

package = import_transformers()

DAC = {
    "encoder_hidden_size": 8, "decoder_hidden_size": 32, "downsampling_ratios": [8, 5, 4, 2],
    "upsampling_ratios": [8, 5, 4, 2], "n_codebooks": 4, "codebook_size": 32, "codebook_dim": 4, "hidden_size": 64,
    "sampling_rate": 16000,
}  # fmt: skip
HUBERT = {
    "model_type": "hubert", "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
    "intermediate_size": 32, "conv_dim": [8] * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2,
}  # fmt: skip
OPTIONS = {
    "Encodec": {"num_filters": 4, "hidden_size": 16, "codebook_dim": 16, "codebook_size": 32, "num_lstm_layers": 1},
    "Dac": DAC,
    "Mimi": {
        "num_filters": 4, "hidden_size": 32, "codebook_dim": 16, "vector_quantization_hidden_dimension": 16,
        "codebook_size": 32, "num_quantizers": 4, "num_semantic_quantizers": 1, "num_hidden_layers": 1,
        "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 16, "intermediate_size": 32,
        "upsample_groups": 32,
    },
    "Xcodec": {
        "acoustic_model_config": DAC, "semantic_model_config": HUBERT, "codebook_size": 32, "codebook_dim": 96,
        "unit_ratios": [1, 1], "channel_ratios": [1, 1], "target_bandwidths": [0.25, 0.5, 1.0],
    },
}  # fmt: skip
ABOUT = {"Encodec": (24000, 75.0), "Dac": (16000, 50.0), "Mimi": (24000, 12.5), "Xcodec": (16000, 50.0)}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """kind -> a folder as `save_pretrained` writes it, and the model."""
    made = {}
    for kind, options in OPTIONS.items():
        torch.manual_seed(0)
        model = getattr(package, f"{kind}Model")(getattr(package, f"{kind}Config")(**options)).eval()
        for name, tensor in model.state_dict().items():
            if tensor.ndim == 2 and name.endswith(("embed", "embed_sum")):  # entries are not drawn
                tensor.copy_(0.01 * torch.randn(tensor.shape))
        folder = tmp_path_factory.mktemp(kind)
        model.save_pretrained(str(folder))
        made[kind] = folder, model
    return made


def create(folder, **options):
    return codecs.create("transformers", {"model": str(folder), "codebooks": 3, "device": "cpu", **options})


@pytest.mark.parametrize("kind", list(OPTIONS))
def test_each_kind_keeps_the_contract(folders, kind):
    folder, _ = folders[kind]
    codec = create(folder)
    assert (codec.sample_rate, codec.frame_rate, codec.size) == (*ABOUT[kind], 32)
    check_codec(codec, create(folder), 1.0)


@pytest.mark.parametrize("kind", list(OPTIONS))
def test_codes_and_sound_are_the_models_own(folders, kind):
    folder, model = folders[kind]
    codec = create(folder)
    samples = round(10 * codec.sample_rate / codec.frame_rate)
    wav = np.random.default_rng(0).uniform(-1, 1, samples).astype(np.float32)
    given = torch.from_numpy(wav)[None, None]
    with torch.inference_mode():
        if kind == "Encodec":
            codes = model.encode(given, bandwidth=1.5).audio_codes[0, 0][:3]
            spoken = model.decode(codes[None, None], [None]).audio_values
        elif kind == "Dac":
            codes = model.encode(given, n_quantizers=3).audio_codes[0]
            spoken = model.decode(audio_codes=codes[None]).audio_values
        elif kind == "Mimi":
            codes = model.encode(given, num_quantizers=3).audio_codes[0]
            spoken = model.decode(codes[None]).audio_values
        else:
            codes = model.encode(given, bandwidth=1.0).audio_codes[0][:3]
            spoken = model.decode(codes[None]).audio_values
    made = codec.encode([wav])[0]
    assert np.array_equal(made, codes.T.numpy()) and made.shape == (10, 3) and len(np.unique(made)) > 3
    said = codec.decode([made])[0]
    spoken = spoken.flatten().numpy()[: len(said)]
    np.testing.assert_allclose(said[: len(spoken)], spoken, atol=1e-5)


def test_names_of_tensors_from_older_files_are_known(folders, tmp_path):
    """As the hub's own file of EnCodec has them."""
    from safetensors.torch import load_file, save_file

    folder, _ = folders["Encodec"]
    shutil.copytree(folder, tmp_path / "old")
    tensors = load_file(folder / WEIGHTS)
    old = {
        name.replace("parametrizations.weight.original0", "weight_g").replace(
            "parametrizations.weight.original1", "weight_v"
        ): tensor
        for name, tensor in tensors.items()
    }
    assert old.keys() != tensors.keys()
    save_file(old, tmp_path / "old" / WEIGHTS, metadata={"format": "pt"})
    wav = sound(np.random.default_rng(0), 24000, 0.5)
    assert np.array_equal(create(tmp_path / "old").encode([wav])[0], create(folder).encode([wav])[0])


@pytest.mark.parametrize("kind", OPTIONS)
def test_vectors_of_codes_add_up_to_what_the_network_decodes(folders, kind):
    codec = create(folders[kind][0])
    vectors, codes = codec.vectors(), np.random.default_rng(0).integers(0, 32, (20, codec.codebooks))
    added = sum(vectors[book][codes[:, book]] for book in range(codec.codebooks))  # (T, D)
    decoded = _quantised(codec._ready(), codec._facts(), torch.from_numpy(codes.T[None]))[0].T
    np.testing.assert_allclose(added, decoded.detach().numpy(), atol=1e-5)


def config(**changes):
    def change(folder):
        path = folder / CONFIG
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / CONFIG).unlink(), "config.json: no such file"),
        (lambda folder: (folder / CONFIG).write_text("{"), "not readable as JSON"),
        (lambda folder: (folder / CONFIG).write_text("[]"), "no configuration of a codec"),
        (config(model_type="bert"), "a model of kind 'bert'; codec transformers takes encodec, dac, mimi, xcodec"),
        (config(codebook_size=10**9), "no configuration of a codec"),
        (config(audio_channels=2), "an EnCodec of 2 channels; take facebook/encodec_24khz"),
        (lambda folder: (folder / WEIGHTS).unlink(), "does not load"),
        (lambda folder: (folder / WEIGHTS).write_bytes(b"torn"), "does not load"),
        (config(num_filters=8), "."),
    ],
    ids=["no config", "torn config", "a list", "another kind", "huge", "stereo", "no weights", "torn weights", "other"],
)
def test_a_folder_that_is_no_codec_is_one_line(folders, tmp_path, spoil, message):
    shutil.copytree(folders["Encodec"][0], tmp_path / "model")
    spoil(tmp_path / "model")
    with pytest.raises(UserError, match=message) as caught:
        create(tmp_path / "model").encode([np.zeros(24000, np.float32)])
    assert "\n" not in str(caught.value) and str(tmp_path / "model") in str(caught.value)


def test_more_codebooks_than_there_are_is_one_line(folders):
    with pytest.raises(UserError, match="has 4 codebooks, not 5"):
        _ = create(folders["Dac"][0], codebooks=5).sample_rate


def test_a_hub_out_of_reach_is_one_line():
    """All tests run with the hub's client offline."""
    for model, message in (("someone/codec", "the Hugging Face hub gives none: "), ("nowhere", "no name on the hub")):
        with pytest.raises(UserError, match=message) as caught:
            _ = codecs.create("transformers", {"model": model}).sample_rate
        assert "\n" not in str(caught.value)


def test_what_is_saved_and_does_not_fit_is_named_before_it_is_read(folders, tmp_path):
    codec = create(folders["Mimi"][0])
    codec.save(tmp_path)
    config(num_filters=8)(tmp_path)
    with pytest.raises(UserError, match=r"model.safetensors: does not fit what is beside it: .* should be"):
        create(folders["Mimi"][0]).load(tmp_path)
