//! Writing an ONNX graph: a network is put down layer by layer, in the words of its paper.
//!
//! Beside the operators this keeps what follows from the layers: the grid of cells that a feature map is ([`Grid`]:
//! stride, what a cell sees) and the memory that an image takes ([`Graph::bytes_per_pixel`]). Nobody states them by hand.
//!
//! Operator set 17, which every ONNX Runtime since 1.12 takes. Weights are f32.

mod splice;

use prost::Message;

use super::metadata::Preprocessing;
use super::onnx::{
    Dimension, FLOAT, OperatorSet, Shape, TensorProto, TensorType, Type, ValueInfo, graph, metadata_field,
    model, tensor,
};
use super::{Edit, ImportError, METADATA_KEY, wire};
use crate::checkpoint::Tensor;

/// The version of the operators.
pub(crate) const OPSET: i64 = 17;
/// ONNX IR version 8 came with operator set 17.
const IR_VERSION: i64 = 8;
const INT64: i32 = 7;
/// A protobuf message is below 2 GiB, and engines refuse longer ones.
const MOST_BYTES: usize = (1 << 31) - 1;

/// A tensor of the graph under construction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value(usize);

/// The cells of a feature map over the pixels of the image, along both axes alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// Pixels from a cell to the next.
    pub stride: u32,
    /// Cell 0 sees the pixels from `-before` ...
    pub before: u32,
    /// ... to `after`, both included.
    pub after: u32,
    /// The shortest side that gives one cell: a side of L pixels gives `(L - span) / stride + 1` cells, rounded down. 1 for
    /// layers that pad their input so that sides are only divided.
    pub span: u32,
}

impl Grid {
    /// The pixels of the image themselves.
    pub const PIXELS: Self = Self { stride: 1, before: 0, after: 0, span: 1 };

    /// The grid after a window of `size` cells that moves by `stride` cells over an input with `padding` cells more before
    /// and after.
    fn window(self, size: u32, stride: u32, [before, after]: [u32; 2]) -> Self {
        let beyond = self.stride * (size - 1);
        Self {
            stride: self.stride * stride,
            before: self.before + self.stride * before,
            after: self.after + beyond.saturating_sub(self.stride * before),
            span: (self.span + beyond).saturating_sub(self.stride * (before + after)).max(1),
        }
    }

    /// The grid of what is computed from two maps cell by cell.
    fn with(self, other: Self) -> Self {
        Self {
            stride: self.stride,
            before: self.before.max(other.before),
            after: self.after.max(other.after),
            span: self.span.max(other.span),
        }
    }

    /// Side in pixels of what one cell sees.
    pub fn receptive_field(self) -> u32 {
        self.before + self.after + 1
    }

    /// Pixels around a tile that make its cells exact; a tile begins and ends at multiples of the stride.
    pub fn halo(self) -> u32 {
        self.before.max((self.after + 1).saturating_sub(self.stride))
    }
}

/// A convolution's weights and how they move over the input.
#[derive(Debug, Clone)]
pub struct Conv {
    /// Names the initializers `NAME.weight` and `NAME.bias`.
    pub name: String,
    /// `[outputs, inputs / groups, side, side]`.
    pub weight: Tensor,
    /// `[outputs]`.
    pub bias: Option<Tensor>,
    /// Cells from a window to the next.
    pub stride: u32,
    /// Zeros before and after, along both axes.
    pub padding: [u32; 2],
    /// Groups of channels that do not mix.
    pub groups: u32,
}

impl Conv {
    /// A convolution with stride 1 that pads its input so that it keeps its size.
    pub fn same(name: impl Into<String>, weight: Tensor, bias: Option<Tensor>) -> Self {
        let side = weight.shape.last().map_or(1, |&side| side as u32 / 2);
        Self { name: name.into(), weight, bias, stride: 1, padding: [side; 2], groups: 1 }
    }

    /// The same with another stride.
    #[must_use]
    pub fn stride(self, stride: u32) -> Self {
        Self { stride, ..self }
    }

    /// The same with other zeros before and after.
    #[must_use]
    pub fn padding(self, padding: [u32; 2]) -> Self {
        Self { padding, ..self }
    }

    /// The same with groups of channels.
    #[must_use]
    pub fn groups(self, groups: u32) -> Self {
        Self { groups, ..self }
    }
}

