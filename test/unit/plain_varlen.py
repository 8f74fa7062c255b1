"""What `torch.nn.attention.varlen.varlen_attn` says it does, in plain products, and what its kernel wants checked."""

import torch


def varlen(
    query,
    key,
    value,
    cu_seq_q,
    cu_seq_k,
    max_q,
    max_k,
    *,
    window_size=(-1, -1),
    enable_gqa=False,
    seqused_k=None,
    block_table=None,
    num_splits=None,
):
    heads, size = query.shape[1:]
    for numbers in (cu_seq_q, cu_seq_k, seqused_k, block_table):
        assert numbers is None or (numbers.dtype == torch.int32 and numbers.is_contiguous())
    assert query.dtype == key.dtype == value.dtype and size % 8 == 0 and size <= 256
    assert query.stride(-1) == key.stride(-1) == value.stride(-1) == 1
    assert window_size in ((-1, -1), (-1, 0)) and enable_gqa == (heads != key.shape[-2])
    if block_table is not None:
        assert key.shape[1] % 256 == 0 and seqused_k is not None and num_splits == 1
        assert block_table.shape == (len(cu_seq_q) - 1, 1) and len(seqused_k) == len(cu_seq_q) - 1
    out = torch.full_like(query, float("nan"))  # what the kernel does not write is what was there before
    parts = []
    for i in range(len(cu_seq_q) - 1):
        rows = slice(int(cu_seq_q[i]), int(cu_seq_q[i + 1]))
        if block_table is not None:
            k, v = (t[int(block_table[i, 0]), : int(seqused_k[i])] for t in (key, value))
        else:
            k, v = (t[int(cu_seq_k[i]) : int(cu_seq_k[i + 1])] for t in (key, value))
        q = query[rows]
        assert len(q) <= max_q and len(k) <= max_k
        if not len(q):
            continue
        k, v = (t.repeat_interleave(heads // t.shape[1], dim=1) for t in (k, v))
        scores = torch.einsum("qhd,khd->hqk", q, k).float() * size**-0.5
        if window_size == (-1, 0):  # the last query stands at the last key
            seen = torch.ones(len(q), len(k), dtype=torch.bool).tril(len(k) - len(q))
            scores = scores.masked_fill(~seen, float("-inf"))
        parts.append((rows, torch.einsum("hqk,khd->qhd", scores.softmax(-1).to(v.dtype), v)))
    for rows, made in parts:
        out = torch.cat([out[: rows.start], made, out[rows.stop :]])
    return out
