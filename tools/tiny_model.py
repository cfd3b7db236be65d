# ruff: noqa: INP001 - run by its path
"""Write a language model of a few hundred kilobytes with random weights, as a GGUF file that llama.cpp serves.

    build/test-upstream/bin/python tools/tiny_model.py build/test-upstream/tiny.gguf

It knows every byte and some words, and says nothing of sense: what matters is the server around it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import gguf
import numpy as np

_WIDTH, _LAYERS, _HEADS, _INNER, _CONTEXT = 64, 2, 4, 128, 512
_WORDS = ("the", "of", "and", "to", "in", "is", "you", "that", "it", "he", "was", "for", "on", "are", "as", "with", "one", "word")
_SEED = 7


def write(path: Path) -> None:
    """Write the model."""
    tokens = [b"<unk>", b"<s>", b"</s>"]
    kinds = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL]
    tokens += [f"<0x{byte:02X}>".encode() for byte in range(256)]
    kinds += [gguf.TokenType.BYTE] * 256
    tokens += [f"\u2581{word}".encode() for word in _WORDS]  # the space before a word is written so in this kind of vocabulary
    kinds += [gguf.TokenType.NORMAL] * len(_WORDS)
    model = gguf.GGUFWriter(path, "llama")
    model.add_name("tiny")
    model.add_context_length(_CONTEXT)
    model.add_embedding_length(_WIDTH)
    model.add_block_count(_LAYERS)
    model.add_feed_forward_length(_INNER)
    model.add_head_count(_HEADS)
    model.add_head_count_kv(_HEADS)
    model.add_rope_dimension_count(_WIDTH // _HEADS)
    model.add_layer_norm_rms_eps(1e-5)
    model.add_vocab_size(len(tokens))
    model.add_tokenizer_model("llama")
    model.add_token_list(tokens)
    model.add_token_scores([0.0] * (len(tokens) - len(_WORDS)) + [-float(rank) for rank in range(len(_WORDS))])
    model.add_token_types(kinds)
    model.add_bos_token_id(1)
    model.add_eos_token_id(2)
    model.add_unk_token_id(0)
    chance = np.random.default_rng(_SEED)

    def weights(*shape: int) -> np.ndarray:
        return (chance.standard_normal(shape) / np.sqrt(shape[-1])).astype(np.float32)

    model.add_tensor("token_embd.weight", weights(len(tokens), _WIDTH))
    for layer in range(_LAYERS):
        name = f"blk.{layer}."
        model.add_tensor(name + "attn_norm.weight", np.ones(_WIDTH, np.float32))
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            model.add_tensor(f"{name}{part}.weight", weights(_WIDTH, _WIDTH))
        model.add_tensor(name + "ffn_norm.weight", np.ones(_WIDTH, np.float32))
        model.add_tensor(name + "ffn_gate.weight", weights(_INNER, _WIDTH))
        model.add_tensor(name + "ffn_up.weight", weights(_INNER, _WIDTH))
        model.add_tensor(name + "ffn_down.weight", weights(_WIDTH, _INNER))
    model.add_tensor("output_norm.weight", np.ones(_WIDTH, np.float32))
    model.add_tensor("output.weight", weights(len(tokens), _WIDTH))
    model.write_header_to_file()
    model.write_kv_data_to_file()
    model.write_tensors_to_file()
    model.close()


if __name__ == "__main__":
    write(Path(sys.argv[1]))
