//! The part of a pickle machine that can do no harm: it builds a graph of what the pickle says and runs nothing.
//!
//! A name of a class or function stays a name, and a call stays a note of what was called with what. The instructions of
//! protocols 2 to 5 are those of `pickletools` in Python's library. Each instruction makes at most one node, so memory is
//! bounded by the length of the pickle; nodes refer to each other by number, so a cycle is harmless here.

use std::collections::HashMap;

use super::error::{CheckpointError, Problem};

/// A node of the graph, by its number.
pub(super) type Id = u32;

/// What a pickle says, borrowed from its bytes.
#[derive(Debug)]
pub(super) enum Node<'p> {
    None,
    Bool(bool),
    Int(i64),
    /// A whole number of more than 8 bytes, little-endian two's complement.
    Long(&'p [u8]),
    Float,
    /// Text, or bytes of Python 2.
    Text(&'p [u8]),
    Bytes,
    Tuple(Box<[Id]>),
    /// A list or a set.
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// A class or function.
    Global {
        module: &'p [u8],
        name: &'p [u8],
    },
    /// What a call of `class` with `arguments` would return; with what was put into it.
    Object(Box<Object>),
    /// A reference to something outside of the pickle: here, a storage.
    Persistent(Id),
}

/// A call that was not made.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) class: Id,
    pub(super) arguments: Id,
    /// What `__setstate__` would get.
    pub(super) state: Option<Id>,
    /// What would be set as items.
    pub(super) items: Vec<(Id, Id)>,
}

/// Everything in one pickle.
#[derive(Debug)]
pub(super) struct Graph<'p> {
    nodes: Vec<Node<'p>>,
    pub(super) root: Id,
    /// The byte after its end.
    pub(super) end: usize,
}

impl<'p> Graph<'p> {
    /// Reads the pickle that begins at byte `start`. Offsets in errors count from the beginning of `bytes`.
    pub(super) fn read(bytes: &'p [u8], start: usize, max_objects: usize) -> Result<Self, CheckpointError> {
        let mut machine = Machine {
            bytes,
            at: start,
            opcode_at: start,
            nodes: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            max_objects,
        };
        let root = machine.run()?;
        Ok(Self { nodes: machine.nodes, root, end: machine.at })
    }

