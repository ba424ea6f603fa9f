//! How much of a file is read before it is refused. A checkpoint of ten thousand tensors stays a hundred times below.

/// All of them, so that tests can set each just too tight and just wide enough.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Objects in one pickle.
    pub(super) objects: usize,
    /// Dicts in dicts.
    pub(super) depth: usize,
    /// Entries of dicts that are looked at, each as often as it is reached.
    pub(super) visits: usize,
    /// Tensors.
    pub(super) tensors: usize,
    /// Bytes of a tensor's name.
    pub(super) name_bytes: usize,
    /// Dimensions of a tensor.
    pub(super) dimensions: usize,
    /// Bytes of a safetensors header: what its own library takes.
    pub(super) header_bytes: usize,
    /// Bytes that a compressed or expanded part of the file may become: so many times the file, and ...
    pub(super) growth: usize,
    /// ... so many bytes for nothing.
    pub(super) grown_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            objects: 10_000_000,
            depth: 64,
            visits: 20_000_000,
            tensors: 100_000,
            name_bytes: 1024,
            dimensions: 32,
            header_bytes: 100_000_000,
            growth: 16,
            grown_bytes: 1 << 26,
        }
    }
}

impl Limits {
    /// The most bytes that a part of a file of this size may become.
    pub(super) fn grown(&self, file: usize) -> usize {
        file.saturating_mul(self.growth).saturating_add(self.grown_bytes)
    }
}
