//! A view of an ONNX file that changes nothing it was not asked to change.
//!
//! Reading keeps the position of every field; writing copies all of them byte for byte, except the few that an
//! [`Edit`] replaces. Of the model's contents only names, types and shapes of inputs and outputs, tensors by name and
//! `metadata_props` are understood, as <https://github.com/onnx/onnx/blob/v1.19.0/onnx/onnx.proto> defines them.
//!
//! The file is not trusted: lengths are checked, nesting and the number of fields are bounded, tensors in other files
//! are refused (an engine would open any path that the file names).

use std::ops::Range;

use prost::Message;
use sha2::{Digest, Sha256};

use super::looks_like;
use super::wire::{self, Field, Wire, WireError};
use super::{ImportError, LooksLike, METADATA_KEY, Problem};
use crate::files::hex;

/// An ONNX file, taken apart as far as needed.
#[derive(Debug)]
pub struct OnnxModel<'f> {
    file: &'f [u8],
    fields: Vec<Field>,
    graph: Vec<Field>,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    initializers: Vec<TensorView>,
}

/// An input or output of the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// ONNX's number for the element type: 1 is f32.
    pub element_type: i32,
    /// The dimensions, if they are declared: a length, or `None` for one that varies.
    pub shape: Option<Vec<Option<u64>>>,
}

/// A tensor of f32.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// The length of each dimension.
    pub shape: Vec<u64>,
    /// All numbers, row-major.
    pub data: Vec<f32>,
}

/// A change to a model file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Edit<'e> {
    /// Other numbers for an initializer of f32, as many as it has.
    Tensor {
        /// The initializer.
        name: &'e str,
        /// Its new numbers, row-major.
        data: &'e [f32],
    },
    /// Another text under a key of `metadata_props`; `None` removes the key.
    Metadata {
        /// The key.
        key: &'e str,
        /// Its new text.
        value: Option<&'e str>,
    },
}

impl<'f> OnnxModel<'f> {
    /// Takes a file apart. Fails on everything that is not one self-contained ONNX model.
    pub fn parse(file: &'f [u8]) -> Result<Self, ImportError> {
        let looks_like = LooksLike::of(file);
        if file.is_empty() {
            return Err(ImportError::new(Problem::Empty));
        } else if looks_like != LooksLike::Unknown {
            return Err(ImportError::new(Problem::NotOnnx(looks_like)));
        }
        let fields = read_fields(file, 0..file.len()).map_err(|error| match looks_like::is_model(file) {
            true => error,
            false => ImportError::new(Problem::NotOnnx(looks_like)),
        })?;
        if !looks_like::is_model(file) {
            return Err(ImportError::new(Problem::NotOnnx(looks_like)));
        }
        let mut graphs = fields.iter().filter(|field| field.number == model::GRAPH);
        let (Some(graph), None) = (graphs.next(), graphs.next()) else {
            return Err(missing(file, "the model has not exactly one graph"));
        };
        if !fields.iter().any(|field| field.number == model::OPSET_IMPORT) {
            return Err(missing(file, "the model names no operator set"));
        }
        let graph = read_fields(file, graph.body.clone())?;
        let mut model = Self { file, fields, graph, inputs: vec![], outputs: vec![], initializers: vec![] };
        model.check_structure()?;
        model.initializers = model.read_initializers()?;
        let held = |port: &Port| model.initializers.iter().any(|tensor| tensor.name == port.name);
        // Before IR version 4 initializers were listed as inputs too.
        model.inputs = model.ports(graph::INPUT)?.into_iter().filter(|port| !held(port)).collect();
        model.outputs = model.ports(graph::OUTPUT)?;
        Ok(model)
    }

    /// The inputs, without those that have a value in the file.
    pub fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    /// The bytes, the fields of the model and those of its graph.
    pub(super) fn parts(&self) -> (&'f [u8], &[Field], &[Field]) {
        (self.file, &self.fields, &self.graph)
    }

    /// Names and shapes of the initializers.
    pub(super) fn shapes(&self) -> impl Iterator<Item = (&str, &[u64])> {
        self.initializers.iter().map(|tensor| (tensor.name.as_str(), tensor.shape.as_slice()))
    }

