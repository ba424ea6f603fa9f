"""Known answers of the keyed stream: SHA-256 of the key, then ChaCha8, in plain Python from their definitions.

Run it to print the numbers that `crates/dear-image/src/draw.rs` has in its test.
"""

import hashlib
import struct

MASK = 0xFFFFFFFF


def rotate(value, bits):
    return ((value << bits) | (value >> (32 - bits))) & MASK


def quarter(state, a, b, c, d):
    for first, second, third, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        state[first] = (state[first] + state[second]) & MASK
        state[third] = rotate(state[third] ^ state[first], bits)


def chacha8_block(key, counter):
    """One block of 16 words; 64-bit counter, nonce 0, 8 rounds."""
    start = list(struct.unpack("<4I", b"expand 32-byte k")) + list(struct.unpack("<8I", key))
    start += [counter & MASK, counter >> 32, 0, 0]
    state = list(start)
    for _ in range(4):
        quarter(state, 0, 4, 8, 12), quarter(state, 1, 5, 9, 13)
        quarter(state, 2, 6, 10, 14), quarter(state, 3, 7, 11, 15)
        quarter(state, 0, 5, 10, 15), quarter(state, 1, 6, 11, 12)
        quarter(state, 2, 7, 8, 13), quarter(state, 3, 4, 9, 14)
    return [(a + b) & MASK for a, b in zip(state, start)]


def stream(seed, parts, count):
    """The first `count` 64-bit numbers of a key."""
    digest = hashlib.sha256(struct.pack("<Q", seed))
    for part in parts:
        digest.update(struct.pack("<Q", len(part)) + part)
    words = []
    while len(words) < 2 * count:
        words += chacha8_block(digest.digest(), len(words) // 16)
    return [words[2 * i] | words[2 * i + 1] << 32 for i in range(count)]


if __name__ == "__main__":
    numbers = stream(7, [b"image", b"step"], 40)
    print("first:", numbers[:2], "fortieth:", numbers[39])
