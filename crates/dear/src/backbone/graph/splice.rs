//! A graph around the graph of another file: our nodes before it and after it, its own nodes and tensors byte for byte.
//!
//! ```text
//! image -> our nodes -> the file's input ... the file's graph ... some of its tensors -> our nodes -> our outputs
//! ```
//! Its inputs and outputs give way to ours. Its names stay, except those that are ours: they become `NAME.foreign`. Defaults of
//! its windows that rten does not know are written out.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use prost::Message;

use super::super::onnx::{TensorProto, graph, metadata_field, model, tensor};
use super::super::wire::{self, Field, Wire};
use super::{Attribute, AttributeProto, Graph, Known, MOST_BYTES, NodeProto, Value, port, too_large};
use crate::backbone::{Edit, ImportError, METADATA_KEY, OnnxModel};

/// How the names of our own nodes begin.
pub(super) const PREFIX: &str = "dear.";

/// Numbers of fields that no other part looks at.
mod node {
    pub(super) const INPUT: u32 = 1;
    pub(super) const OUTPUT: u32 = 2;
    pub(super) const ATTRIBUTE: u32 = 5;
}
mod attribute {
    pub(super) const GRAPH: u32 = 6;
    pub(super) const GRAPHS: u32 = 11;
}
/// `ValueInfoProto.name`.
const PORT_NAME: u32 = 1;

/// Where the other file's graph stands in ours.
#[derive(Debug, Default)]
pub(super) struct Around {
    /// The number of our nodes that come before it.
    before: usize,
    /// Values that are its own.
    inner: Vec<Value>,
}

/// Names of tensors in a graph.
#[derive(Debug, Default)]
struct Names<'f> {
    /// Of the graph itself.
    outer: BTreeSet<&'f [u8]>,
    /// Of the graphs in its nodes (`If`, `Loop`), which see the outer names too.
    nested: BTreeSet<&'f [u8]>,
}

impl Graph {
    /// An empty graph that will stand around another file's, and its input `image`, `[N, 3, H, W]`; of its lengths some may
    /// be fixed.
    pub fn around(input: [Option<usize>; 4]) -> (Self, Value) {
        let image = Known { name: "image".to_owned(), map: None };
        (Self { around: Some(Around::default()), ..Self::with_input(image, input) }, Value(0))
    }

    /// Hands `value`, which a node of ours computes, to the other file's input of this name. What is put down from here on
    /// comes after its graph.
    pub fn enter(&mut self, value: Value, input: &str) {
        input.clone_into(&mut self.values[value.0].name);
        if let Some(around) = &mut self.around {
            around.before = self.nodes.len();
            around.inner.push(value);
        }
    }

    /// A tensor of the other file's graph.
    pub fn inner(&mut self, name: &str) -> Value {
        let value = self.value(name.to_owned(), None);
        if let Some(around) = &mut self.around {
            around.inner.push(value);
        }
        value
    }

    /// The file: `network` with this graph around its own, and this document under the key `dear`.
    ///
    /// # Errors
    /// If a graph inside a node has one of our names, or if the file would have 2 GiB or more.
    pub fn to_onnx_around(&self, network: &OnnxModel<'_>, document: &str) -> Result<Vec<u8>, ImportError> {
        let (bytes, fields, inside) = network.parts();
        let renamed = self.renamed(&names(bytes, inside))?;
        let body = self.body(network, &renamed)?;
        if body.len() + document.len() + 1024 > MOST_BYTES {
            let found = format!("{} MB", body.len() / 1_000_000);
            return Err(too_large(found));
        }
        let entry = metadata_field(&Edit::Metadata { key: METADATA_KEY, value: Some(document) });
        let mut file = Vec::with_capacity(body.len() + document.len() + 1024);
        for field in fields {
            match field.number {
                model::GRAPH => wire::write_bytes(&mut file, model::GRAPH, &body),
                _ => file.extend_from_slice(&bytes[field.whole.clone()]),
            }
        }
        file.extend(entry);
        Ok(file)
    }