/// A constant attribute of an operator.
#[derive(Debug, Clone)]
pub enum Attribute {
    /// A whole number.
    Int(i64),
    /// Whole numbers.
    Ints(Vec<i64>),
    /// A number.
    Float(f32),
    /// A word.
    Text(&'static str),
}

/// A graph under construction. Its input is `image`, `[N, 3, H, W]`, RGB in 0..1.
#[derive(Debug)]
pub struct Graph {
    nodes: Vec<Node>,
    values: Vec<Known>,
    initializers: Vec<Initializer>,
    outputs: Vec<ValueInfo>,
    /// `[N, 3, H, W]`, of which some may be fixed.
    input: [Option<usize>; 4],
    around: Option<splice::Around>,
}

#[derive(Debug)]
struct Node {
    operator: &'static str,
    inputs: Vec<Value>,
    output: Value,
    attributes: Vec<(&'static str, Attribute)>,
}

#[derive(Debug)]
struct Known {
    name: String,
    /// Where the value is a map over the image.
    map: Option<Map>,
}

#[derive(Debug, Clone, Copy)]
struct Map {
    channels: usize,
    grid: Grid,
}

#[derive(Debug)]
struct Initializer {
    /// All but the numbers.
    header: Vec<u8>,
    numbers: Numbers,
}

#[derive(Debug)]
enum Numbers {
    Floats(Vec<f32>),
    Ints(Vec<i64>),
}

impl Initializer {
    /// Bytes of the message.
    fn length(&self) -> usize {
        self.header.len() + wire::field_length(self.numbers.bytes())
    }

    /// Appends the field of a graph.
    fn write(&self, file: &mut Vec<u8>) {
        wire::write_head(file, graph::INITIALIZER, self.length());
        file.extend_from_slice(&self.header);
        wire::write_head(file, tensor::RAW_DATA, self.numbers.bytes());
        match &self.numbers {
            Numbers::Floats(data) => data.iter().for_each(|value| file.extend(value.to_le_bytes())),
            Numbers::Ints(data) => data.iter().for_each(|value| file.extend(value.to_le_bytes())),
        }
    }
}

impl Numbers {
    fn bytes(&self) -> usize {
        match self {
            Self::Floats(data) => 4 * data.len(),
            Self::Ints(data) => 8 * data.len(),
        }
    }
}

impl Graph {
    /// An empty graph and its input. `side`: the only side that the network takes, if it does not take any.
    pub fn new(side: Option<u32>) -> (Self, Value) {
        let map = Some(Map { channels: 3, grid: Grid::PIXELS });
        let image = Known { name: "image".to_owned(), map };
        let side = side.map(|side| side as usize);
        (Self::with_input(image, [None, Some(3), side, side]), Value(0))
    }

    fn with_input(image: Known, input: [Option<usize>; 4]) -> Self {
        let (nodes, initializers, outputs) = (vec![], vec![], vec![]);
        Self { nodes, values: vec![image], initializers, outputs, input, around: None }
    }

    /// The only side that the network takes, if it does not take any.
    pub fn side(&self) -> Option<u32> {
        match self.input {
            [_, _, Some(height), Some(width)] if height == width && self.around.is_none() => {
                Some(height as u32)
            }
            _ => None,
        }
    }

    /// The grid of a feature map; `None` for what is no map over the image.
    pub fn grid(&self, value: Value) -> Option<Grid> {
        self.values[value.0].map.map(|map| map.grid)
    }

    /// The number of channels of a feature map.
    pub fn channels(&self, value: Value) -> Option<usize> {
        self.values[value.0].map.map(|map| map.channels)
    }

    /// A name that no other value has.
    pub fn fresh(&self, what: &str) -> String {
        format!("{what}.{}", self.values.len())
    }

    /// Stored numbers of this name.
    pub fn constant(&mut self, name: impl Into<String>, tensor: Tensor) -> Value {
        self.initializer(name.into(), FLOAT, &tensor.shape, Numbers::Floats(tensor.data))
    }

    /// One stored number.
    pub fn scalar(&mut self, name: impl Into<String>, value: f32) -> Value {
        self.constant(name, Tensor { shape: vec![], data: vec![value] })
    }

    /// Whole numbers, as operators take shapes and indices.
    pub fn integers(&mut self, name: impl Into<String>, numbers: &[i64]) -> Value {
        self.initializer(name.into(), INT64, &[numbers.len()], Numbers::Ints(numbers.to_vec()))
    }

    fn initializer(&mut self, name: String, data_type: i32, shape: &[usize], numbers: Numbers) -> Value {
        let dims = shape.iter().map(|&side| side as i64).collect();
        let header = TensorProto { dims, data_type, name: name.clone(), raw_data: vec![] }.encode_to_vec();
        self.initializers.push(Initializer { header, numbers });
        self.value(name, None)
    }

