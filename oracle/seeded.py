"""Weights that need no file: every number follows from its tensor's name and its place, in every language alike.

The twin is `crates/dear/tests/oracle/seeded.rs`. A fixture names each tensor with its shape and range; a network of any size is
then compared without storing one.
"""

import numpy as np
import torch

GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def key(name):
    """FNV-1a, 64 bits."""
    value = 0xCBF29CE484222325
    for byte in name.encode():
        value = (value ^ byte) * 0x100000001B3 % (1 << 64)
    return np.uint64(value)


def uniform(name, shape, low, high):
    """f32 between `low` and `high`: SplitMix64 of the name's key and the element's number, its upper 24 bits, in f64."""
    count = int(np.prod(shape, dtype=np.int64))
    with np.errstate(over="ignore"):
        z = key(name) + (np.arange(count, dtype=np.uint64) + np.uint64(1)) * GOLDEN
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    unit = (z >> np.uint64(40)).astype(np.float64) / 2.0**24
    return (low + (high - low) * unit).astype(np.float32).reshape(shape)


def span(name, shape):
    """A range that keeps the activations of deep networks within bounds; by what the tensor is."""
    last = name.rsplit(".", 1)[-1]
    if last == "running_var":
        return 0.5, 1.5
    if last in ("running_mean", "bias"):
        return -0.3, 0.3
    if last == "weight" and len(shape) == 1:  # of a batch or layer norm
        return 0.5, 1.0
    fan_in = int(np.prod(shape[1:], dtype=np.int64)) if len(shape) > 1 else 1
    bound = round((3.0 / fan_in) ** 0.5, 6)
    return -bound, bound


def fill(state, spans=None):
    """The state dict with seeded numbers for every float tensor, and the list that the fixture stores of it: name, shape,
    low, high. `spans` overrides ranges by name. Integer tensors (counters) are left as they are and not listed."""
    filled, listed = {}, []
    for name, tensor in state.items():
        if not tensor.is_floating_point():
            filled[name] = tensor
            continue
        shape = tuple(tensor.shape)
        low, high = (spans or {}).get(name) or span(name, shape)
        filled[name] = torch.from_numpy(uniform(name, shape, low, high))
        listed.append([name, list(shape), low, high])
    return filled, listed
