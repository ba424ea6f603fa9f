"""Runs diffusers_inpaint.py under `dear probe` with a tiny inpainting pipeline, built here from configurations.

    cargo build --release
    python examples/test_diffusers_inpaint.py

Nothing is downloaded. The pipeline has the shape of Stable Diffusion 1.5 inpainting (a UNet of 9 input channels, a VAE, a CLIP text
encoder, a PNDM scheduler), seeded random weights, and a few thousand parameters: what it paints is noise, but it is
generated, seeded noise, and the way of the images is the real one.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, PNDMScheduler, StableDiffusionInpaintPipeline, UNet2DConditionModel
from PIL import Image
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

HERE = Path(__file__).resolve().parent
DEAR = HERE.parent / "target" / "release" / "dear"


def tiny_pipeline(folder):
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=64,
        in_channels=9,
        out_channels=4,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=16,
        attention_head_dim=4,
        norm_num_groups=4,
    )
    vae = AutoencoderKL(
        block_out_channels=(4, 4, 4, 4),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        norm_num_groups=2,
        layers_per_block=1,
    )
    text = CLIPTextConfig(
        vocab_size=4, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=8, bos_token_id=2, eos_token_id=3, pad_token_id=3,
    )
    vocabulary, merges = folder / "vocab.json", folder / "merges.txt"
    vocabulary.write_text(json.dumps({"a</w>": 0, "b</w>": 1, "<|startoftext|>": 2, "<|endoftext|>": 3}))
    merges.write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizer(str(vocabulary), str(merges), model_max_length=8)
    # The settings of Stable Diffusion 1.5.
    scheduler = PNDMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", skip_prk_steps=True, steps_offset=1
    )
    pipeline = StableDiffusionInpaintPipeline(
        vae=vae, text_encoder=CLIPTextModel(text), tokenizer=tokenizer, unet=unet, scheduler=scheduler,
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder / "model")
    return folder / "model"


def photograph(path, width, height, seed):
    x, y = np.arange(width)[None, :, None], np.arange(height)[:, None, None]
    value = x * x * 3 + y * y * 5 + x * y * 7 + np.arange(3) * 89 + seed * 31
    Image.fromarray(((value >> 5) & 255).astype(np.uint8)).save(path)


class Probes(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)
        self.model = tiny_pipeline(self.folder)
        self.real = self.folder / "real"
        self.real.mkdir()
        for name, width, height, seed in (("a", 640, 360, 1), ("b", 300, 421, 2), ("c", 300, 421, 3)):
            photograph(self.real / f"{name}.png", width, height, seed)

    def probe(self, out, *more, composite="sharp", script=()):
        words = [sys.executable, HERE / "diffusers_inpaint.py", "--model", self.model, "--steps", "2", *script]
        command = " ".join(shlex.quote(str(word)) for word in words)
        arguments = [DEAR, "probe", self.real, "--inpainter", "command", "--command", command, "--out", out]
        return subprocess.run(
            [*arguments, "--engine", "builtin", "--composite", composite, *more], capture_output=True, text=True
        )

    def pixels(self, *names):
        return np.asarray(Image.open(self.folder.joinpath(*names)))

    def test_sharp_probes_are_generated_inside_and_untouched_outside(self):
        ran = self.probe(self.folder / "out")
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertIn("3 command probes", ran.stdout)
        for name in "abc":
            old, new = self.pixels("real", f"{name}.png"), self.pixels("out", f"{name}_inpaint.png")
            inside = self.pixels("out", f"{name}_mask.png") > 127
            self.assertTrue((old[~inside] == new[~inside]).all())
            self.assertGreater((old[inside] != new[inside]).any(1).mean(), 0.9)
        self.assertEqual([path.name for path in self.folder.joinpath("out").glob(".dear-*")], [])

    def test_reference_probes_and_batches(self):
        for name, script in (("one", ()), ("three", ("--batch", "3"))):
            ran = self.probe(self.folder / name, composite="reference", script=script)
            self.assertEqual(ran.returncode, 0, ran.stderr)
        for name in "abc":
            one, three = (self.pixels(out, f"{name}_inpaint.png").astype(int) for out in ("one", "three"))
            self.assertEqual(one.shape, self.pixels("real", f"{name}.png").shape)
            # Denoised together or alone: sums are added in another order.
            self.assertLessEqual(abs(one - three).max(), 2)

    def test_a_restart_changes_nothing(self):
        self.assertEqual(self.probe(self.folder / "whole").returncode, 0)
        self.assertEqual(self.probe(self.folder / "parts", "--shard", "2/2").returncode, 0)
        self.assertEqual(self.probe(self.folder / "parts").returncode, 0)
        for path in sorted(self.folder.joinpath("whole").glob("*.png")):
            self.assertEqual(path.read_bytes(), (self.folder / "parts" / path.name).read_bytes(), path.name)

    def test_another_pipeline_is_named(self):
        config = self.model / "unet" / "config.json"
        document = json.loads(config.read_text())
        document["in_channels"] = 4
        config.write_text(json.dumps(document))
        for weights in (self.model / "unet").glob("*.safetensors"):
            os.remove(weights)
        torch.manual_seed(0)
        UNet2DConditionModel.from_config(document).save_pretrained(self.model / "unet")
        ran = self.probe(self.folder / "out")
        self.assertEqual(ran.returncode, 3, ran.stderr)
        self.assertIn("the UNet has 4 input channels, expected 9", ran.stderr)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--dear", type=Path, default=DEAR)
    known, rest = parser.parse_known_args()
    DEAR = known.dear.resolve()
    unittest.main(argv=[sys.argv[0], *rest])
