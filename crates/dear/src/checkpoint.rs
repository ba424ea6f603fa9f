//! Checkpoints (its reader is being written on another branch; this is its interface only).
#![allow(missing_docs)]
use std::path::Path;

#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    pub shape: Vec<usize>,
    pub data: Vec<f32>,
}
#[derive(Debug, thiserror::Error)]
#[error("not there yet")]
pub struct CheckpointError;
impl CheckpointError {
    pub fn hint(&self) -> Option<String> {
        None
    }
}
#[derive(Debug)]
pub struct Checkpoint;
impl Checkpoint {
    pub fn open(_: impl AsRef<Path>) -> Result<Self, CheckpointError> {
        Err(CheckpointError)
    }
    pub fn nesting(&self) -> Option<&str> {
        None
    }
    pub fn passed_over(&self) -> &[String] {
        &[]
    }
    pub fn sha256(&self) -> &str {
        ""
    }
    pub fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::empty()
    }
    pub fn shape(&self, _: &str) -> Option<&[usize]> {
        None
    }
    pub fn tensor(&self, _: &str) -> Result<Tensor, CheckpointError> {
        Err(CheckpointError)
    }
}
