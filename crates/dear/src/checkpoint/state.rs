//! From the graph of a pickle to tensors with names: which part of it is the state dict, and what is in that.

use std::collections::{HashMap, HashSet};

use super::error::{CheckpointError, Problem};
use super::limits::Limits;
use super::pickle::{Graph, Id, Node, Object};
use super::tensor::Dtype;

/// Keys that hold a state dict, the first one that is there wins. Weights come before their moving average, because the
/// authors' scripts load the former; `open_at` takes the other.
const KEYS: [&str; 17] = [
    "state_dict",
    "model_state_dict",
    "model",
    "net",
    "network",
    "module",
    "weights",
    "params",
    "state_dict_ema",
    "model_state_dict_ema",
    "model_ema_state_dict",
    "model_ema",
    "ema_state_dict",
    "ema_model",
    "net_ema",
    "params_ema",
    "ema",
];

/// A tensor as the pickle describes it.
#[derive(Debug)]
pub(super) struct Described {
    pub(super) name: String,
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<usize>,
    /// In elements, one for each dimension.
    pub(super) strides: Vec<usize>,
    /// In elements from the beginning of the storage.
    pub(super) offset: usize,
    pub(super) storage: Storage,
}

/// The numbers that a tensor is a view of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Storage {
    /// Its name in the file.
    pub(super) key: String,
    /// None for bytes whose meaning the tensor says.
    pub(super) dtype: Option<Dtype>,
    /// In elements, or in bytes where there is no type.
    pub(super) elements: u64,
    /// Where it begins within the storage that is in the file, in elements. Old files have views of storages.
    pub(super) begins: u64,
}

/// What was found in a pickle.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) tensors: Vec<Described>,
    pub(super) nesting: Option<String>,
    pub(super) passed_over: Vec<String>,
}

/// Finds the state dict and flattens it. `key` is a choice of the caller; an empty one means everything.
pub(super) fn find(graph: &Graph<'_>, key: Option<&str>, limits: &Limits) -> Result<Found, CheckpointError> {
    let mut reader = Reader { graph, limits, holds: HashMap::new(), visits: 0 };
    let root = Place { path: String::new(), id: graph.root };
    let (place, passed_over) = match key {
        None => reader.choose(root)?,
        Some("") => (root, Vec::new()),
        Some(key) => (reader.at(root, key)?, Vec::new()),
    };
    let mut flat = Flat { tensors: Vec::new(), names: HashSet::new() };
    reader.flatten(place.id, "", 0, &mut flat)?;
    if flat.tensors.is_empty() {
        return Err(reader.no_tensors());
    }
    let nesting = (!place.path.is_empty()).then_some(place.path);
    Ok(Found { tensors: flat.tensors, nesting, passed_over })
}

/// The storage that a persistent reference names, and nothing for other references.
pub(super) fn storage(graph: &Graph<'_>, reference: Id) -> Result<Option<Storage>, String> {
    let Some(parts) = graph.elements(reference) else { return Ok(None) };
    let &[kind, class, key, _, elements, ref view @ ..] = parts else { return Ok(None) };
    if graph.text(kind) != Some(b"storage") {
        return Ok(None);
    }
    let class = graph.global(class).unwrap_or_default();
    let dtype = match class.rsplit('.').next().unwrap_or_default() {
        "UntypedStorage" | "_UntypedStorage" => None,
        name => match Dtype::of_storage(name) {
            Some(dtype) => Some(dtype),
            None => return Err(format!("of a storage of type {class:?}")),
        },
    };
    let key = match (graph.text(key), graph.int(key)) {
        (Some(text), _) => String::from_utf8_lossy(text).into_owned(),
        (None, Some(number)) => number.to_string(),
        _ => return Err("of a storage without a name".to_owned()),
    };
    let elements = graph.int(elements).and_then(|elements| u64::try_from(elements).ok());
    let elements = elements.ok_or("of a storage without a size")?;
    let mut storage = Storage { key, dtype, elements, begins: 0 };
    // `(key of the storage in the file, where the view begins, its size)`, before PyTorch 1.0.
    if let Some([root, begins, _]) = view.first().and_then(|&view| graph.elements(view)) {
        let begins = graph.int(*begins).and_then(|begins| u64::try_from(begins).ok());
        match (graph.text(*root), begins) {
            (Some(root), Some(begins)) => {
                storage.key = String::from_utf8_lossy(root).into_owned();
                storage.begins = begins;
            }
            _ => return Err("a view that says not of what".to_owned()),
        }
    }
    Ok(Some(storage))
}

