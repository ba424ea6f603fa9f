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

/// ComfyUI writes Python's `NaN` where a node is to run again (Comfy-Org/ComfyUI#6915).
#[test]
fn numbers_that_json_does_not_have_are_read() {
    let graph = r#"{"3": {"class_type": "KSampler", "inputs": {"seed": 5, "steps": 20, "sampler_name": "NaN \"-Infinity"},
        "is_changed": NaN, "other": [-Infinity, Infinity, "\\"]}}"#;
    let trace = comfyui::prompt(graph).expect("a graph");
    assert_eq!(get(&trace, "sampler").as_deref(), Some("NaN \"-Infinity"));
    assert!(comfyui::prompt(&graph.replace("NaN,", "nan,")).is_none());
    let settings = settings::novelai(r#"{"uc": "", "sampler": "k", "scale": NaN, "seed": 1}"#, None, None);
    assert!(settings.is_none(), "a scale is not there");
}

#[test]
fn a_graph_that_makes_no_picture_declares_nothing() {
    let prompt = |kind: &str| {
        let graph = format!(
            r#"{{"1": {{"class_type": "LoadImage", "inputs": {{"image": "IMG_2041.jpg"}}}},
                "2": {{"class_type": "UpscaleModelLoader", "inputs": {{"model_name": "x4"}}}},
                "3": {{"class_type": "{kind}", "inputs": {{"image": ["1", 0]}}}}}}"#
        );
        comfyui::prompt(&graph).expect("a graph")
    };
    let scaled = prompt("ImageScale");
    assert_eq!((scaled.program.as_str(), scaled.declares), ("ComfyUI", None));
    assert_eq!(get(&scaled, "node types").as_deref(), Some("LoadImage, UpscaleModelLoader, ImageScale"));
    assert_eq!(prompt("SUPIR_sample").declares, Some(Declares::Generated));
    let service =
        r#"{"1": {"class_type": "FluxProUltraImageNode", "inputs": {"prompt": "a cat", "seed": 5}}}"#;
    assert_eq!(comfyui::prompt(service).expect("a graph").declares, Some(Declares::Generated));

    let workflow = |mode: u32, inside: &str| {
        let graph = format!(
            r#"{{"nodes": [{{"type": "LoadImage"}}, {{"type": "KSampler", "mode": {mode}}}], "links": [],
                "definitions": {{"subgraphs": [{{"nodes": [{{"type": "{inside}"}}]}}]}}}}"#
        );
        comfyui::workflow(&graph).expect("a graph").declares
    };
    assert_eq!(workflow(0, "PreviewImage"), Some(Declares::Generated));
    assert_eq!((workflow(2, "PreviewImage"), workflow(4, "PreviewImage")), (None, None));
    assert_eq!(workflow(4, "KSampler (Efficient)"), Some(Declares::Generated));
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