    pub(super) fn node(&self, id: Id) -> &Node<'p> {
        // Numbers are only made by `Machine::push`.
        &self.nodes[id as usize]
    }

    /// The references to something outside.
    pub(super) fn references(&self) -> impl Iterator<Item = Id> {
        self.nodes.iter().filter_map(|node| match node {
            Node::Persistent(reference) => Some(*reference),
            _ => None,
        })
    }

    /// The text of a node that is text.
    pub(super) fn text(&self, id: Id) -> Option<&'p [u8]> {
        match self.node(id) {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The elements of a tuple or list.
    pub(super) fn elements(&self, id: Id) -> Option<&[Id]> {
        match self.node(id) {
            Node::Tuple(elements) => Some(elements),
            Node::List(elements) => Some(elements),
            _ => None,
        }
    }

    /// A whole number of at most 8 bytes.
    pub(super) fn int(&self, id: Id) -> Option<i64> {
        match self.node(id) {
            Node::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// The dotted name of a class or function.
    pub(super) fn global(&self, id: Id) -> Option<String> {
        match self.node(id) {
            Node::Global { module, name } => {
                Some(format!("{}.{}", String::from_utf8_lossy(module), String::from_utf8_lossy(name)))
            }
            _ => None,
        }
    }

    /// Whether a node is the class or function `module.name`.
    pub(super) fn is_global(&self, id: Id, module_is: &str, name_is: &str) -> bool {
        matches!(self.node(id), Node::Global { module, name }
            if *module == module_is.as_bytes() && *name == name_is.as_bytes())
    }
}

struct Machine<'p> {
    bytes: &'p [u8],
    at: usize,
    /// Where the instruction begins that is run.
    opcode_at: usize,
    nodes: Vec<Node<'p>>,
    stack: Vec<Id>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
    max_objects: usize,
}

impl<'p> Machine<'p> {
    fn run(&mut self) -> Result<Id, CheckpointError> {
        loop {
            self.opcode_at = self.at;
            let opcode = self.byte()?;
            match opcode {
                b'.' => return self.pop(),
                0x80 => match self.byte()? {
                    2..=5 => {}
                    protocol => return Err(self.wrong(format!("protocol {protocol}, expected 2 to 5"))),
                },
                // A frame only says how much to read ahead.
                0x95 => self.take(8).map(drop)?,
                b'(' => self.marks.push(self.stack.len()),
                b'0' => self.drop_top()?,
                b'1' => drop(self.pop_mark()?),
                b'2' => {
                    let top = self.top()?;
                    self.stack.push(top);
                }
                b'q' => self.memoize(1)?,
                b'r' => self.memoize(4)?,
                0x94 => {
                    let top = self.top()?;
                    self.memo.insert(self.memo.len() as u64, top);
                }
                b'h' => self.recall(1)?,
                b'j' => self.recall(4)?,
                b'N' => self.push(Node::None)?,
                0x88 => self.push(Node::Bool(true))?,
                0x89 => self.push(Node::Bool(false))?,
                b'K' | b'M' | b'J' | 0x8a | 0x8b => self.whole_number(opcode)?,
                b'G' => {
                    self.take(8)?;
                    self.push(Node::Float)?;
                }
                b'X' | b'T' => self.text(4)?,
                b'U' | 0x8c => self.text(1)?,
                0x8d => self.text(8)?,
                b'C' => self.binary(1)?,
                b'B' => self.binary(4)?,
                0x8e | 0x96 => self.binary(8)?,
                b'c' | 0x93 => self.global(opcode)?,
                b')' | 0x85 | 0x86 | 0x87 | b't' => self.tuple(opcode)?,
                b']' | 0x8f => self.push(Node::List(Vec::new()))?,
                b'}' => self.push(Node::Dict(Vec::new()))?,
                b'l' | 0x91 => {
                    let elements = self.pop_mark()?;
                    self.push(Node::List(elements))?;
                }
                b'd' => {
                    let elements = self.pop_mark()?;
                    let pairs = self.pairs(&elements)?;
                    self.push(Node::Dict(pairs))?;
                }
                b'a' => {
                    let element = self.pop()?;
                    self.append(&[element])?;
                }
                b'e' | 0x90 => {
                    let elements = self.pop_mark()?;
                    self.append(&elements)?;
                }
                b's' => {
                    let value = self.pop()?;
                    let key = self.pop()?;
                    self.set_items(&[key, value])?;
                }
                b'u' => {
                    let elements = self.pop_mark()?;
                    self.set_items(&elements)?;
                }
                b'Q' => {
                    let reference = self.pop()?;
                    self.push(Node::Persistent(reference))?;
                }
                b'R' | 0x81 | 0x92 => self.call(opcode)?,
                b'b' => self.build()?,
                _ => return Err(CheckpointError::new(Problem::Opcode { at: self.opcode_at, opcode })),
            }
        }
    }

    fn wrong(&self, reason: impl Into<String>) -> CheckpointError {
        CheckpointError::new(Problem::Pickle { at: self.opcode_at, reason: reason.into() })
    }

    // Bytes.

    fn take(&mut self, count: usize) -> Result<&'p [u8], CheckpointError> {
        let end = self.at.checked_add(count);
        let taken = end.and_then(|end| self.bytes.get(self.at..end));
        let taken = taken.ok_or_else(|| self.wrong("it ends inside of an instruction"))?;
        self.at += count;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, CheckpointError> {
        Ok(self.take(1)?[0])
    }

    /// A little-endian number without sign, of at most 8 bytes.
    fn number(&mut self, width: usize) -> Result<u64, CheckpointError> {
        let mut bytes = [0; 8];
        bytes[..width].copy_from_slice(self.take(width)?);
        Ok(u64::from_le_bytes(bytes))
    }

    /// Bytes after their length.
    fn counted(&mut self, width: usize) -> Result<&'p [u8], CheckpointError> {
        let length = self.number(width)?;
        self.take(usize::try_from(length).unwrap_or(usize::MAX))
    }

    fn line(&mut self) -> Result<&'p [u8], CheckpointError> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|&byte| byte == b'\n');
        let length = length.ok_or_else(|| self.wrong("a name without an end"))?;
        let line = self.take(length)?;
        self.at += 1;
        Ok(line)
    }

    // Stack.

    fn push(&mut self, node: Node<'p>) -> Result<(), CheckpointError> {
        if self.nodes.len() >= self.max_objects {
            let limit = self.max_objects as u64;
            return Err(CheckpointError::new(Problem::Limit { what: "many objects in the pickle", limit }));
        }
        // The limit keeps it below 2^32.
        self.stack.push(self.nodes.len() as Id);
        self.nodes.push(node);
        Ok(())
    }

    fn top(&self) -> Result<Id, CheckpointError> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.last() {
            Some(&top) if self.stack.len() > floor => Ok(top),
            _ => Err(self.wrong("it takes more from the stack than is there")),
        }
    }

    fn pop(&mut self) -> Result<Id, CheckpointError> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    /// `POP`: the top, or the mark that is the top.
    fn drop_top(&mut self) -> Result<(), CheckpointError> {
        if self.marks.last() == Some(&self.stack.len()) {
            self.marks.pop();
            return Ok(());
        }
        self.pop().map(drop)
    }

    fn pop_mark(&mut self) -> Result<Vec<Id>, CheckpointError> {
        let mark = self.marks.pop().ok_or_else(|| self.wrong("an end without a mark"))?;
        Ok(self.stack.split_off(mark))
    }

    fn memoize(&mut self, width: usize) -> Result<(), CheckpointError> {
        let slot = self.number(width)?;
        let top = self.top()?;
        self.memo.insert(slot, top);
        Ok(())
    }

    fn recall(&mut self, width: usize) -> Result<(), CheckpointError> {
        let slot = self.number(width)?;
        let id = self.memo.get(&slot).copied();
        self.stack.push(id.ok_or_else(|| self.wrong(format!("nothing was remembered as {slot}")))?);
        Ok(())
    }

    // Values.

    fn whole_number(&mut self, opcode: u8) -> Result<(), CheckpointError> {
        let bytes = match opcode {
            b'K' => return self.number(1).and_then(|value| self.push(Node::Int(value as i64))),
            b'M' => return self.number(2).and_then(|value| self.push(Node::Int(value as i64))),
            b'J' => self.take(4)?,
            0x8a => self.counted(1)?,
            _ => self.counted(4)?,
        };
        let negative = bytes.last().is_some_and(|&last| last >= 0x80);
        let mut wide = [if negative { 0xff } else { 0 }; 8];
        match wide.get_mut(..bytes.len()) {
            Some(low) => {
                low.copy_from_slice(bytes);
                self.push(Node::Int(i64::from_le_bytes(wide)))
            }
            None => self.push(Node::Long(bytes)),
        }
    }

    fn text(&mut self, width: usize) -> Result<(), CheckpointError> {
        let text = self.counted(width)?;
        self.push(Node::Text(text))
    }

    fn binary(&mut self, width: usize) -> Result<(), CheckpointError> {
        self.counted(width)?;
        self.push(Node::Bytes)
    }

    fn global(&mut self, opcode: u8) -> Result<(), CheckpointError> {
        let (module, name) = if opcode == b'c' {
            (self.line()?, self.line()?)
        } else {
            let name = self.pop()?;
            let module = self.pop()?;
            match (&self.nodes[module as usize], &self.nodes[name as usize]) {
                (Node::Text(module), Node::Text(name)) => (*module, *name),
                _ => return Err(self.wrong("the name of a class is no text")),
            }
        };
        self.push(Node::Global { module, name })
    }

    fn tuple(&mut self, opcode: u8) -> Result<(), CheckpointError> {
        let elements = match opcode {
            b't' => self.pop_mark()?,
            b')' => Vec::new(),
            _ => {
                let mut elements = Vec::new();
                for _ in 0..=opcode - 0x85 {
                    elements.push(self.pop()?);
                }
                elements.reverse();
                elements
            }
        };
        self.push(Node::Tuple(elements.into_boxed_slice()))
    }

    fn pairs(&self, elements: &[Id]) -> Result<Vec<(Id, Id)>, CheckpointError> {
        match elements.as_chunks::<2>() {
            (pairs, []) => Ok(pairs.iter().map(|&[key, value]| (key, value)).collect()),
            _ => Err(self.wrong("a key without a value")),
        }
    }

    fn append(&mut self, elements: &[Id]) -> Result<(), CheckpointError> {
        let list = self.top()?;
        match &mut self.nodes[list as usize] {
            Node::List(list) => list.extend_from_slice(elements),
            // Elements of a subclass of list: nothing that a state dict needs.
            Node::Object(_) => {}
            _ => return Err(self.wrong("it appends to something that is no list")),
        }
        Ok(())
    }

    fn set_items(&mut self, elements: &[Id]) -> Result<(), CheckpointError> {
        let pairs = self.pairs(elements)?;
        let dict = self.top()?;
        match &mut self.nodes[dict as usize] {
            Node::Dict(items) => items.extend(pairs),
            Node::Object(object) => object.items.extend(pairs),
            _ => return Err(self.wrong("it sets items of something that is no dict")),
        }
        Ok(())
    }

    /// `REDUCE`, `NEWOBJ` and `NEWOBJ_EX`: notes the call.
    fn call(&mut self, opcode: u8) -> Result<(), CheckpointError> {
        if opcode == 0x92 {
            self.pop()?;
        }
        let arguments = self.pop()?;
        let class = self.pop()?;
        if !matches!(self.nodes[arguments as usize], Node::Tuple(_)) {
            return Err(self.wrong("a call whose arguments are no tuple"));
        }
        self.push(Node::Object(Box::new(Object { class, arguments, state: None, items: Vec::new() })))
    }

    fn build(&mut self) -> Result<(), CheckpointError> {
        let state = self.pop()?;
        let object = self.top()?;
        if let Node::Object(object) = &mut self.nodes[object as usize] {
            object.state = Some(state);
        }
        Ok(())
    }
}