    /// The version of the standard operators that the file asks for.
    pub fn operators(&self) -> Result<Option<i64>, ImportError> {
        let mut version = None;
        for field in self.fields.iter().filter(|field| field.number == model::OPSET_IMPORT) {
            let set = self.decode::<OperatorSet>(field)?;
            if matches!(set.domain.as_str(), "" | "ai.onnx") {
                version = Some(set.version);
            }
        }
        Ok(version)
    }

    /// The version of the file's format; of several, the last.
    pub(super) fn ir_version(&self) -> Result<u64, ImportError> {
        let versions = self.fields.iter().filter(|field| field.number == model::IR_VERSION);
        versions.map(|field| number(self.file, field)).next_back().unwrap_or(Ok(0))
    }

    /// The outputs.
    pub fn outputs(&self) -> &[Port] {
        &self.outputs
    }

    /// The initializer of this name, which must be of f32.
    pub fn tensor(&self, name: &str) -> Result<Tensor, ImportError> {
        let tensor = self.initializer(name)?;
        Ok(Tensor { shape: tensor.shape.clone(), data: tensor.floats(self.file)? })
    }

    /// The text under a key of `metadata_props`; of several, the last.
    pub fn metadata(&self, key: &str) -> Result<Option<String>, ImportError> {
        let mut found = None;
        for field in self.fields.iter().filter(|field| field.number == model::METADATA_PROPS) {
            let entry = self.decode::<StringStringEntry>(field)?;
            if entry.key == key {
                found = Some(entry.value);
            }
        }
        Ok(found)
    }

    /// The document `dear`, as text.
    pub fn document(&self) -> Result<String, ImportError> {
        self.metadata(METADATA_KEY)?
            .ok_or_else(|| ImportError::new(Problem::Metadata("absent, expected a JSON document".to_owned())))
    }

    /// Refuses initializers that hold NaN or an infinite number.
    pub fn check_finite(&self) -> Result<(), ImportError> {
        for tensor in &self.initializers {
            if let Some((index, value)) = tensor.first_non_finite(self.file) {
                return Err(ImportError::new(Problem::NonFinite {
                    tensor: tensor.name.clone(),
                    index,
                    value,
                }));
            }
        }
        Ok(())
    }

