//! The nodes around a foreign network: from `image` to what its author's pipeline gave it, and from its answer to ours.

use crate::architecture::Network;
use crate::backbone::graph::{Attribute, Value};
use crate::backbone::metadata::{Metadata, Preprocessing};
use crate::backbone::onnx::Port;
use crate::backbone::{Graph, ImportError, OnnxModel};
use crate::checkpoint::Tensor;
use crate::head::Head;
use crate::view::View;

use super::declared::{Answer, Color, Declared, Layout, Normalisation, Positive};

pub(super) const FLOAT: i32 = 1;
pub(super) const UINT8: i32 = 2;
pub(super) const FLOAT16: i32 = 10;
pub(super) const DOUBLE: i32 = 11;

/// The smallest probability whose logarithm is taken: 0 becomes a logit of -69 and not -infinity.
const LEAST_PROBABILITY: f32 = 1e-30;
/// The same for what is left to 1, where f32 has steps of 2^-24: a probability of 1 becomes a logit of 17.3.
const LEAST_REST: f32 = 1.0 / (1 << 25) as f32;

/// A network's own input and output.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends<'m> {
    pub(super) input: &'m Port,
    pub(super) output: &'m str,
    /// Whether it is given one image at a time, even if it takes more.
    pub(super) single: bool,
}

/// Where the network's mean of features and its last linear layer are.
#[derive(Debug, Clone)]
pub(super) struct Inside {
    /// The tensor of features.
    pub(super) features: String,
    /// The order of its dimensions.
    pub(super) layout: Layout,
    /// The linear layer, above 0 for generated.
    pub(super) head: Head,
}

/// The detector file. Without `inside` its only feature is the logit, under a head of weight 1.
pub(super) fn wrap(
    model: &OnnxModel<'_>,
    ends: Ends<'_>,
    declared: &Declared,
    inside: Option<&Inside>,
    view: View,
    metadata: Metadata,
) -> Result<Vec<u8>, ImportError> {
    let mut shape = input_shape(ends.input, declared.layout);
    if ends.single {
        shape[0] = Some(1);
    }
    let (mut graph, image) = Graph::around(shape);
    let seen = prepare(&mut graph, image, declared, ends.input.element_type);
    graph.enter(seen, &ends.input.name);
    let preprocessing = record(declared);
    let mut network = match inside {
        Some(inside) => {
            let features = graph.inner(&inside.features);
            let mut features = cast(&mut graph, features, FLOAT);
            if inside.layout == Layout::Nhwc {
                features =
                    graph.node("Transpose", &[features], &[("perm", Attribute::Ints(vec![0, 3, 1, 2]))]);
            }
            Network::pooled(graph, features, inside.head.clone(), preprocessing)
        }
        None => {
            let answer = graph.inner(ends.output);
            let answer = cast(&mut graph, answer, FLOAT);
            let logit = to_logit(&mut graph, answer, declared);
            let shape = graph.integers("dear.features.shape", &[-1, 1, 1, 1]);
            let features = graph.node("Reshape", &[logit, shape], &[]);
            let pooled = graph.node("Flatten", &[features], &[]);
            let head = Head { weight: vec![1.0], bias: 0.0 };
            Network { pooled: Some(pooled), ..Network::pooled(graph, features, head, preprocessing) }
        }
    };
    network.view = view;
    network.into_detector_around(model, metadata)
}

/// `[N, 3, H, W]` of `image`: what the network's own input fixes.
fn input_shape(input: &Port, layout: Layout) -> [Option<usize>; 4] {
    let lengths = match input.shape.as_deref() {
        Some(&[n, a, b, c]) => match layout {
            Layout::Nchw => [n, b, c],
            Layout::Nhwc => [n, a, b],
        },
        _ => [None; 3],
    };
    let [n, h, w] = lengths.map(|length| length.and_then(|length| usize::try_from(length).ok()));
    [n, Some(3), h, w]
}

/// RGB in 0..1 to what the network is used to.
fn prepare(graph: &mut Graph, image: Value, declared: &Declared, element_type: i32) -> Value {
    let step = |graph: &mut Graph, x, operator, name: &str, values: [f64; 3]| {
        let data = values.map(|value| value as f32).to_vec();
        let values = graph.constant(format!("dear.{name}"), Tensor { shape: vec![1, 3, 1, 1], data });
        graph.node(operator, &[x, values], &[])
    };
    let mut x = image;
    let [factor, offset] = declared.scaling();
    if factor != 1.0 {
        x = step(graph, x, "Mul", "range.factor", [factor; 3]);
    }
    if offset != 0.0 {
        x = step(graph, x, "Add", "range.offset", [offset; 3]);
    }
    if let Normalisation::Colours { mean, std } = declared.normalisation {
        x = step(graph, x, "Sub", "mean", mean);
        x = step(graph, x, "Div", "std", std);
    }
    if declared.color == Color::Bgr {
        let order = graph.integers("dear.bgr", &[2, 1, 0]);
        x = graph.node("Gather", &[x, order], &[("axis", Attribute::Int(1))]);
    }
    if declared.layout == Layout::Nhwc {
        x = graph.node("Transpose", &[x], &[("perm", Attribute::Ints(vec![0, 2, 3, 1]))]);
    }
    if element_type == UINT8 {
        // A cast cuts off what follows the point.
        let half = graph.scalar("dear.half", 0.5);
        x = graph.node("Add", &[x, half], &[]);
    }
    cast(graph, x, element_type)
}