/// Program and what it declares.
type Said = Option<(&'static str, Option<Declares>)>;

const MADE: Option<Declares> = Some(Declares::Generated);
const PARTLY: Option<Declares> = Some(Declares::PartlyGenerated);

fn assert_said(read: fn(&str) -> Option<Trace>, cases: &[(&str, Said)]) {
    for (text, expected) in cases {
        let got = read(text).map(|trace| (trace.program, trace.declares));
        assert_eq!(got, expected.map(|(name, declares)| (name.to_owned(), declares)), "{text:?}");
    }
}

#[test]
fn free_text_declares_only_by_a_whole_statement() {
    let cases: [(&str, Said); 40] = [
        ("Made with Google AI", Some(("Google AI", MADE))),
        ("made with google ai.", Some(("Google AI", MADE))),
        ("Edited with Google AI", Some(("Google AI", PARTLY))),
        ("Imagined with AI", Some(("Meta AI", MADE))),
        ("AI generated image", Some((names::UNNAMED, MADE))),
        ("AI-generated", Some((names::UNNAMED, MADE))),
        ("NovelAI generated image", Some(("NovelAI", MADE))),
        ("Generated using OpenAI's DALL-E 3", Some(("DALL-E", MADE))),
        ("Created with Stable Diffusion v1.5", Some(("Stable Diffusion", MADE))),
        ("x Job ID: 3f2b8c1e-5a77-4e0b-9d5c-1a2b3c4d5e6f", Some(("Midjourney", MADE))),
        // Facts.
        ("a fox, created by Midjourney", Some(("Midjourney", None))),
        ("Not my best day. A fox, created by Midjourney", Some(("Midjourney", None))),
        ("a logo made by OpenAI", Some(("OpenAI", None))),
        ("Midjourney", Some(("Midjourney", None))),
        ("DALL·E 3", Some(("DALL-E", None))),
        ("Ideogram v2a", Some(("Ideogram", None))),
        // Nothing.
        ("This was not generated by Midjourney", None),
        ("This wasn't made with ChatGPT", None),
        ("No part of this picture was generated with Stable Diffusion", None),
        ("never, ever made using Midjourney", None),
        ("Not made with AI", None),
        ("Not edited with Google AI", None),
        ("Chinese ideogram carved in stone", None),
        ("Ideogram v2a, a talk", None),
        ("Ideogram via REUTERS", None),
        ("A developer using ChatGPT in a cafe", None),
        ("Handout/OpenAI via REUTERS", None),
        ("https://openai.com/press", None),
        ("OpenAI", None),
        ("Stability AI", None),
        ("Made with AI Weiwei", None),
        ("Made with AI", Some((names::UNNAMED, MADE))),
        ("Generated by AI Weiwei", None),
        ("The first AI generated image in a museum", None),
        ("an interview at Midjourney", None),
        ("made with love", None),
        ("made with", None),
        ("made", None),
        ("the print shop's Job ID: 4711", None),
        ("", None),
    ];
    assert_said(described, &cases);
}

#[test]
fn fields_for_programs_declare_by_a_name() {
    let cases: [(&str, Said); 20] = [
        ("Midjourney", Some(("Midjourney", MADE))),
        ("Adobe Firefly 3", Some(("Adobe Firefly", MADE))),
        ("DALL·E 3", Some(("DALL-E", MADE))),
        ("made with Stable Diffusion XL", Some(("Stable Diffusion", MADE))),
        ("OpenAI ChatGPT", Some(("ChatGPT", MADE))),
        ("Made with Google AI", Some(("Google AI", MADE))),
        ("Edited with Google AI", Some(("Google AI", PARTLY))),
        ("AI generated;txt2img;flux", Some((names::UNNAMED, MADE))),
        ("OpenAI", Some(("OpenAI", None))),
        ("Black Forest Labs", Some(("Black Forest Labs", None))),
        ("Not made with Midjourney", None),
        ("Krita, without Stable Diffusion", None),
        ("Midjourney: none", None),
        ("non-ComfyUI", None),
        ("Made with AI Weiwei", None),
        ("Adobe Photoshop 25.0", None),
        ("Hawkeye Firefly 8S", None),
        ("openairlines scanner", None),
        ("", None),
        (" ", None),
    ];
    assert_said(named, &cases);
}

#[test]
fn a_field_may_say_that_no_system_was_used() {
    let none = [
        "none",
        "None",
        "NO",
        "n/a",
        "N.A.",
        " na ",
        "-",
        "",
        "null",
        "unknown",
        "No AI was used",
        "not used",
    ];
    for text in none {
        assert!(names::is_no_system(text), "{text:?}");
    }
    for text in ["Bing Image Creator", "Nano Banana", "Nova Canvas", "DALL·E 3", "通义万相"] {
        assert!(!names::is_no_system(text), "{text:?}");
    }
}

/// The generator of a PNG with these texts.
fn of_png(texts: &[(&str, &str)]) -> (crate::State, Option<Declares>, Option<String>) {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    for (keyword, value) in texts {
        let international = format!("{keyword}\0\0\0\0\0{value}");
        bytes.extend((international.len() as u32).to_be_bytes());
        bytes.extend([b"iTXt", international.as_bytes(), b"crc."].concat());
    }
    bytes.extend(b"\0\0\0\0IENDcrc.");
    let found = crate::read(&bytes).generator;
    (found.state, found.declares, found.summary)
}

#[test]
fn each_field_is_read_as_what_it_is() {
    use crate::State::{Found, NotFound};
    let absent = (NotFound, None, None);
    let spoken = |name| (Found, None, Some(format!("it speaks of {name}, and does not clearly say more")));
    let made = |name: &str| (Found, MADE, Some(name.to_owned()));
    let cases: [(&[(&str, &str)], _); 21] = [
        (&[("Description", "This was not generated by Midjourney")], absent.clone()),
        (&[("Title", "Chinese ideogram carved in stone")], absent.clone()),
        (&[("Title", "A developer using ChatGPT in a cafe")], absent.clone()),
        (&[("Source", "https://openai.com/press")], absent.clone()),
        (&[("Author", "Made with AI Weiwei")], absent.clone()),
        (&[("Creator", "ChatGPT fan club")], absent.clone()),
        (&[("Comment", "made with Midjourney or not")], absent.clone()),
        (&[("Credit", "Handout/OpenAI via REUTERS")], absent.clone()),
        (&[("System", "none")], absent.clone()),
        (&[("System", "No AI was used")], absent.clone()),
        (&[("Author", "Midjourney")], spoken("Midjourney")),
        (&[("Credit", "Midjourney")], spoken("Midjourney")),
        (&[("Software", "OpenAI")], spoken("OpenAI")),
        (&[("Software", "ChatGPT")], made("ChatGPT")),
        (&[("Tool", "Adobe Firefly")], made("Adobe Firefly")),
        (&[("Credit", "Made with Google AI")], made("Google AI")),
        (&[("Title", "NovelAI generated image")], made("NovelAI")),
        (&[("System", "Black Forest Labs FLUX.1")], made("Black Forest Labs FLUX.1")),
        // A name alone takes nothing away from what declares.
        (&[("Author", "Midjourney"), ("Software", "Midjourney")], made("Midjourney")),
        (&[("Author", "Midjourney"), ("Software", "Made with AI")], made(names::UNNAMED)),
        (&[("Author", "Craiyon"), ("Software", "ComfyUI")], made("ComfyUI")),
    ];
    let packet = |property: &str, value: &str| {
        format!(
            "<rdf:Description xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#' \
             xmlns:a='http://ns.adobe.com/photoshop/1.0/' xmlns:b='http://ns.adobe.com/xap/1.0/' \
             xmlns:c='http://iptc.org/std/Iptc4xmpExt/2008-02-29/' {property}='{value}'/>"
        )
    };
    for (texts, expected) in cases {
        let texts: Vec<_> = texts
            .iter()
            .map(|(field, value)| match *field {
                "Credit" => ("XML:com.adobe.xmp", packet("a:Credit", value)),
                "Tool" => ("XML:com.adobe.xmp", packet("b:CreatorTool", value)),
                "System" => ("XML:com.adobe.xmp", packet("c:AISystemUsed", value)),
                keyword => (keyword, (*value).to_owned()),
            })
            .collect();
        let texts: Vec<_> = texts.iter().map(|(keyword, value)| (*keyword, value.as_str())).collect();
        assert_eq!(of_png(&texts), expected, "{texts:?}");
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