    /// The other file's names that are ours, with what they become.
    fn renamed(&self, theirs: &Names<'_>) -> Result<BTreeMap<Vec<u8>, String>, ImportError> {
        let inner = self.around.as_ref().map_or(&[][..], |around| &around.inner);
        let ours = (0..self.values.len()).filter(|&index| !inner.contains(&Value(index)));
        let mut renamed = BTreeMap::new();
        for name in ours.map(|index| &self.values[index].name) {
            if theirs.nested.contains(name.as_bytes()) {
                return Err(ImportError::contract(
                    format!("the name \"{name}\""),
                    "used in a graph inside a node (If, Loop)",
                    "another name, for it is one of the contract's",
                )
                .hinted("give it another name in the original network, and export that again"));
            }
            if theirs.outer.contains(name.as_bytes()) {
                let mut fresh = format!("{name}.foreign");
                while theirs.outer.contains(fresh.as_bytes()) || theirs.nested.contains(fresh.as_bytes()) {
                    fresh.push('_');
                }
                renamed.insert(name.clone().into_bytes(), fresh);
            }
        }
        Ok(renamed)
    }

    fn body(
        &self,
        network: &OnnxModel<'_>,
        renamed: &BTreeMap<Vec<u8>, String>,
    ) -> Result<Vec<u8>, ImportError> {
        let (bytes, _, fields) = network.parts();
        let before = self.around.as_ref().map_or(0, |around| around.before);
        let ours = self.with_inner_names(renamed);
        let copy = |out: &mut Vec<u8>, field: &Field, names: &[u32]| {
            write_renamed(out, bytes, field, names, renamed, &[]);
        };
        let shapes: HashMap<_, _> = network.shapes().collect();
        let mut out = Vec::new();
        ours[..before].iter().for_each(|node| wire::write_bytes(&mut out, graph::NODE, node));
        for field in fields.iter().filter(|field| field.number == graph::NODE) {
            let default = default_window(bytes, field, &shapes);
            write_renamed(&mut out, bytes, field, &[node::INPUT, node::OUTPUT], renamed, &default);
        }
        ours[before..].iter().for_each(|node| wire::write_bytes(&mut out, graph::NODE, node));
        let replaced: Vec<&str> = network.inputs().iter().map(|port| port.name.as_str()).collect();
        for field in fields {
            match field.number {
                graph::NODE | graph::OUTPUT => {}
                graph::INITIALIZER => copy(&mut out, field, &[tensor::NAME]),
                // What is left are initializers, which old files list as inputs too.
                graph::INPUT if replaced.iter().any(|name| has_name(bytes, field, name)) => {}
                graph::INPUT | graph::VALUE_INFO => copy(&mut out, field, &[PORT_NAME]),
                // Notes of a quantiser on tensors by name; no engine needs them.
                graph::QUANTIZATION if !renamed.is_empty() => {}
                _ => out.extend_from_slice(&bytes[field.whole.clone()]),
            }
        }
        self.initializers.iter().for_each(|tensor| tensor.write(&mut out));
        wire::write_bytes(&mut out, graph::INPUT, &port("image", &self.input).encode_to_vec());
        // Before IR version 4 every initializer is an input as well.
        if network.ir_version()? < 4 {
            for tensor in &self.initializers {
                wire::write_bytes(&mut out, graph::INPUT, &port_of(&tensor.header));
            }
        }
        for output in &self.outputs {
            wire::write_bytes(&mut out, graph::OUTPUT, &output.encode_to_vec());
        }
        Ok(out)
    }