    fn value(&mut self, name: String, map: Option<Map>) -> Value {
        self.values.push(Known { name, map });
        Value(self.values.len() - 1)
    }

    /// Any operator of the standard set. The result is taken for no map over the image.
    pub fn node(
        &mut self,
        operator: &'static str,
        inputs: &[Value],
        attributes: &[(&'static str, Attribute)],
    ) -> Value {
        self.node_with(operator, inputs, attributes, None)
    }

    fn node_with(
        &mut self,
        operator: &'static str,
        inputs: &[Value],
        attributes: &[(&'static str, Attribute)],
        map: Option<Map>,
    ) -> Value {
        let prefix = if self.around.is_some() { splice::PREFIX } else { "" };
        let output = self.value(format!("{prefix}{}_{}", operator.to_lowercase(), self.nodes.len()), map);
        self.nodes.push(Node { operator, inputs: inputs.to_vec(), output, attributes: attributes.to_vec() });
        output
    }

    /// An operator that works on each number by itself, or on numbers at the same place of its inputs.
    pub fn pointwise(
        &mut self,
        operator: &'static str,
        inputs: &[Value],
        attributes: &[(&'static str, Attribute)],
    ) -> Value {
        let maps = inputs.iter().filter_map(|input| self.values[input.0].map);
        let map = maps.reduce(|a, b| Map { channels: a.channels.max(b.channels), grid: a.grid.with(b.grid) });
        self.node_with(operator, inputs, attributes, map)
    }

    /// `max(x, 0)`.
    pub fn relu(&mut self, x: Value) -> Value {
        self.pointwise("Relu", &[x], &[])
    }

    /// `min(max(x, 0), 6)`.
    pub fn relu6(&mut self, x: Value) -> Value {
        let (low, high) =
            (self.scalar(format!("relu6_{}.low", x.0), 0.0), self.scalar(format!("relu6_{}.high", x.0), 6.0));
        self.pointwise("Clip", &[x, low, high], &[])
    }

    /// The sum.
    pub fn add(&mut self, a: Value, b: Value) -> Value {
        self.pointwise("Add", &[a, b], &[])
    }

    /// `(x - mean) / std`, per channel, where the document says so.
    pub fn normalise(&mut self, x: Value, preprocessing: &Preprocessing) -> Value {
        let mut step = |x, operator, name: &str, values: Option<[f64; 3]>| {
            let Some(values) = values else { return x };
            let data = values.map(|value| value as f32).to_vec();
            let values = self.constant(name, Tensor { shape: vec![1, 3, 1, 1], data });
            self.pointwise(operator, &[x, values], &[])
        };
        let centred = step(x, "Sub", "mean", preprocessing.mean);
        step(centred, "Div", "std", preprocessing.std)
    }

    /// A convolution.
    pub fn conv(&mut self, x: Value, conv: Conv) -> Value {
        let (outputs, side) = match *conv.weight.shape.as_slice() {
            [outputs, _, side, _] => (outputs, side as u32),
            _ => (0, 1),
        };
        let map = self.values[x.0]
            .map
            .map(|map| Map { channels: outputs, grid: map.grid.window(side, conv.stride, conv.padding) });
        let mut inputs = vec![x, self.constant(format!("{}.weight", conv.name), conv.weight)];
        if let Some(bias) = conv.bias {
            inputs.push(self.constant(format!("{}.bias", conv.name), bias));
        }
        let window = window(side, conv.stride, conv.padding, i64::from(conv.groups));
        self.node_with("Conv", &inputs, &window, map)
    }

    /// A linear layer at each cell by itself: `weight` `[outputs, inputs, 1, 1]`, `bias` `[outputs]`. The result is taken for
    /// no map over the image.
    pub fn linear(&mut self, x: Value, weight: Value, bias: Value) -> Value {
        self.node("Conv", &[x, weight, bias], &window(1, 1, [0, 0], 1))
    }

    /// The maximum of windows; padding does not count.
    pub fn max_pool(&mut self, x: Value, side: u32, stride: u32, padding: [u32; 2]) -> Value {
        let map = self.values[x.0].map.map(|map| Map { grid: map.grid.window(side, stride, padding), ..map });
        let mut window = window(side, stride, padding, 1);
        window.retain(|(name, _)| *name != "group");
        self.node_with("MaxPool", &[x], &window, map)
    }

    /// The first cells of `x` along both axes, as many as `like` has. Both begin at the same cell.
    pub fn crop_like(&mut self, x: Value, like: Value) -> Value {
        let (from, axes) = (
            self.integers(format!("crop_{}.from", self.nodes.len()), &[0, 0]),
            self.integers(format!("crop_{}.axes", self.nodes.len()), &[2, 3]),
        );
        let size = self.node("Shape", &[like], &[("start", Attribute::Int(2))]);
        let map = match (self.values[x.0].map, self.values[like.0].map) {
            (Some(map), Some(like)) => Some(Map { grid: map.grid.with(like.grid), ..map }),
            _ => None,
        };
        self.node_with("Slice", &[x, from, size, axes], &[], map)
    }

    /// Each pixel less the first of its 2 x 2 block: neighbouring pixel relations (NPR, CVPR 2024, eq. 3; `x` less its
    /// nearest-neighbour reduction by 2, enlarged again). An odd last row or column is left out.
    pub fn neighbouring_pixel_relations(&mut self, x: Value) -> Value {
        // Output channel `3 * position + colour` holds that position of the block less the first; one product is exact
        // and the others add zeros, so this is the subtraction to the bit.
        let mut weight = vec![0.0f32; 12 * 3 * 4];
        for position in 0..4 {
            for colour in 0..3 {
                let at = (position * 3 + colour) * 12 + colour * 4;
                weight[at + position] += 1.0;
                weight[at] -= 1.0;
            }
        }
        let weight = Tensor { shape: vec![12, 3, 2, 2], data: weight };
        let blocks = Conv { stride: 2, ..Conv::same("npr", weight, None) }.padding([0, 0]);
        let blocks = self.conv(x, blocks);
        let map = Map { channels: 3, grid: Grid { stride: 1, before: 1, after: 0, span: 2 } };
        let block = ("blocksize", Attribute::Int(2));
        self.node_with("DepthToSpace", &[blocks], &[block, ("mode", Attribute::Text("DCR"))], Some(map))
    }

    /// Makes a value an output of this name. `shape`: lengths, or `None` for those that vary.
    pub fn output(&mut self, name: &str, value: Value, shape: &[Option<usize>]) {
        self.values[value.0].name = name.to_owned();
        self.outputs.push(port(name, shape));
    }

    /// The most numbers that are alive at once, in bytes per pixel of the image: what one image takes besides the weights.
    /// Zero where nothing is a map over the image.
    pub fn bytes_per_pixel(&self) -> f64 {
        let cost = |value: Value| {
            self.values[value.0]
                .map
                .map_or(0.0, |map| 4.0 * map.channels as f64 / f64::from(map.grid.stride * map.grid.stride))
        };
        let mut last_use = vec![0; self.values.len()];
        for (index, node) in self.nodes.iter().enumerate() {
            node.inputs.iter().for_each(|input| last_use[input.0] = index);
        }
        let (mut alive, mut most) = (cost(Value(0)), 0.0f64);
        for (index, node) in self.nodes.iter().enumerate() {
            alive += cost(node.output);
            most = most.max(alive);
            let mut ended: Vec<usize> =
                node.inputs.iter().map(|input| input.0).filter(|&input| last_use[input] == index).collect();
            ended.sort_unstable();
            ended.dedup();
            alive -= ended.into_iter().map(|input| cost(Value(input))).sum::<f64>();
        }
        most
    }

    /// The file, with this document under the key `dear`.
    ///
    /// # Errors
    /// If it has 2 GiB or more, which no ONNX file may have.
    pub fn to_onnx(&self, name: &str, document: &str) -> Result<Vec<u8>, ImportError> {
        let input = port("image", &self.input).encode_to_vec();
        let nodes: Vec<Vec<u8>> = self.nodes.iter().map(|node| self.encode(node)).collect();
        let outputs: Vec<Vec<u8>> = self.outputs.iter().map(Message::encode_to_vec).collect();
        let parts = nodes.iter().chain(&outputs).chain([&input]).map(Vec::len);
        let parts = parts.chain(self.initializers.iter().map(Initializer::length)).chain([name.len()]);
        let body = parts.map(wire::field_length).sum::<usize>();
        if body + document.len() + 1024 > MOST_BYTES {
            let found = format!("{} MB", body / 1_000_000);
            return Err(too_large(found));
        }
        let mut file = Vec::with_capacity(body + document.len() + 1024);
        let producer = ("dear".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
        let head =
            ModelHeader { ir_version: IR_VERSION, producer_name: producer.0, producer_version: producer.1 };
        file.extend(head.encode_to_vec());
        wire::write_head(&mut file, model::GRAPH, body);
        for node in &nodes {
            wire::write_bytes(&mut file, graph::NODE, node);
        }
        wire::write_bytes(&mut file, graph::NAME, name.as_bytes());
        self.initializers.iter().for_each(|tensor| tensor.write(&mut file));
        wire::write_bytes(&mut file, graph::INPUT, &input);
        for output in &outputs {
            wire::write_bytes(&mut file, graph::OUTPUT, output);
        }
        let opset = OperatorSet { domain: String::new(), version: OPSET };
        wire::write_bytes(&mut file, model::OPSET_IMPORT, &opset.encode_to_vec());
        file.extend(metadata_field(&Edit::Metadata { key: METADATA_KEY, value: Some(document) }));
        Ok(file)
    }

    fn encode(&self, node: &Node) -> Vec<u8> {
        self.encode_with(node, |value| self.values[value.0].name.clone())
    }

    fn encode_with(&self, node: &Node, name: impl Fn(&Value) -> String) -> Vec<u8> {
        let node = NodeProto {
            input: node.inputs.iter().map(&name).collect(),
            output: vec![name(&node.output)],
            // ONNX Runtime refuses two nodes of one name, and another file's nodes have names of their own.
            name: if self.around.is_some() { String::new() } else { name(&node.output) },
            op_type: node.operator.to_owned(),
            attribute: node.attributes.iter().map(AttributeProto::from).collect(),
            domain: String::new(),
        };
        node.encode_to_vec()
    }
}

fn window(side: u32, stride: u32, [before, after]: [u32; 2], groups: i64) -> Vec<(&'static str, Attribute)> {
    let [side, stride, before, after] = [side, stride, before, after].map(i64::from);
    vec![
        ("kernel_shape", Attribute::Ints(vec![side; 2])),
        ("strides", Attribute::Ints(vec![stride; 2])),
        ("pads", Attribute::Ints(vec![before, before, after, after])),
        ("group", Attribute::Int(groups)),
    ]
}

fn port(name: &str, shape: &[Option<usize>]) -> ValueInfo {
    let dimension = |length: &Option<usize>| Dimension { length: length.map(|length| length as i64) };
    let shape = Shape { dimensions: shape.iter().map(dimension).collect() };
    let tensor = TensorType { element_type: FLOAT, shape: Some(shape) };
    ValueInfo { name: name.to_owned(), r#type: Some(Type { tensor: Some(tensor) }) }
}

fn too_large(found: String) -> ImportError {
    ImportError::contract("the network", found, "less than 2 GiB, as ONNX files have")
        .hinted("take a smaller variant of the network")
}

/// The first fields of `ModelProto`.
#[derive(Clone, PartialEq, Message)]
struct ModelHeader {
    #[prost(int64, tag = "1")]
    ir_version: i64,
    #[prost(string, tag = "2")]
    producer_name: String,
    #[prost(string, tag = "3")]
    producer_version: String,
}

#[derive(Clone, PartialEq, Message)]
struct NodeProto {
    #[prost(string, repeated, tag = "1")]
    input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    output: Vec<String>,
    #[prost(string, tag = "3")]
    name: String,
    #[prost(string, tag = "4")]
    op_type: String,
    #[prost(message, repeated, tag = "5")]
    attribute: Vec<AttributeProto>,
    #[prost(string, tag = "7")]
    domain: String,
}

#[derive(Clone, PartialEq, Message)]
struct AttributeProto {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(float, optional, tag = "2")]
    f: Option<f32>,
    #[prost(int64, optional, tag = "3")]
    i: Option<i64>,
    #[prost(bytes = "vec", optional, tag = "4")]
    s: Option<Vec<u8>>,
    #[prost(int64, repeated, packed = "false", tag = "8")]
    ints: Vec<i64>,
    #[prost(int32, tag = "20")]
    r#type: i32,
}

impl From<&(&'static str, Attribute)> for AttributeProto {
    fn from((name, value): &(&'static str, Attribute)) -> Self {
        let named = Self { name: (*name).to_owned(), ..Self::default() };
        match value {
            Attribute::Float(value) => Self { f: Some(*value), r#type: 1, ..named },
            Attribute::Int(value) => Self { i: Some(*value), r#type: 2, ..named },
            Attribute::Text(value) => Self { s: Some(value.as_bytes().to_vec()), r#type: 3, ..named },
            Attribute::Ints(values) => Self { ints: values.clone(), r#type: 7, ..named },
        }
    }
}