    /// The file with these changes. Without any, the same bytes.
    pub fn rewrite(&self, edits: &[Edit<'_>]) -> Result<Vec<u8>, ImportError> {
        let mut out = Vec::with_capacity(self.file.len() + 1024);
        self.write(edits, |bytes| out.extend_from_slice(bytes))?;
        Ok(out)
    }

    /// The SHA-256 of what [`rewrite`](Self::rewrite) gives, in hexadecimal, without a copy of the file.
    pub fn rewritten_sha256(&self, edits: &[Edit<'_>]) -> Result<String, ImportError> {
        let mut hash = Sha256::new();
        self.write(edits, |bytes| hash.update(bytes))?;
        Ok(hex(&hash.finalize()))
    }

    /// Hands the changed file to `out`, piece by piece.
    fn write(&self, edits: &[Edit<'_>], mut out: impl FnMut(&[u8])) -> Result<(), ImportError> {
        let mut written = vec![false; edits.len()];
        for field in &self.fields {
            match field.number {
                model::GRAPH => self.write_graph(field, edits, &mut out)?,
                model::METADATA_PROPS => {
                    let entry = self.decode::<StringStringEntry>(field)?;
                    let edited = edits
                        .iter()
                        .position(|edit| matches!(edit, Edit::Metadata { key, .. } if *key == entry.key));
                    match edited {
                        Some(index) if !written[index] => {
                            written[index] = true;
                            out(&metadata_field(&edits[index]));
                        }
                        Some(_) => {} // A key that was there twice is there once afterwards.
                        None => out(&self.file[field.whole.clone()]),
                    }
                }
                _ => out(&self.file[field.whole.clone()]),
            }
        }
        for (edit, _) in edits.iter().zip(&written).filter(|(_, written)| !**written) {
            out(&metadata_field(edit));
        }
        Ok(())
    }

    fn write_graph(
        &self,
        whole: &Field,
        edits: &[Edit<'_>],
        out: &mut impl FnMut(&[u8]),
    ) -> Result<(), ImportError> {
        let mut replaced = Vec::new();
        for edit in edits {
            let Edit::Tensor { name, data } = edit else { continue };
            let tensor = self.initializer(name)?;
            let elements = tensor.elements();
            if elements != Some(data.len() as u64) {
                return Err(ImportError::contract(
                    format!("tensor \"{name}\""),
                    format!("{} numbers", data.len()),
                    format!("{:?}", tensor.shape),
                ));
            }
            let proto = TensorProto {
                dims: tensor.shape.iter().map(|&side| side as i64).collect(),
                data_type: FLOAT,
                name: (*name).to_owned(),
                raw_data: data.iter().flat_map(|value| value.to_le_bytes()).collect(),
            };
            let mut field = Vec::new();
            wire::write_bytes(&mut field, graph::INITIALIZER, &proto.encode_to_vec());
            replaced.push((tensor.whole.clone(), field));
        }
        if replaced.is_empty() {
            out(&self.file[whole.whole.clone()]);
            return Ok(());
        }
        let fields: Vec<&[u8]> = self
            .graph
            .iter()
            .map(|field| match replaced.iter().find(|(at, _)| *at == field.whole) {
                Some((_, tensor)) => tensor,
                None => &self.file[field.whole.clone()],
            })
            .collect();
        let mut head = Vec::new();
        wire::write_head(&mut head, model::GRAPH, fields.iter().map(|field| field.len()).sum());
        out(&head);
        fields.into_iter().for_each(out);
        Ok(())
    }

    fn initializer(&self, name: &str) -> Result<&TensorView, ImportError> {
        let mut named = self.initializers.iter().filter(|tensor| tensor.name == name);
        match (named.next(), named.next()) {
            (Some(tensor), None) => Ok(tensor),
            (first, _) => Err(ImportError::contract(
                format!("tensor \"{name}\""),
                if first.is_some() { "there more than once" } else { "absent" },
                "one initializer of that name",
            )),
        }
    }

    fn ports(&self, number: u32) -> Result<Vec<Port>, ImportError> {
        self.graph
            .iter()
            .filter(|field| field.number == number)
            .map(|field| Ok(self.decode::<ValueInfo>(field)?.into()))
            .collect()
    }

    fn read_initializers(&self) -> Result<Vec<TensorView>, ImportError> {
        let fields = self.graph.iter().filter(|field| field.number == graph::INITIALIZER);
        fields.map(|field| TensorView::read(self.file, field)).collect()
    }

    /// Walks through every message of the file. Checks its fields, so that no reader that follows meets broken ones,
    /// and refuses tensors that are kept elsewhere.
    fn check_structure(&self) -> Result<(), ImportError> {
        let mut open = vec![(Kind::Model, 0..self.file.len(), 0)];
        while let Some((kind, range, depth)) = open.pop() {
            if depth > MAX_DEPTH {
                return Err(corrupt(range.start, "messages are nested too deep"));
            } else if open.len() > MAX_FIELDS {
                return Err(corrupt(range.start, "a message has too many fields"));
            }
            if kind == Kind::Varints {
                read_varints(self.file, range, |_| {})?;
                continue;
            }
            let mut name = String::new();
            let mut external = false;
            for field in wire::fields(self.file, range) {
                let field = field.map_err(|error| wire_error(self.file, error))?;
                match (kind, field.number) {
                    (Kind::Tensor, tensor::NAME) => {
                        name = String::from_utf8_lossy(&self.file[field.body.clone()]).into_owned();
                    }
                    (Kind::Tensor, tensor::EXTERNAL_DATA) => external = true,
                    (Kind::Tensor, tensor::DATA_LOCATION) => external |= number(self.file, &field)? == 1,
                    _ => {}
                }
                if let Some(child) = kind.child(field.number)
                    && field.wire == Wire::Length
                {
                    open.push((child, field.body, depth + 1));
                }
            }
            if external {
                return Err(ImportError::new(Problem::ExternalData { tensor: name }));
            }
        }
        Ok(())
    }

    fn decode<M: Message + Default>(&self, field: &Field) -> Result<M, ImportError> {
        M::decode(&self.file[field.body.clone()])
            .map_err(|_| corrupt(field.whole.start, "a field does not decode"))
    }
}

/// Numbers of the fields that are looked at, by message.
pub(super) mod model {
    pub(in crate::backbone) const IR_VERSION: u32 = 1;
    pub(in crate::backbone) const GRAPH: u32 = 7;
    pub(in crate::backbone) const OPSET_IMPORT: u32 = 8;
    pub(in crate::backbone) const METADATA_PROPS: u32 = 14;
}
pub(super) mod graph {
    pub(in crate::backbone) const NODE: u32 = 1;
    pub(in crate::backbone) const NAME: u32 = 2;
    pub(in crate::backbone) const INITIALIZER: u32 = 5;
    pub(in crate::backbone) const INPUT: u32 = 11;
    pub(in crate::backbone) const OUTPUT: u32 = 12;
    pub(in crate::backbone) const VALUE_INFO: u32 = 13;
    pub(in crate::backbone) const QUANTIZATION: u32 = 14;
}
pub(super) mod tensor {
    pub(in crate::backbone) const DIMS: u32 = 1;
    pub(in crate::backbone) const DATA_TYPE: u32 = 2;
    pub(in crate::backbone) const FLOAT_DATA: u32 = 4;
    pub(in crate::backbone) const NAME: u32 = 8;
    pub(in crate::backbone) const RAW_DATA: u32 = 9;
    pub(in crate::backbone) const DOUBLE_DATA: u32 = 10;
    pub(in crate::backbone) const EXTERNAL_DATA: u32 = 13;
    pub(in crate::backbone) const DATA_LOCATION: u32 = 14;
}

pub(super) const FLOAT: i32 = 1;
const FLOAT16: i32 = 10;
const DOUBLE: i32 = 11;
const BFLOAT16: i32 = 16;

/// Deeper than any model: a sub-graph takes three levels, and two sub-graphs in each other are rare.
const MAX_DEPTH: usize = 48;
/// Enough for any graph; bounds memory for files that consist of empty fields.
const MAX_FIELDS: usize = 1 << 20;

/// The messages of ONNX, and numbers packed into one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Model,
    Training,
    Graph,
    Function,
    Node,
    Attribute,
    Sparse,
    Tensor,
    ValueInfo,
    Type,
    TypeOfTensor,
    TypeOfElements,
    TypeOfMap,
    Shape,
    /// Messages of numbers and strings only.
    Leaf,
    Varints,
}

impl Kind {
    /// What the field of this number is, if it holds fields or numbers in turn.
    fn child(self, number: u32) -> Option<Self> {
        Some(match (self, number) {
            (Self::Model, 7) => Self::Graph,
            (Self::Model, 20) => Self::Training,
            (Self::Model, 25) => Self::Function,
            (Self::Model, 8 | 14) => Self::Leaf,
            (Self::Training, 1 | 2) => Self::Graph,
            (Self::Training, 3 | 4) => Self::Leaf,
            (Self::Graph, 1) => Self::Node,
            (Self::Graph, 5) => Self::Tensor,
            (Self::Graph, 15) => Self::Sparse,
            (Self::Graph, 11..=13) => Self::ValueInfo,
            (Self::Graph, 16) => Self::Leaf,
            (Self::Function, 7) => Self::Node,
            (Self::Function, 11) => Self::Attribute,
            (Self::Function, 12) => Self::ValueInfo,
            (Self::Function, 9 | 14) => Self::Leaf,
            (Self::Node, 5) => Self::Attribute,
            (Self::Node, 9) => Self::Leaf,
            (Self::Attribute, 5 | 10) => Self::Tensor,
            (Self::Attribute, 6 | 11) => Self::Graph,
            (Self::Attribute, 22 | 23) => Self::Sparse,
            (Self::Attribute, 14 | 15) => Self::Type,
            (Self::Attribute, 8) => Self::Varints,
            (Self::Sparse, 1 | 2) => Self::Tensor,
            (Self::Sparse, 3) => Self::Varints,
            (Self::Tensor, 1 | 5 | 7 | 11) => Self::Varints,
            (Self::Tensor, 13 | 16) => Self::Leaf,
            (Self::ValueInfo, 2) => Self::Type,
            (Self::ValueInfo, 4) => Self::Leaf,
            (Self::Type, 1 | 8) => Self::TypeOfTensor,
            (Self::Type, 4 | 9) => Self::TypeOfElements,
            (Self::Type, 5) => Self::TypeOfMap,
            (Self::TypeOfTensor, 2) => Self::Shape,
            (Self::TypeOfElements, 1) => Self::Type,
            (Self::TypeOfMap, 2) => Self::Type,
            (Self::Shape, 1) => Self::Leaf,
            _ => return None,
        })
    }
}

/// A tensor that is still in the file.
#[derive(Debug)]
struct TensorView {
    name: String,
    data_type: i32,
    shape: Vec<u64>,
    raw: Option<Range<usize>>,
    /// Numbers in `float_data` or `double_data`.
    listed: Vec<Range<usize>>,
    whole: Range<usize>,
}

impl TensorView {
    fn read(file: &[u8], field: &Field) -> Result<Self, ImportError> {
        let mut view = Self {
            name: String::new(),
            data_type: 0,
            shape: vec![],
            raw: None,
            listed: vec![],
            whole: field.whole.clone(),
        };
        for part in read_fields(file, field.body.clone())? {
            match (part.number, part.wire) {
                (tensor::NAME, Wire::Length) => {
                    view.name = String::from_utf8_lossy(&file[part.body]).into_owned();
                }
                (tensor::DATA_TYPE, Wire::Varint) => view.data_type = number(file, &part)? as i32,
                (tensor::DIMS, Wire::Varint) => view.shape.push(number(file, &part)?),
                (tensor::DIMS, Wire::Length) => {
                    read_varints(file, part.body, |side| view.shape.push(side))?;
                }
                (tensor::RAW_DATA, Wire::Length) => view.raw = Some(part.body),
                (tensor::FLOAT_DATA | tensor::DOUBLE_DATA, _) => view.listed.push(part.body),
                _ => {}
            }
        }
        Ok(view)
    }

    fn elements(&self) -> Option<u64> {
        self.shape.iter().try_fold(1u64, |product, &side| product.checked_mul(side))
    }

    fn bytes<'f>(&self, file: &'f [u8]) -> impl Iterator<Item = &'f [u8]> {
        self.raw.iter().chain(&self.listed).map(|range| &file[range.clone()])
    }

    fn floats(&self, file: &[u8]) -> Result<Vec<f32>, ImportError> {
        let wrong = |found: String| {
            let expected = format!("{:?} of f32", self.shape);
            ImportError::contract(format!("tensor \"{}\"", self.name), found, expected)
        };
        if self.data_type != FLOAT {
            return Err(wrong(format!("of element type {}", self.data_type)));
        }
        let length = self.bytes(file).map(<[u8]>::len).sum::<usize>();
        if self.elements().and_then(|elements| elements.checked_mul(4)) != Some(length as u64) {
            return Err(wrong(format!("{length} bytes")));
        }
        Ok(self
            .bytes(file)
            .flat_map(|bytes| bytes.as_chunks::<4>().0)
            .map(|four| f32::from_le_bytes(*four))
            .collect())
    }

    fn first_non_finite(&self, file: &[u8]) -> Option<(usize, f64)> {
        let bytes = || self.bytes(file);
        let find =
            |values: &mut dyn Iterator<Item = f64>| values.enumerate().find(|(_, value)| !value.is_finite());
        match self.data_type {
            FLOAT => find(
                &mut bytes()
                    .flat_map(|b| b.as_chunks::<4>().0)
                    .map(|&four| f64::from(f32::from_le_bytes(four))),
            ),
            DOUBLE => {
                find(&mut bytes().flat_map(|b| b.as_chunks::<8>().0).map(|&eight| f64::from_le_bytes(eight)))
            }
            FLOAT16 => find(&mut halves(bytes(), 0x7c00)),
            BFLOAT16 => find(&mut halves(bytes(), 0x7f80)),
            _ => None,
        }
    }
}

/// 16-bit floats, only told apart as far as needed here: 0 if finite, else infinite or NaN.
fn halves<'f>(parts: impl Iterator<Item = &'f [u8]>, exponent: u16) -> impl Iterator<Item = f64> {
    let mantissa = 0x7fff & !exponent;
    parts.flat_map(|bytes| bytes.as_chunks::<2>().0).map(move |&two| {
        let bits = u16::from_le_bytes(two);
        match (bits & exponent == exponent, bits & mantissa == 0) {
            (false, _) => 0.0,
            (true, true) => f64::INFINITY,
            (true, false) => f64::NAN,
        }
    })
}

