//! Diagnostic probes (paper section 3.1; reference `train/fake/lsun_inpaint_sd`): images that are part real and part
//! generated, with the mask that says which part.
//!
//! ```text
//! photograph -> mask (drawn, or given) -> canvas (composite) -> inpainter -> joined (composite) -> probe, manifest
//! ```

mod claims;
mod compose;
mod exchange;
mod given;
mod group;
mod inpainter;
mod journal;
mod make;
mod mask;
mod options;
mod pair;
mod photographs;
mod program;
mod record;
mod reference;
mod strokes;

pub use compose::{Composite, blend_weights, sharp};
pub use exchange::Program;
pub use given::GivenMasks;
pub use inpainter::{Canvas, Filled, Inpainter, InpainterKind, Null, Resynthesis, Unfilled, open_inpainter};
pub use make::{Making, make};
pub use mask::{MaskOptions, MaskShape, draw_mask};
pub use options::{ProbeOptions, Shard};
pub use pair::{ProbePair, list, read_mask};
pub use photographs::photographs;
pub use program::{ProgramError, ProgramOptions};
pub use record::{Made, Refused};