    /// Our nodes, in which the other file's names are as they are after renaming.
    fn with_inner_names(&self, renamed: &BTreeMap<Vec<u8>, String>) -> Vec<Vec<u8>> {
        let inner = self.around.as_ref().map_or(&[][..], |around| &around.inner);
        let name = |value: &Value| {
            let name = &self.values[value.0].name;
            match renamed.get(name.as_bytes()).filter(|_| inner.contains(value)) {
                Some(fresh) => fresh.clone(),
                None => name.clone(),
            }
        };
        self.nodes.iter().map(|node| self.encode_with(node, name)).collect()
    }
}

/// The port of an initializer from its message without numbers.
fn port_of(header: &[u8]) -> Vec<u8> {
    let tensor = TensorProto::decode(header).expect("the graph encoded it itself");
    let shape: Vec<_> = tensor.dims.iter().map(|&side| Some(side as usize)).collect();
    let mut port = port(&tensor.name, &shape);
    if let Some(kind) = port.r#type.as_mut().and_then(|kind| kind.tensor.as_mut()) {
        kind.element_type = tensor.data_type;
    }
    port.encode_to_vec()
}

/// What ONNX infers of a node's window and rten 0.27 does not, as fields that come after the node's own: the kernel's sides are
/// those of the weights, and a pool moves by one. Empty where all is there.
fn default_window(bytes: &[u8], field: &Field, shapes: &HashMap<&str, &[u64]>) -> Vec<u8> {
    let Ok(node) = NodeProto::decode(&bytes[field.body.clone()]) else { return Vec::new() };
    let given = |name: &str| node.attribute.iter().find(|attribute| attribute.name == name);
    let attribute = match (node.domain.as_str(), node.op_type.as_str()) {
        ("" | "ai.onnx", "Conv" | "ConvTranspose" | "ConvInteger") if given("kernel_shape").is_none() => {
            let weight = node.input.get(1).and_then(|name| shapes.get(name.as_str()));
            weight.and_then(|shape| shape.get(2..)).map(|sides| {
                ("kernel_shape", Attribute::Ints(sides.iter().map(|&side| side as i64).collect()))
            })
        }
        ("" | "ai.onnx", "MaxPool" | "AveragePool") if given("strides").is_none() => {
            given("kernel_shape").map(|kernel| ("strides", Attribute::Ints(vec![1; kernel.ints.len()])))
        }
        _ => None,
    };
    let mut fields = Vec::new();
    if let Some(attribute) = attribute {
        wire::write_bytes(&mut fields, node::ATTRIBUTE, &AttributeProto::from(&attribute).encode_to_vec());
    }
    fields
}

/// A field that holds a message, with other names in its fields of these numbers, and with `more` fields at its end.
fn write_renamed(
    out: &mut Vec<u8>,
    bytes: &[u8],
    field: &Field,
    numbers: &[u32],
    renamed: &BTreeMap<Vec<u8>, String>,
    more: &[u8],
) {
    let fresh = |part: &Field| match part.wire == Wire::Length && numbers.contains(&part.number) {
        true => renamed.get(&bytes[part.body.clone()]),
        false => None,
    };
    if more.is_empty() && !parts(bytes, field).any(|part| fresh(&part).is_some()) {
        out.extend_from_slice(&bytes[field.whole.clone()]);
        return;
    }
    let mut message = Vec::with_capacity(field.body.len() + 64);
    for part in parts(bytes, field) {
        match fresh(&part) {
            Some(name) => wire::write_bytes(&mut message, part.number, name.as_bytes()),
            None => message.extend_from_slice(&bytes[part.whole]),
        }
    }
    message.extend_from_slice(more);
    wire::write_bytes(out, field.number, &message);
}

/// The fields of a message in a file that [`OnnxModel::parse`] has walked through.
fn parts<'f>(bytes: &'f [u8], field: &Field) -> impl Iterator<Item = Field> + use<'f> {
    let range = if field.wire == Wire::Length { field.body.clone() } else { 0..0 };
    wire::fields(bytes, range).map_while(Result::ok)
}