#[derive(Clone, PartialEq, Message)]
struct StringStringEntry {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct OperatorSet {
    #[prost(string, tag = "1")]
    pub(super) domain: String,
    #[prost(int64, tag = "2")]
    pub(super) version: i64,
}

/// For writing only.
#[derive(Clone, PartialEq, Message)]
pub(super) struct TensorProto {
    #[prost(int64, repeated, packed = "false", tag = "1")]
    pub(super) dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    pub(super) data_type: i32,
    #[prost(string, tag = "8")]
    pub(super) name: String,
    #[prost(bytes = "vec", tag = "9")]
    pub(super) raw_data: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ValueInfo {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(message, optional, tag = "2")]
    pub(super) r#type: Option<Type>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Type {
    #[prost(message, optional, tag = "1")]
    pub(super) tensor: Option<TensorType>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TensorType {
    #[prost(int32, tag = "1")]
    pub(super) element_type: i32,
    #[prost(message, optional, tag = "2")]
    pub(super) shape: Option<Shape>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Shape {
    #[prost(message, repeated, tag = "1")]
    pub(super) dimensions: Vec<Dimension>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Dimension {
    #[prost(int64, optional, tag = "1")]
    pub(super) length: Option<i64>,
}

impl From<ValueInfo> for Port {
    fn from(info: ValueInfo) -> Self {
        let tensor = info.r#type.and_then(|kind| kind.tensor).unwrap_or_default();
        let length = |dimension: &Dimension| dimension.length.and_then(|length| u64::try_from(length).ok());
        Self {
            name: info.name,
            element_type: tensor.element_type,
            shape: tensor.shape.map(|shape| shape.dimensions.iter().map(length).collect()),
        }
    }
}

pub(super) fn metadata_field(edit: &Edit<'_>) -> Vec<u8> {
    let mut field = Vec::new();
    if let Edit::Metadata { key, value: Some(value) } = edit {
        let entry = StringStringEntry { key: (*key).to_owned(), value: (*value).to_owned() };
        wire::write_bytes(&mut field, model::METADATA_PROPS, &entry.encode_to_vec());
    }
    field
}

fn read_fields(file: &[u8], range: Range<usize>) -> Result<Vec<Field>, ImportError> {
    let start = range.start;
    let fields = wire::fields(file, range).take(MAX_FIELDS + 1).collect::<Result<Vec<_>, _>>();
    let fields = fields.map_err(|error| wire_error(file, error))?;
    if fields.len() > MAX_FIELDS {
        return Err(corrupt(start, "a message has too many fields"));
    }
    Ok(fields)
}

fn number(file: &[u8], field: &Field) -> Result<u64, ImportError> {
    match field.wire {
        Wire::Varint => wire::read_varint(file, field.body.clone())
            .map(|read| read.0)
            .map_err(|error| wire_error(file, error)),
        _ => Err(corrupt(field.whole.start, "a number is written as something else")),
    }
}

/// Numbers that fill a field one after another.
fn read_varints(file: &[u8], mut range: Range<usize>, mut take: impl FnMut(u64)) -> Result<(), ImportError> {
    while !range.is_empty() {
        let (value, next) =
            wire::read_varint(file, range.clone()).map_err(|error| wire_error(file, error))?;
        take(value);
        range.start = next;
    }
    Ok(())
}

fn wire_error(file: &[u8], error: WireError) -> ImportError {
    ImportError::new(match error {
        WireError::Corrupt { at, reason } => Problem::Corrupt { at, reason },
        WireError::Truncated { at, needed } if needed > file.len() as u64 => {
            Problem::Truncated { what: "field", at, needed, found: file.len() }
        }
        WireError::Truncated { at, .. } => {
            Problem::Corrupt { at, reason: "a field is longer than its message" }
        }
    })
}

fn missing(file: &[u8], reason: &'static str) -> ImportError {
    corrupt(file.len(), reason)
}

fn corrupt(at: usize, reason: &'static str) -> ImportError {
    ImportError::new(Problem::Corrupt { at, reason })
}

#[cfg(test)]
mod tests;
