"""Reading a prompt and decoding after it in Hugging Face transformers on PyTorch, single precision, one sequence.

The models of `crates/llm-neurons/examples/generation_speed`: a small trained checkpoint from its folder, and an OPT and a
Llama of 1.3 billion weights' shape (a sixth of each: 4 of 24 layers, a sixth of the vocabulary) with random weights.
Decoding is a plain loop over the model's own forward pass and its own cache, without what `generate` adds to each token;
the prompt's pass computes the last token's logits only. CoreInfer's slicing is done as its published program does it: the
rows of the first linear maps and the columns of the last, gathered once into contiguous matrices.

`SCRIPT [REPEATS] [NAME ..]`, names as in the Rust program.
"""

import json
import os
import pathlib
import sys
import time

import torch
from transformers import AutoModelForCausalLM, DynamicCache, LlamaConfig, OPTConfig

PROMPT = 128
KEPT = 0.2
HIDDEN, CONTEXT, LAYERS = 2048, 2048, 4


def stories():
    """The trained checkpoint."""
    default = pathlib.Path(__file__).resolve().parents[3] / "shared/data"
    folder = pathlib.Path(os.environ.get("NEUROPIL_DATA", default)) / "lm-stories260k"
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


def opt():
    """A sixth of OPT-1.3B."""
    config = OPTConfig(
        vocab_size=8384,
        hidden_size=HIDDEN,
        ffn_dim=8192,
        num_hidden_layers=LAYERS,
        num_attention_heads=32,
        max_position_embeddings=CONTEXT,
        word_embed_proj_dim=HIDDEN,
    )
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32)


def llama():
    """A sixth of a Llama of its size."""
    config = LlamaConfig(
        vocab_size=5344,
        hidden_size=HIDDEN,
        intermediate_size=5504,
        num_hidden_layers=LAYERS,
        num_attention_heads=16,
        num_key_value_heads=16,
        max_position_embeddings=CONTEXT,
    )
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32)


# Each model and its tokens after the prompt in a repetition.
MODELS = {"stories": (stories, 128), "opt": (opt, 16), "llama": (llama, 16)}
PARTS = ["prefill", "decode", "ffn", "core_decode", "core_ffn"]


def mlps(model):
    """The MLP of each layer as (maps that own rows, map that owns columns, the module)."""
    if model.config.model_type == "opt":
        return [([layer.fc1], layer.fc2, layer) for layer in model.model.decoder.layers]
    return [([x.mlp.gate_proj, x.mlp.up_proj], x.mlp.down_proj, x.mlp) for x in model.model.layers]


def slice_neurons(model):
    """Keeps a fifth of each layer's neurons; which ones is no matter to the time."""
    torch.manual_seed(0)
    for firsts, last, _ in mlps(model):
        width = last.in_features
        keep = torch.randperm(width)[: int(KEPT * width)].sort().values
        for linear in firsts:
            linear.weight = torch.nn.Parameter(linear.weight[keep].contiguous(), requires_grad=False)
            if linear.bias is not None:
                linear.bias = torch.nn.Parameter(linear.bias[keep].contiguous(), requires_grad=False)
        last.weight = torch.nn.Parameter(last.weight[:, keep].contiguous(), requires_grad=False)


def generation(model, steps):
    """Seconds of the prompt and of a token after it."""
    vocabulary = model.config.vocab_size
    prompt = torch.tensor([[(i * i * 7 + 3 * i + 1) % vocabulary for i in range(PROMPT)]])
    cache = DynamicCache(config=model.config)
    start = time.perf_counter()
    logits = model(prompt, past_key_values=cache, use_cache=True, logits_to_keep=1).logits
    following = logits[:, -1:].argmax(-1)
    following.item()
    prefill = time.perf_counter() - start
    start = time.perf_counter()
    for _ in range(steps):
        logits = model(following, past_key_values=cache, use_cache=True).logits
        following = logits[:, -1:].argmax(-1)
        following.item()
    return prefill, (time.perf_counter() - start) / steps


def ffn(model, steps):
    """Seconds of one token in the MLPs of all layers."""
    x = torch.randn(1, 1, model.config.hidden_size)
    whole = mlps(model)
    start = time.perf_counter()
    for _ in range(steps):
        for firsts, last, module in whole:
            if len(firsts) == 1:
                last(module.activation_fn(firsts[0](x)))
            else:
                module(x)
    return (time.perf_counter() - start) / steps


def show(name, seconds):
    """One line."""
    print(json.dumps({"name": name, "seconds": seconds, "threads": torch.get_num_threads()}), flush=True)


def main():
    """Measures the named parts, or all; the first repetition warms up."""
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    wanted = sys.argv[2:]
    for name, (make, steps) in MODELS.items():
        parts = [part for part in PARTS if not wanted or f"generation_{name}_{part}" in wanted]
        if not parts:
            continue
        model = make().eval()
        for cut in ["", "core_"]:
            if cut:
                if not any(part.startswith(cut) for part in parts):
                    break
                slice_neurons(model)
            for repetition in range(repeats + 1):
                prefill, decode = generation(model, steps)
                times = {f"{cut}prefill": prefill, f"{cut}decode": decode}
                if f"{cut}ffn" in parts:
                    times[f"{cut}ffn"] = ffn(model, steps)
                if repetition > 0:
                    for part, seconds in times.items():
                        if part in parts:
                            show(f"generation_{name}_{part}", seconds)


if __name__ == "__main__":
    with torch.inference_mode():
        main()