fn has_name(bytes: &[u8], field: &Field, name: &str) -> bool {
    parts(bytes, field).any(|part| part.number == PORT_NAME && bytes[part.body.clone()] == *name.as_bytes())
}

fn names<'f>(bytes: &'f [u8], fields: &[Field]) -> Names<'f> {
    let mut names = Names::default();
    let mut nested = Vec::new();
    for field in fields {
        collect(bytes, field, &mut names.outer, &mut nested);
    }
    while let Some(graph) = nested.pop() {
        for field in parts(bytes, &graph) {
            collect(bytes, &field, &mut names.nested, &mut nested);
        }
    }
    names
}

/// The names in one field of a graph, and the graphs inside it.
fn collect<'f>(bytes: &'f [u8], field: &Field, names: &mut BTreeSet<&'f [u8]>, nested: &mut Vec<Field>) {
    let wanted: &[u32] = match field.number {
        graph::NODE => &[node::INPUT, node::OUTPUT],
        graph::INITIALIZER => &[tensor::NAME],
        graph::INPUT | graph::OUTPUT | graph::VALUE_INFO => &[PORT_NAME],
        _ => return,
    };
    for part in parts(bytes, field).filter(|part| part.wire == Wire::Length) {
        if wanted.contains(&part.number) {
            names.insert(&bytes[part.body]);
        } else if field.number == graph::NODE && part.number == node::ATTRIBUTE {
            let graphs = |inner: &Field| matches!(inner.number, attribute::GRAPH | attribute::GRAPHS);
            nested.extend(parts(bytes, &part).filter(graphs));
        }
    }
}

/// What the numbers of a tensor come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The standard operator that computes them.
    pub(crate) operator: String,
    /// Whether it is a sum of products with weights, which has no bounds.
    pub(crate) linear: bool,
    /// Whether the tensor has some of its numbers only.
    pub(crate) picked: bool,
}

/// Operators whose numbers are those of their first input.
const MOVING: [&str; 10] = [
    "Identity",
    "Cast",
    "Reshape",
    "Squeeze",
    "Unsqueeze",
    "Flatten",
    "Transpose",
    "Dropout",
    "QuantizeLinear",
    "DequantizeLinear",
];
/// Those whose numbers are some of them.
const PICKING: [&str; 3] = ["Gather", "Slice", "Split"];
/// Sums of products with weights.
const LINEAR: [&str; 4] = ["Gemm", "MatMul", "Conv", "BatchNormalization"];
/// Those whose numbers have bounds, or may have them.
const BOUNDED: [&str; 6] = ["Softmax", "Sigmoid", "HardSigmoid", "Clip", "Concat", "Sum"];
/// As many of the former as are looked through.
const MOST_STEPS: usize = 64;

