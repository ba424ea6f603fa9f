"""What generators write, in the shape in which each of them writes it; the values are invented."""

A1111 = """masterpiece, a lighthouse at dusk, (oil painting:1.2), <lora:seaside:0.7>
Negative prompt: lowres, blurry, text
Steps: 28, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 6.5, Seed: 3894216745, Size: 832x1216, Model hash: 6ce0161689, \
Model: v1-5-pruned-emaonly, Denoising strength: 0.45, Hires upscale: 1.5, Hires upscaler: Latent, \
Lora hashes: "seaside: a1b2c3d4e5f6, other: 0f0f0f0f0f0f", Version: v1.10.1"""

A1111_UNICODE = """夕暮れの灯台, 油絵 — “quoted”
Negative prompt: lowres, 文字
Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 12345, Size: 512x512, Model hash: cc6cb27103, Model: anything-v5, Version: v1.6.0"""

FORGE_INPAINT = """a red door in a stone wall
Steps: 20, Sampler: Euler, Schedule type: Simple, CFG scale: 1, Distilled CFG Scale: 3.5, Seed: 99, Size: 896x1152, \
Model hash: fef37763b8, Model: flux1-dev-bnb-nf4-v2, Denoising strength: 0.75, Mask blur: 4, Inpaint area: Only masked, \
Masked area padding: 32, Version: f2.0.1v1.10.1-previous-659-gc055f2d4"""

COMFYUI = {
    "3": {
        "inputs": {
            "seed": 156680208700286,
            "steps": 20,
            "cfg": 8.0,
            "sampler_name": "euler",
            "scheduler": "normal",
            "denoise": 1.0,
            "model": ["10", 0],
            "positive": ["6", 0],
            "negative": ["7", 0],
            "latent_image": ["5", 0],
        },
        "class_type": "KSampler",
        "_meta": {"title": "KSampler"},
    },
    "4": {"inputs": {"ckpt_name": "v1-5-pruned-emaonly.safetensors"}, "class_type": "CheckpointLoaderSimple"},
    "5": {"inputs": {"width": 512, "height": 768, "batch_size": 1}, "class_type": "EmptyLatentImage"},
    "6": {"inputs": {"text": "a glass bottle on a beach, storm", "clip": ["4", 1]}, "class_type": "CLIPTextEncode"},
    "7": {"inputs": {"text": "text, watermark", "clip": ["4", 1]}, "class_type": "CLIPTextEncode"},
    "8": {"inputs": {"samples": ["3", 0], "vae": ["4", 2]}, "class_type": "VAEDecode"},
    "9": {"inputs": {"filename_prefix": "ComfyUI", "images": ["8", 0]}, "class_type": "SaveImage"},
    "10": {
        "inputs": {"lora_name": "film.safetensors", "strength_model": 0.8, "strength_clip": 1.0, "model": ["4", 0], "clip": ["4", 1]},
        "class_type": "LoraLoader",
    },
}

COMFYUI_WORKFLOW = {
    "last_node_id": 10,
    "last_link_id": 11,
    "nodes": [{"id": int(number), "type": node["class_type"], "pos": [0, 0]} for number, node in COMFYUI.items()],
    "links": [
        [1, 4, 0, 10, 0, "MODEL"],
        [2, 5, 0, 3, 3, "LATENT"],
        [3, 4, 1, 6, 0, "CLIP"],
        [4, 6, 0, 3, 1, "CONDITIONING"],
        [5, 4, 1, 7, 0, "CLIP"],
        [6, 7, 0, 3, 2, "CONDITIONING"],
        [7, 3, 0, 8, 0, "LATENT"],
        [8, 4, 2, 8, 1, "VAE"],
        [9, 8, 0, 9, 0, "IMAGE"],
        [10, 10, 0, 3, 0, "MODEL"],
        [11, 4, 1, 10, 1, "CLIP"],
    ],
    "version": 0.4,
}

# FLUX: the sampler's settings stand in nodes of their own.
COMFYUI_FLUX = {
    "6": {"inputs": {"text": "an owl reading by candle light", "clip": ["11", 0]}, "class_type": "CLIPTextEncode"},
    "10": {"inputs": {"vae_name": "ae.safetensors"}, "class_type": "VAELoader"},
    "11": {"inputs": {"clip_name1": "t5xxl_fp16.safetensors", "clip_name2": "clip_l.safetensors", "type": "flux"}, "class_type": "DualCLIPLoader"},
    "12": {"inputs": {"unet_name": "flux1-dev.safetensors", "weight_dtype": "default"}, "class_type": "UNETLoader"},
    "13": {
        "inputs": {"noise": ["25", 0], "guider": ["22", 0], "sampler": ["16", 0], "sigmas": ["17", 0], "latent_image": ["27", 0]},
        "class_type": "SamplerCustomAdvanced",
    },
    "16": {"inputs": {"sampler_name": "euler"}, "class_type": "KSamplerSelect"},
    "17": {"inputs": {"scheduler": "simple", "steps": 25, "denoise": 1.0, "model": ["12", 0]}, "class_type": "BasicScheduler"},
    "22": {"inputs": {"model": ["12", 0], "conditioning": ["26", 0]}, "class_type": "BasicGuider"},
    "25": {"inputs": {"noise_seed": 219670278747233}, "class_type": "RandomNoise"},
    "26": {"inputs": {"guidance": 3.5, "conditioning": ["6", 0]}, "class_type": "FluxGuidance"},
    "27": {"inputs": {"width": 1024, "height": 1024, "batch_size": 1}, "class_type": "EmptySD3LatentImage"},
}

