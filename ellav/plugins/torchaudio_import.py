"""torchaudio beside any torch, for packages that import it and need nothing of its compiled part."""

from __future__ import annotations

import sys
import types


def import_torchaudio() -> types.ModuleType:
    """The package. Its compiled part is left out where it does not load: beside a CPU-only torch."""
    try:
        import torchaudio
    except OSError:
        sys.modules["torchaudio._extension"] = _without_extension()
        import torchaudio
    return torchaudio


def _without_extension() -> types.ModuleType:
    """What torchaudio has in place of its compiled part where it was built without."""
    module = types.ModuleType("torchaudio._extension")
    module._IS_TORCHAUDIO_EXT_AVAILABLE = module._IS_ALIGN_AVAILABLE = False
    module.fail_if_no_align = lambda function: function
    module._check_cuda_version = lambda: None
    return module
