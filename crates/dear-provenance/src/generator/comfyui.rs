//! ComfyUI: the graph that was run (`prompt`), and the graph as it was drawn (`workflow`), both JSON.

use super::{Trace, json};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// Most links that are followed from a node to a text or a model.
const MAX_LINKS: usize = 32;

/// `{"3": {"class_type": "KSampler", "inputs": {"seed": 5, "positive": ["6", 0]}}}`
pub(super) fn prompt(text: &str) -> Option<Trace> {
    let Some(Value::Object(graph)) = json(text) else { return None };
    if graph.is_empty() || !graph.values().all(|node| node["class_type"].is_string()) {
        return None;
    }
    // The first node that samples stands for the graph: which has sampler_name of its own, or gets noise.
    let sampler = graph.values().map(|node| &node["inputs"]).find(|inputs| {
        (inputs["sampler_name"].is_string() && !inputs["steps"].is_null()) || !inputs["noise"].is_null()
    });
    let types = graph.values().filter_map(|node| node["class_type"].as_str());
    // Nodes that have a service make the picture.
    let asks = |inputs: &Value| {
        inputs["prompt"].as_str().is_some_and(|text| !text.is_empty()) && !inputs["seed"].is_null()
    };
    let asked = graph.values().any(|node| asks(&node["inputs"]));
    let mut trace = trace(types, asked || sampler.is_some());
    let details = &mut trace.details;
    details.add("nodes", graph.len().to_string());
    let any = |name: &str| graph.values().map(|node| &node["inputs"][name]).find_map(scalar);
    let of_sampler = |name: &str| sampler.and_then(|inputs| scalar(&inputs[name])).or_else(|| any(name));

    let model = sampler.and_then(|inputs| follow(&graph, inputs, "model", &MODELS));
    details
        .add_some("model", model.or_else(|| MODELS.iter().find_map(|name| any(name).map(Cow::into_owned))));
    details.add_some("sampler", of_sampler("sampler_name"));
    details.add_some("scheduler", of_sampler("scheduler"));
    details.add_some("steps", of_sampler("steps"));
    details.add_some("guidance", of_sampler("cfg").or_else(|| any("guidance")));
    details.add_some("seed", of_sampler("seed").or_else(|| any("noise_seed")));
    details
        .add_some("size", any("width").zip(any("height")).map(|(width, height)| format!("{width}x{height}")));
    let text = |name: &str| sampler.and_then(|inputs| follow(&graph, inputs, name, &TEXTS));
    details.add_some(
        "prompt",
        text("positive").or_else(|| TEXTS.iter().find_map(|name| any(name).map(Cow::into_owned))),
    );
    details.add_some("negative prompt", text("negative"));
    Some(trace)
}

/// `{"nodes": [...], "links": [...]}`; nodes may be put together, and then stand apart in `definitions`.
pub(super) fn workflow(text: &str) -> Option<Trace> {
    let graph = json(text)?;
    let nodes = graph["nodes"].as_array().filter(|_| graph["links"].is_array())?;
    let parts = graph["definitions"]["subgraphs"].as_array().into_iter().flatten();
    let inside = parts.filter_map(|part| part["nodes"].as_array()).flatten();
    let works = nodes.iter().chain(inside).filter(|node| !OFF.contains(&node["mode"].as_i64()));
    let mut trace = trace(works.filter_map(|node| node["type"].as_str()), false);
    trace.details.add("workflow", format!("{} nodes", nodes.len()));
    Some(trace)
}

/// ComfyUI also scales and cuts out photographs: a graph declares something where nodes of these types make a picture.
fn trace<'g>(types: impl Iterator<Item = &'g str>, samples: bool) -> Trace {
    let types: Vec<&str> = types.collect();
    let makes = |node: &&str| {
        let node = node.to_ascii_lowercase();
        MAKERS.iter().any(|part| node.contains(part))
    };
    if samples || types.iter().any(makes) {
        return Trace::new("ComfyUI");
    }
    let mut trace = Trace { declares: None, ..Trace::new("ComfyUI") };
    trace.details.add("node types", types.join(", "));
    trace
}

/// EXIF of the WebP files of ComfyUI: `prompt:{...}` and `workflow:{...}` where a camera has its make and model.
pub(super) fn labelled(text: &str) -> Option<Trace> {
    let (label, json) = label(text)?;
    if label == "prompt" { prompt(json) } else { workflow(json) }
}

pub(crate) fn is_labelled(text: &str) -> bool {
    label(text).is_some()
}

fn label(text: &str) -> Option<(&str, &str)> {
    let (label, json) = text.split_once(':')?;
    let label = ["prompt", "workflow"].into_iter().find(|known| known.eq_ignore_ascii_case(label.trim()))?;
    json.trim_start().starts_with('{').then_some((label, json))
}

/// Parts of the types of nodes that make pictures, or load the models of those.
const MAKERS: [&str; 3] = ["sampl", "checkpointloader", "unetloader"];
/// Modes of nodes that do not run: muted, bypassed.
const OFF: [Option<i64>; 2] = [Some(2), Some(4)];
const MODELS: [&str; 3] = ["ckpt_name", "unet_name", "model_name"];
const TEXTS: [&str; 5] = ["text", "text_g", "clip_l", "t5xxl", "prompt"];

/// The first of the inputs `wanted` that is a text, from the node that the input `name` leads to on through that node's own
/// links, breadth first: a text may be another node's, and stand behind nodes that combine or convert it. Where a node has an
/// input `name` itself, what it passes on by that name came in by it.
fn follow(graph: &Map<String, Value>, inputs: &Value, name: &str, wanted: &[&str]) -> Option<String> {
    let mut ahead: Vec<&str> = target(&inputs[name]).into_iter().collect();
    let mut next = 0;
    while next < ahead.len() {
        let inputs = graph.get(ahead[next]).map(|node| &node["inputs"]);
        next += 1;
        let Some(Value::Object(inputs)) = inputs else { continue };
        if let Some(text) = wanted.iter().find_map(|name| inputs.get(*name)?.as_str()) {
            return Some(text.to_owned());
        }
        let same = inputs.get(name).and_then(target);
        let links = inputs.values().filter_map(target).filter(|id| same.is_none_or(|same| same == *id));
        for id in links {
            if ahead.len() < MAX_LINKS && !ahead.contains(&id) {
                ahead.push(id);
            }
        }
    }
    None
}

/// A link is the number of a node and of one of its outputs.
fn target(link: &Value) -> Option<&str> {
    match link.as_array()?.as_slice() {
        [Value::String(id), Value::Number(_)] => Some(id),
        _ => None,
    }
}

/// A text, a number or a truth value; links, lists and objects are none.
pub(super) fn scalar(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.into()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string().into()),
        _ => None,
    }
}
