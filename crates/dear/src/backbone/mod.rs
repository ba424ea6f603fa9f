//! The file that holds a detector or a generator: its protobuf ([`onnx`]), the document in it ([`metadata`]), and how a new
//! one is written ([`graph`]).
//!
//! ```text
//! bytes -> OnnxModel (inputs, outputs, tensors, metadata) -> Metadata
//!             \-> rewrite(edits) -> bytes, everything else kept byte for byte
//! ```

mod error;
pub mod graph;
pub(crate) mod looks_like;
pub mod metadata;
pub mod onnx;
mod wire;

pub use error::{ImportError, Problem};
pub use graph::{Graph, Grid};
pub use looks_like::LooksLike;
pub use metadata::Metadata;
pub use onnx::{Edit, OnnxModel};

/// The key in `metadata_props` under which the JSON document is kept.
pub const METADATA_KEY: &str = "dear";
