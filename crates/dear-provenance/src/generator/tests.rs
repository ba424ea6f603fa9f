use super::*;

fn get(trace: &Trace, name: &str) -> Option<String> {
    trace.details.clone().into_vec().into_iter().find(|detail| detail.name == name).map(|detail| detail.value)
}

#[test]
fn words_of_the_web_ui_need_three_settings() {
    let cases = [
        ("a cat\nSteps: 20, Sampler: Euler a, Seed: 1", true),
        ("Steps: 20, Sampler: Euler a, Seed: 1", true),
        ("a cat\nNegative prompt: dog\nSteps: 20, Seed: 1, Size: 2x3\nTemplate: a {cat|dog}", true),
        ("a cat\nSteps: 20, Sampler: Euler a", false),
        ("Steps: 1. Boil water. 2. Wait.", false),
        ("a cat, Steps: 20, Sampler: Euler a, Seed: 1", false),
        ("", false),
    ];
    for (text, expected) in cases {
        assert_eq!(webui::read(text).is_some(), expected, "{text:?}");
    }
}

#[test]
fn settings_may_be_quoted() {
    let text = "a\nSteps: 2, Model: \"x, y: \\\"z\\\"\", Lora hashes: \"Seed: 9\", Seed: 7, Sampler: s";
    let trace = webui::read(text).expect("settings");
    assert_eq!(get(&trace, "model").as_deref(), Some("x, y: \"z\""));
    assert_eq!(get(&trace, "seed").as_deref(), Some("7"), "what is quoted is no setting");
    assert_eq!(get(&trace, "prompt").as_deref(), Some("a"));
    let open = webui::read("Steps: 2, Seed: 7, Model: \"never closed").expect("settings");
    assert_eq!(get(&open, "model").as_deref(), Some("never closed"));
}

#[test]
fn programs_that_write_like_the_web_ui_are_told_apart() {
    let cases = [
        ("Version: v1.10.1", "Stable Diffusion web UI, or a program that writes like it"),
        ("Version: f2.0.1v1.10.1", "Stable Diffusion WebUI Forge"),
        ("Version: ComfyUI", "ComfyUI"),
        ("App: SD.Next, Version: 2024", "SD.Next"),
        ("Civitai resources: [x]", "Civitai"),
    ];
    for (last, expected) in cases {
        let trace = webui::read(&format!("Steps: 1, Seed: 2, Sampler: s, {last}")).expect("settings");
        assert_eq!(trace.program, expected);
    }
}

#[test]
fn texts_behind_other_nodes_are_found() {
    let graph = r#"{
        "1": {"class_type": "KSampler", "inputs": {"sampler_name": "s", "steps": 3, "positive": ["2", 0], "negative": ["2", 1], "model": ["1", 0]}},
        "2": {"class_type": "ControlNetApplyAdvanced", "inputs": {"positive": ["3", 0], "negative": ["4", 0]}},
        "3": {"class_type": "CLIPTextEncode", "inputs": {"text": ["5", 0], "clip": ["9", 0]}},
        "4": {"class_type": "CLIPTextEncode", "inputs": {"text": "not this"}},
        "5": {"class_type": "PrimitiveString", "inputs": {"prompt": "this"}}
    }"#;
    let trace = comfyui::prompt(graph).expect("a graph");
    assert_eq!(get(&trace, "prompt").as_deref(), Some("this"));
    assert_eq!(get(&trace, "negative prompt").as_deref(), Some("not this"));
    assert_eq!(get(&trace, "model"), None, "a node that leads to itself ends");
    for other in ["{}", "[]", "1", "{\"a\": 1}", "{\"1\": {\"inputs\": {}}}", "{", "a cat"] {
        assert!(comfyui::prompt(other).is_none(), "{other}");
    }
}

#[test]
fn names_are_whole_words_in_fields_for_names() {
    let cases = [
        ("Midjourney", Some("Midjourney")),
        ("made with Stable Diffusion XL", Some("Stable Diffusion")),
        ("Edited with Google AI", Some("Google AI")),
        ("DALL·E 3", Some("DALL-E")),
        ("Adobe Firefly 3", Some("Adobe Firefly")),
        ("Hawkeye Firefly 8S", None),
        ("Adobe ImageReady", None),
        ("openairlines scanner", None),
        ("", None),
    ];
    for (text, expected) in cases {
        assert_eq!(names::of(text).map(|known| known.name), expected, "{text:?}");
    }
    assert!(names::of(&format!("Midjourney{}", " ".repeat(200))).is_none(), "a name is short");
}

#[test]
fn descriptions_must_say_that_a_generator_made_it() {
    let cases = [
        ("a fox, created by Midjourney", Some("Midjourney")),
        ("Generated using OpenAI's DALL-E 3", Some("DALL-E")),
        ("an interview at Midjourney", None),
        ("made with love", None),
        ("made with", None),
        ("x Job ID: 3f2b8c1e-5a77-4e0b-9d5c-1a2b3c4d5e6f", Some("Midjourney")),
        ("the print shop's Job ID: 4711", None),
    ];
    for (text, expected) in cases {
        assert_eq!(described(text).map(|trace| trace.program), expected.map(str::to_owned), "{text:?}");
    }
}

#[test]
fn commands_of_invoke_may_join_letter_and_value() {
    let trace = settings::invoke("Dream", "\"a \"b\" c\" -s50 -S 42 -W512 -H384 -Ak_lms -é1 - -C")
        .expect("a command");
    let got = ["prompt", "steps", "seed", "size", "sampler", "guidance"].map(|name| get(&trace, name));
    let expected = [Some("a \"b\" c"), Some("50"), Some("42"), Some("512x384"), Some("k_lms"), None];
    assert_eq!(got, expected.map(|value| value.map(str::to_owned)));
    assert!(settings::invoke("Dream", "no quotes").is_none());
    assert!(settings::invoke("sd-metadata", "[]").is_none());
}