NOVELAI = {
    "Title": "NovelAI generated image",
    "Description": "1girl, reading, library, best quality",
    "Software": "NovelAI",
    "Source": "NovelAI Diffusion V4.5 4BDE2A90",
    "Generation time": "4.112",
    "Comment": '{"prompt": "1girl, reading, library, best quality", "steps": 28, "height": 1216, "width": 832, "scale": 5.0, '
    '"uncond_scale": 0.0, "cfg_rescale": 0.0, "seed": 2746381950, "n_samples": 1, "noise_schedule": "karras", '
    '"sampler": "k_euler_ancestral", "sm": false, "uc": "lowres, bad hands", "request_type": "PromptGenerateRequest"}',
}

INVOKEAI_3 = {
    "app_version": "3.4.0post2",
    "generation_mode": "txt2img",
    "positive_prompt": "a paper boat in the rain",
    "negative_prompt": "people",
    "width": 1024,
    "height": 768,
    "seed": 1823417,
    "rand_device": "cpu",
    "cfg_scale": 7.5,
    "steps": 30,
    "scheduler": "dpmpp_2m_k",
    "clip_skip": 0,
    "model": {"model_name": "stable-diffusion-xl-base-1-0", "base_model": "sdxl", "model_type": "main"},
}

INVOKEAI_2 = {
    "model": "stable diffusion",
    "model_weights": "stable-diffusion-1.5",
    "model_hash": "cc6cb27103417325ff94f52b7a5d2dde45a7515b25c255d8e396c90014281516",
    "app_id": "invoke-ai/InvokeAI",
    "app_version": "2.3.0",
    "image": {
        "prompt": [{"prompt": "a mill by a frozen lake", "weight": 1}],
        "steps": 50,
        "cfg_scale": 7.5,
        "threshold": 0,
        "perlin": 0,
        "height": 512,
        "width": 640,
        "seed": 3141592653,
        "type": "txt2img",
        "sampler": "k_lms",
    },
}

INVOKEAI_DREAM = '"an old map of an island" -s 50 -S 2718281828 -W 512 -H 384 -C 7.5 -A ddim'

FOOOCUS = {
    "adm_guidance": "(1.5, 0.8, 0.3)",
    "base_model": "juggernautXL_v8Rundiffusion",
    "base_model_hash": "aeb7e9e689",
    "clip_skip": 2,
    "full_negative_prompt": ["blurry"],
    "full_prompt": ["a violin maker at work"],
    "guidance_scale": 4,
    "loras": [],
    "metadata_scheme": "fooocus",
    "negative_prompt": "blurry",
    "performance": "Speed",
    "prompt": "a violin maker at work",
    "resolution": "(1152, 896)",
    "sampler": "dpmpp_2m_sde_gpu",
    "scheduler": "karras",
    "seed": "6743220583189230485",
    "sharpness": 2,
    "steps": 30,
    "styles": "['Fooocus V2']",
    "version": "Fooocus v2.5.5",
}

SWARMUI = {
    "sui_image_params": {
        "prompt": "two chairs on a balcony",
        "negativeprompt": "",
        "model": "OfficialStableDiffusion/sd_xl_base_1.0",
        "seed": 464657,
        "steps": 20,
        "cfgscale": 7.0,
        "aspectratio": "1:1",
        "width": 1024,
        "height": 1024,
        "swarm_version": "0.9.3.1",
    },
    "sui_extra_data": {"date": "2025-02-03"},
}

EASY_DIFFUSION = {
    "prompt": "a tram in fog",
    "negative_prompt": "cars",
    "seed": "4021337",
    "use_stable_diffusion_model": "sd-v1-5",
    "width": "512",
    "height": "512",
    "num_inference_steps": "25",
    "guidance_scale": "7.5",
    "sampler_name": "euler_a",
}

MIDJOURNEY = "a clockmaker's desk, macro photograph --ar 3:2 --v 6.1 Job ID: 3f2b8c1e-5a77-4e0b-9d5c-1a2b3c4d5e6f"
