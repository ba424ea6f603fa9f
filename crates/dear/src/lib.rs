//! Dissect, prune and refine detectors of AI-generated images.

pub mod backbone;
pub mod bootstrap;
pub mod detector;
pub mod engine;
pub mod gate;
pub mod generator;
pub mod head;
pub mod metrics;
pub mod rad;
