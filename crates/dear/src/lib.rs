//! Dissect, prune and refine detectors of AI-generated images.

pub mod bootstrap;
pub mod gate;
pub mod metrics;
pub mod rad;
