//! Dissect, prune and refine detectors of AI-generated images.

pub mod bootstrap;
pub mod engine;
pub mod gate;
pub mod head;
pub mod metrics;
pub mod rad;