fn cast(graph: &mut Graph, x: Value, element_type: i32) -> Value {
    graph.node("Cast", &[x], &[("to", Attribute::Int(i64::from(element_type)))])
}

/// The network's answer as the logit of the generated class.
fn to_logit(graph: &mut Graph, answer: Value, declared: &Declared) -> Value {
    match declared.output {
        Answer::Logit => signed(graph, answer, declared.positive),
        Answer::Probability => {
            let one = graph.scalar("dear.one", 1.0);
            let rest = graph.node("Sub", &[one, answer], &[]);
            let high = logarithm(graph, answer, "probability", LEAST_PROBABILITY);
            let low = logarithm(graph, rest, "rest", LEAST_REST);
            let logit = graph.node("Sub", &[high, low], &[]);
            signed(graph, logit, declared.positive)
        }
        Answer::Logits(generated) => {
            let [high, low] = two(graph, answer, generated);
            graph.node("Sub", &[high, low], &[])
        }
        Answer::Softmax(generated) => {
            let [high, low] = two(graph, answer, generated);
            let high = logarithm(graph, high, "generated", LEAST_PROBABILITY);
            let low = logarithm(graph, low, "real", LEAST_PROBABILITY);
            graph.node("Sub", &[high, low], &[])
        }
    }
}

fn signed(graph: &mut Graph, logit: Value, positive: Option<Positive>) -> Value {
    if positive == Some(Positive::Real) { graph.node("Neg", &[logit], &[]) } else { logit }
}

/// Columns of the generated and of the real class.
fn two(graph: &mut Graph, answer: Value, generated: usize) -> [Value; 2] {
    let shape = graph.integers("dear.two.shape", &[-1, 2]);
    let pairs = graph.node("Reshape", &[answer, shape], &[]);
    [generated as i64, 1 - generated as i64].map(|index| {
        let at = graph.integers(format!("dear.class_{index}"), &[index]);
        graph.node("Gather", &[pairs, at], &[("axis", Attribute::Int(1))])
    })
}

/// `log(max(x, least))`, in operators that have not changed since operator set 7 (`Clip` and `Max` have).
fn logarithm(graph: &mut Graph, x: Value, name: &str, least: f32) -> Value {
    let least = graph.scalar(format!("dear.{name}.least"), least);
    let above = graph.node("Sub", &[x, least], &[]);
    let above = graph.node("Relu", &[above], &[]);
    let bounded = graph.node("Add", &[above, least], &[]);
    graph.node("Log", &[bounded], &[])
}

/// What is done, as `(x - mean) / std` of RGB in 0..1.
fn record(declared: &Declared) -> Preprocessing {
    let (mean, std) = declared.as_unit();
    let identity = (mean, std) == ([0.0; 3], [1.0; 3]);
    Preprocessing {
        mean: (!identity).then_some(mean),
        std: (!identity).then_some(std),
        ..Preprocessing::default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::declared::Range;
    use super::*;

    const NAMES: &[u8] = include_bytes!("../../tests/fixtures/foreign/names.onnx");
    const OLD: &[u8] = include_bytes!("../../tests/fixtures/foreign/keras.onnx");

    fn wrapped(file: &[u8], declared: &Declared) -> Option<Vec<u8>> {
        let model = OnnxModel::parse(file).ok()?;
        let (input, output) = model.inputs().first().zip(model.outputs().first())?;
        let ends = Ends { input, output: &output.name, single: false };
        let metadata = Metadata::new("t".to_owned());
        wrap(&model, ends, declared, None, View::Native, metadata).ok()
    }

    /// Whatever the bytes are: an error, or a file that is whole again.
    #[test]
    fn changed_bytes_never_panic_and_what_is_written_can_be_read() {
        let declared = Declared {
            layout: Layout::Nhwc,
            range: Range::Signed,
            normalisation: Normalisation::Colours { mean: [0.5; 3], std: [0.25; 3] },
            color: Color::Bgr,
            output: Answer::Softmax(1),
            positive: None,
        };
        let (mut tried, mut read) = (0, 0);
        for file in [NAMES, OLD] {
            for at in 0..file.len() {
                for change in [0x01, 0x80, 0xff] {
                    let mut changed = file.to_vec();
                    changed[at] ^= change;
                    tried += 1;
                    let Some(written) = wrapped(&changed, &declared) else { continue };
                    let model = OnnxModel::parse(&written).expect("what is written is whole");
                    assert!(model.inputs().iter().any(|port| port.name == "image"), "byte {at}");
                    read += 1;
                }
            }
        }
        assert_eq!(tried, 3 * (NAMES.len() + OLD.len()));
        // Most bytes are weights, and stay weights.
        assert!(read > tried / 2, "{read} of {tried}");
    }
}