struct Place {
    path: String,
    id: Id,
}

struct Flat {
    tensors: Vec<Described>,
    names: HashSet<String>,
}

struct Reader<'g, 'p> {
    graph: &'g Graph<'p>,
    limits: &'g Limits,
    /// Whether there is a tensor below a node.
    holds: HashMap<Id, bool>,
    visits: usize,
}

impl<'p> Reader<'_, 'p> {
    /// Goes down while a key says that the state dict is below it.
    fn choose(&mut self, mut place: Place) -> Result<(Place, Vec<String>), CheckpointError> {
        let mut passed_over = Vec::new();
        for _ in 0..=self.limits.depth {
            let mut below = Vec::new();
            let mut has_tensors = self.is_module(place.id);
            for (key, value) in self.members(place.id)? {
                has_tensors |= self.is_tensor(value);
                let key = String::from_utf8_lossy(key);
                if !key.contains("optim") && self.is_place(value)? {
                    below.push(Place { path: join(&place.path, &key), id: value });
                }
            }
            let is_known = |known: &&str, below: &Place| below.path == join(&place.path, known);
            let known = KEYS.iter().find_map(|known| below.iter().position(|below| is_known(known, below)));
            let chosen = match known {
                Some(known) if !self.is_module(place.id) => below.remove(known),
                _ if has_tensors || below.is_empty() => return Ok((place, passed_over)),
                _ if below.len() == 1 => below.remove(0),
                _ => {
                    let keys = below.into_iter().map(|below| below.path).collect();
                    return Err(CheckpointError::new(Problem::Ambiguous { keys }));
                }
            };
            passed_over.extend(below.into_iter().map(|below| below.path));
            place = chosen;
        }
        Err(self.too_deep())
    }

    /// The place with a given key, which is a key of the outermost dict or a path of keys with dots.
    fn at(&mut self, root: Place, key: &str) -> Result<Place, CheckpointError> {
        let mut id = self.member(root.id, key)?;
        if id.is_none() {
            id = Some(root.id);
            for part in key.split('.') {
                id = match id {
                    Some(id) => self.member(id, part)?,
                    None => None,
                };
            }
        }
        if let Some(id) = id
            && self.is_place(id)?
        {
            return Ok(Place { path: key.to_owned(), id });
        }
        let mut found = Vec::new();
        for (name, id) in self.members(root.id)? {
            if self.is_place(id)? {
                found.push(String::from_utf8_lossy(name).into_owned());
            }
        }
        Err(CheckpointError::new(Problem::NoSuchKey { key: key.to_owned(), found }))
    }

    fn member(&mut self, id: Id, key: &str) -> Result<Option<Id>, CheckpointError> {
        Ok(self.members(id)?.into_iter().find(|(name, _)| *name == key.as_bytes()).map(|(_, id)| id))
    }

    fn flatten(
        &mut self,
        id: Id,
        prefix: &str,
        depth: usize,
        flat: &mut Flat,
    ) -> Result<(), CheckpointError> {
        if depth > self.limits.depth {
            return Err(self.too_deep());
        }
        for (key, value) in self.members(id)? {
            let is_tensor = self.is_tensor(value);
            if !is_tensor && !self.holds_tensors(value, depth)? {
                continue;
            }
            let name = join(prefix, &String::from_utf8_lossy(key));
            if name.len() > self.limits.name_bytes {
                return Err(self.limit("long a name of a tensor (bytes)", self.limits.name_bytes));
            }
            if !is_tensor {
                self.flatten(value, &name, depth + 1, flat)?;
                continue;
            }
            if flat.tensors.len() == self.limits.tensors {
                return Err(self.limit("many tensors", self.limits.tensors));
            }
            if !flat.names.insert(name.clone()) {
                return Err(CheckpointError::new(Problem::Duplicate { tensor: name }));
            }
            flat.tensors.push(self.tensor(value, name)?);
        }
        Ok(())
    }

    /// What a node holds under names, in order: items of a dict, attributes of a TorchScript object, and what the state dict
    /// of a module would have. A key that is set twice has its last value at its first place, as in Python.
    fn members(&mut self, id: Id) -> Result<Vec<(&'p [u8], Id)>, CheckpointError> {
        let pairs = self.pairs(id);
        self.visits += pairs.len();
        if self.visits > self.limits.visits {
            return Err(self.limit("many entries of dicts", self.limits.visits));
        }
        let mut positions = HashMap::new();
        let mut members: Vec<(&[u8], Id)> = Vec::new();
        for (key, value) in pairs {
            let Some(key) = self.graph.text(key) else { continue };
            if key.len() > self.limits.name_bytes {
                match self.is_tensor(value) {
                    true => return Err(self.limit("long a name of a tensor (bytes)", self.limits.name_bytes)),
                    false => continue,
                }
            }
            let position = *positions.entry(key).or_insert(members.len());
            match members.get_mut(position) {
                Some(member) => member.1 = value,
                None => members.push((key, value)),
            }
        }
        Ok(members)
    }

    fn pairs(&self, id: Id) -> Vec<(Id, Id)> {
        let object = match self.graph.node(id) {
            Node::Dict(items) => return items.clone(),
            Node::Object(object) => object,
            _ => return Vec::new(),
        };
        match self.attributes(object) {
            Some(attributes) if self.is_script(object) => attributes.to_vec(),
            Some(attributes) if self.attribute(attributes, "_modules").is_some() => {
                self.state_of_module(attributes)
            }
            _ => [self.constructed(object), object.items.clone()].concat(),
        }
    }

    /// What `Module.state_dict` lists: parameters, then buffers but for those that are not to be saved, then submodules.
    fn state_of_module(&self, attributes: &[(Id, Id)]) -> Vec<(Id, Id)> {
        let part = |name| self.attribute(attributes, name).map(|id| self.pairs(id)).unwrap_or_default();
        let transient = self.attribute(attributes, "_non_persistent_buffers_set");
        let transient = transient.map(|id| self.set_elements(id)).unwrap_or_default();
        let transient: HashSet<_> = transient.iter().filter_map(|&id| self.graph.text(id)).collect();
        let mut buffers = part("_buffers");
        buffers.retain(|(key, _)| self.graph.text(*key).is_none_or(|key| !transient.contains(key)));
        [part("_parameters"), buffers, part("_modules")].concat()
    }

    /// The pairs with which Python 2 made an `OrderedDict`.
    fn constructed(&self, object: &Object) -> Vec<(Id, Id)> {
        let ordered = self.graph.is_global(object.class, "collections", "OrderedDict");
        let pairs =
            self.graph.elements(object.arguments).filter(|_| ordered).and_then(|arguments| arguments.first());
        let pairs = pairs.and_then(|&pairs| self.graph.elements(pairs)).unwrap_or_default();
        let pair = |&pair: &Id| match self.graph.elements(pair) {
            Some(&[key, value]) => Some((key, value)),
            _ => None,
        };
        pairs.iter().filter_map(pair).collect()
    }

    /// A set of protocol 4, or the call that makes one in protocol 2.
    fn set_elements(&self, id: Id) -> &[Id] {
        let elements = match self.graph.node(id) {
            Node::Object(object) => {
                let arguments = self.graph.elements(object.arguments);
                arguments.and_then(|arguments| arguments.first()).and_then(|&list| self.graph.elements(list))
            }
            _ => self.graph.elements(id),
        };
        elements.unwrap_or_default()
    }

    fn attributes(&self, object: &Object) -> Option<&[(Id, Id)]> {
        match self.graph.node(object.state?) {
            Node::Dict(attributes) => Some(attributes),
            _ => None,
        }
    }

    fn attribute(&self, attributes: &[(Id, Id)], name: &str) -> Option<Id> {
        let is_it = |(key, _): &&(Id, Id)| self.graph.text(*key) == Some(name.as_bytes());
        attributes.iter().find(is_it).map(|&(_, value)| value)
    }

    /// An object of TorchScript: all its attributes are state.
    fn is_script(&self, object: &Object) -> bool {
        matches!(self.graph.node(object.class), Node::Global { module, .. } if module.starts_with(b"__torch__"))
    }

    /// A module that was saved whole.
    fn is_module(&self, id: Id) -> bool {
        let Node::Object(object) = self.graph.node(id) else { return false };
        let attributes = self.attributes(object);
        self.is_script(object)
            || attributes.is_some_and(|attributes| self.attribute(attributes, "_modules").is_some())
    }

    /// Something that is no tensor and holds some.
    fn is_place(&mut self, id: Id) -> Result<bool, CheckpointError> {
        Ok(!self.is_tensor(id) && self.holds_tensors(id, 0)?)
    }

    /// Whether there is a tensor below. A dict that holds itself holds nothing by that.
    fn holds_tensors(&mut self, id: Id, depth: usize) -> Result<bool, CheckpointError> {
        if let Some(&holds) = self.holds.get(&id) {
            return Ok(holds);
        }
        if depth > self.limits.depth {
            return Err(self.too_deep());
        }
        self.holds.insert(id, false);
        let mut holds = false;
        for (_, value) in self.members(id)? {
            holds |= self.is_tensor(value) || self.holds_tensors(value, depth + 1)?;
        }
        self.holds.insert(id, holds);
        Ok(holds)
    }

    fn is_tensor(&self, id: Id) -> bool {
        let Node::Object(object) = self.graph.node(id) else { return false };
        match self.graph.node(object.class) {
            Node::Global { module: b"torch._utils", name } => name.starts_with(b"_rebuild_"),
            Node::Global { module: b"torch._tensor", name } => *name == b"_rebuild_from_type_v2",
            _ => false,
        }
    }

    fn tensor(&self, id: Id, name: String) -> Result<Described, CheckpointError> {
        let kind = |found: &str| {
            CheckpointError::new(Problem::Kind { tensor: name.clone(), found: found.to_owned() })
        };
        let (function, arguments) =
            self.rebuilt(id).ok_or_else(|| kind("made by a call that is not understood"))?;
        let (storage, offset, shape, strides) = match (function, arguments) {
            (
                b"_rebuild_tensor" | b"_rebuild_tensor_v2" | b"_rebuild_tensor_v3",
                &[storage, offset, shape, strides, ..],
            ) => (storage, offset, shape, strides),
            (b"_rebuild_sparse_tensor" | b"_rebuild_sparse_csr_tensor", _) => return Err(kind("sparse")),
            (b"_rebuild_qtensor", _) => return Err(kind("quantized")),
            (b"_rebuild_nested_tensor", _) => return Err(kind("nested")),
            (b"_rebuild_meta_tensor_no_storage", _) => return Err(kind("without numbers (device meta)")),
            _ => return Err(kind(&format!("made by {:?}", String::from_utf8_lossy(function)))),
        };
        // A conjugate or negated view is one bit beside the numbers; without it they would have the wrong sign.
        let marked = |&id: &Id| !self.pairs(id).is_empty();
        if function == b"_rebuild_tensor_v2" && arguments.get(6).is_some_and(marked) {
            return Err(kind("a conjugate or negated view"));
        }
        let storage = match self.graph.node(storage) {
            Node::Persistent(reference) => {
                self::storage(self.graph, *reference).map_err(|found| kind(&found))?
            }
            _ => None,
        };
        let storage = storage.ok_or_else(|| kind("without a storage"))?;
        let dtype = match (storage.dtype, arguments.get(6)) {
            (Some(dtype), _) => dtype,
            (None, Some(&dtype)) => {
                let dtype = self.graph.global(dtype).unwrap_or_default();
                Dtype::of_torch(dtype.trim_start_matches("torch."))
                    .ok_or_else(|| kind(&format!("of type {dtype:?}")))?
            }
            (None, None) => return Err(kind("of bytes without a type")),
        };
        let wrong = |reason: &str| {
            CheckpointError::new(Problem::Geometry { tensor: name.clone(), reason: reason.to_owned() })
        };
        let number = |&id: &Id| self.graph.int(id).and_then(|number| usize::try_from(number).ok());
        let numbers = |id: Id| -> Option<Vec<usize>> {
            self.graph
                .elements(id)
                .filter(|list| list.len() <= self.limits.dimensions)?
                .iter()
                .map(number)
                .collect()
        };
        let offset = number(&offset).ok_or_else(|| wrong("its offset is no number of elements"))?;
        let shape = numbers(shape).ok_or_else(|| wrong("its shape is no short list of sizes"))?;
        let strides = numbers(strides).ok_or_else(|| wrong("its strides are no short list of steps"))?;
        if shape.len() != strides.len() {
            return Err(wrong("its shape and its strides differ in length"));
        }
        Ok(Described { dtype, shape, strides, offset, storage, name })
    }

    /// The function and the arguments that make the tensor, without what is wrapped around it.
    fn rebuilt(&self, id: Id) -> Option<(&'p [u8], &[Id])> {
        let mut id = id;
        for _ in 0..self.limits.depth {
            let Node::Object(object) = self.graph.node(id) else { return None };
            let Node::Global { name, .. } = self.graph.node(object.class) else { return None };
            let arguments = self.graph.elements(object.arguments)?;
            match *name {
                b"_rebuild_parameter" | b"_rebuild_parameter_with_state" => id = *arguments.first()?,
                b"_rebuild_from_type_v2" => {
                    let Node::Global { name, .. } = self.graph.node(*arguments.first()?) else { return None };
                    return Some((name, self.graph.elements(*arguments.get(2)?)?));
                }
                name => return Some((name, arguments)),
            }
        }
        None
    }

    /// What there is in place of tensors.
    fn no_tensors(&mut self) -> CheckpointError {
        const SHOWN: usize = 8;
        let root = self.graph.root;
        let keys = self.members(root).unwrap_or_default();
        let keys: Vec<String> =
            keys.iter().take(SHOWN).map(|(key, _)| format!("{:?}", String::from_utf8_lossy(key))).collect();
        let found = match self.graph.node(root) {
            _ if !keys.is_empty() => format!("a dict with the keys {}", keys.join(", ")),
            Node::Object(object) => {
                format!(
                    "an object of {:?}",
                    self.graph.global(object.class).unwrap_or_else(|| "some class".to_owned())
                )
            }
            Node::Dict(_) => "a dict without names".to_owned(),
            Node::List(_) | Node::Tuple(_) => "a list".to_owned(),
            _ => "a single value".to_owned(),
        };
        CheckpointError::new(Problem::NoTensors { found })
    }

    fn limit(&self, what: &'static str, limit: usize) -> CheckpointError {
        CheckpointError::new(Problem::Limit { what, limit: limit as u64 })
    }

    fn too_deep(&self) -> CheckpointError {
        self.limit("deep dicts in dicts", self.limits.depth)
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