impl OnnxModel<'_> {
    /// What computes the numbers of a tensor, behind nodes that only move, convert or pick them. `None`: an input, a stored
    /// tensor, or an operator that is not ONNX's own.
    pub(crate) fn origin(&self, name: &str) -> Option<Origin> {
        let (bytes, _, fields) = self.parts();
        let mut nodes: HashMap<&[u8], &Field> = HashMap::new();
        for field in fields.iter().filter(|field| field.number == graph::NODE) {
            let outputs = parts(bytes, field).filter(|part| part.number == node::OUTPUT);
            nodes.extend(outputs.map(|part| (&bytes[part.body], field)));
        }
        let node_of = |name: &str| {
            let field = nodes.get(name.as_bytes())?;
            let node = NodeProto::decode(&bytes[field.body.clone()]).ok()?;
            matches!(node.domain.as_str(), "" | "ai.onnx").then_some(node)
        };
        let behind = |name: &str| {
            let (mut node, mut picked) = (node_of(name)?, false);
            for _ in 0..MOST_STEPS {
                let operator = node.op_type.as_str();
                let picks = PICKING.contains(&operator);
                if !picks && !MOVING.contains(&operator) {
                    return Some((node, picked));
                }
                picked |= picks;
                node = node_of(node.input.first()?)?;
            }
            None
        };
        // A weighted sum of probabilities may be one.
        let bounded =
            |name: &String| behind(name).is_some_and(|(node, _)| BOUNDED.contains(&node.op_type.as_str()));
        let product = |node: &NodeProto| {
            LINEAR.contains(&node.op_type.as_str()) && !node.input.iter().take(2).any(bounded)
        };
        let (node, picked) = behind(name)?;
        // Exporters write a linear layer's bias as a sum of its own; other sums may be of probabilities.
        let biased = node.op_type == "Add"
            && node.input.iter().take(2).any(|name| node_of(name).is_some_and(|node| product(&node)));
        Some(Origin { linear: biased || product(&node), picked, operator: node.op_type })
    }

    /// Whether a node of the graph itself computes a tensor of this name.
    pub fn computes(&self, name: &str) -> bool {
        let (bytes, _, fields) = self.parts();
        let nodes = fields.iter().filter(|field| field.number == graph::NODE);
        nodes
            .flat_map(|field| parts(bytes, field))
            .any(|part| part.number == node::OUTPUT && bytes.get(part.body) == Some(name.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::onnx::OperatorSet;
    use super::*;

    /// A model of nodes: operator, domain, input, output.
    fn model_of(nodes: &[[&str; 4]]) -> Vec<u8> {
        let mut body = Vec::new();
        for [operator, domain, input, output] in nodes {
            let node = NodeProto {
                input: input.split(' ').map(str::to_owned).collect(),
                output: output.split(' ').map(str::to_owned).collect(),
                op_type: (*operator).to_owned(),
                domain: (*domain).to_owned(),
                ..NodeProto::default()
            };
            wire::write_bytes(&mut body, graph::NODE, &node.encode_to_vec());
        }
        // Format version 8.
        let mut file = vec![8, 8];
        wire::write_bytes(&mut file, model::GRAPH, &body);
        let operators = OperatorSet { domain: String::new(), version: 17 };
        wire::write_bytes(&mut file, model::OPSET_IMPORT, &operators.encode_to_vec());
        file
    }

    #[test]
    fn the_operator_behind_what_only_moves_and_picks_numbers_is_found() {
        let file = model_of(&[
            ["MatMul", "", "x w", "product"],
            ["Add", "ai.onnx", "bias product", "score"],
            ["Softmax", "", "score", "shares"],
            ["Cast", "", "shares", "cast"],
            ["Gather", "", "cast one", "share"],
            ["Reshape", "", "share shape", "flat"],
            ["Split", "", "score", "first second"],
            ["Add", "", "flat share", "mixed"],
            ["Sigmoid", "theirs", "score", "other"],
            ["Identity", "", "circle", "circle"],
            ["Reshape", "", "shares shape", "row"],
            ["MatMul", "", "row group", "sum"],
            ["Add", "", "sum bias", "biased"],
        ]);
        let model = OnnxModel::parse(&file).expect("a model");
        let found = |name: &str| {
            let origin = model.origin(name)?;
            Some((origin.operator, origin.linear, origin.picked))
        };
        let expected = |operator: &str, linear, picked| Some((operator.to_owned(), linear, picked));
        assert_eq!(found("product"), expected("MatMul", true, false));
        assert_eq!(found("score"), expected("Add", true, false));
        assert_eq!(found("cast"), expected("Softmax", false, false));
        assert_eq!(found("flat"), expected("Softmax", false, true));
        assert_eq!(found("second"), expected("Add", true, true));
        assert_eq!(found("mixed"), expected("Add", false, false));
        // Of shares, a sum with weights may be one, too.
        assert_eq!(found("sum"), expected("MatMul", false, false));
        assert_eq!(found("biased"), expected("Add", false, false));
        for unknown in ["x", "other", "circle", "nothing"] {
            assert_eq!(found(unknown), None, "{unknown}");
        }
    }
}
