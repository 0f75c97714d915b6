//! Reading pickles without running them: an allow-list of operations, names and shapes.
//!
//! A pickle is a program; this machine knows only the operations that plain data and torch tensors need. Any other
//! operation, and any name outside [`ALLOWED`], is refused with its position. Values live in one list and are referred
//! to by index, so a pickle that repeats a large value costs one index; every operation adds at most one value plus its
//! operand, so memory stays below [`BYTES_PER_BYTE`] times the pickle.

use std::path::Path;

use crate::{Error, Result};

/// The only names a pickle may call or mention.
pub(crate) const ALLOWED: [&str; 9] = [
    "torch._utils _rebuild_tensor_v2",
    "torch FloatStorage",
    "torch DoubleStorage",
    "torch LongStorage",
    "torch IntStorage",
    "torch HalfStorage",
    "torch BoolStorage",
    "torch ByteStorage",
    "collections OrderedDict",
];
/// Upper bound of memory per byte of pickle: a value of one byte takes one [`Value`], one stack place, one memo place.
#[cfg(test)]
pub(crate) const BYTES_PER_BYTE: usize = 96;

/// A value's place in the list.
pub(crate) type Id = u32;

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Id>),
    Tuple(Vec<Id>),
    /// Keys and values in turn.
    Dict(Vec<(Id, Id)>),
    /// A place of [`ALLOWED`].
    Name(&'static str),
    /// What a persistent id refers to.
    Persistent(Id),
    /// The call of a name with arguments.
    Call(&'static str, Id),
}

/// The values of a pickle and the one it returns.
#[derive(Debug)]
pub(crate) struct Pickle {
    values: Vec<Value>,
    result: Id,
}

impl Pickle {
    /// Reads a pickle of protocol 2 to 5.
    pub(crate) fn parse(path: &Path, bytes: &[u8]) -> Result<Self> {
        Machine {
            path,
            bytes,
            at: 0,
            values: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: Vec::new(),
        }
        .run()
    }

    pub(crate) fn result(&self) -> Id {
        self.result
    }

    pub(crate) fn get(&self, id: Id) -> &Value {
        self.values.get(id as usize).unwrap_or(&Value::None)
    }

    /// The value of a text key in a dictionary.
    pub(crate) fn entry(&self, dict: Id, key: &str) -> Option<Id> {
        let Value::Dict(pairs) = self.get(dict) else { return None };
        pairs.iter().rev().find(|(k, _)| matches!(self.get(*k), Value::Text(t) if t == key)).map(|p| p.1)
    }
}

struct Machine<'a> {
    path: &'a Path,
    bytes: &'a [u8],
    at: usize,
    values: Vec<Value>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: Vec<Option<Id>>,
}

impl Machine<'_> {
    fn run(mut self) -> Result<Pickle> {
        loop {
            let start = self.at;
            let code = self.byte()?;
            match code {
                0x80 => {
                    let protocol = self.byte()?;
                    if !(2..=5).contains(&protocol) {
                        return Err(self.refuse(start, &format!("protocol {protocol}")));
                    }
                }
                0x95 => {
                    self.take(8)?;
                }
                b'.' => {
                    let result = self.pop()?;
                    return Ok(Pickle { values: self.values, result });
                }
                b'(' => self.marks.push(self.stack.len()),
                b'0' => {
                    self.pop()?;
                }
                b'N' => self.push(Value::None),
                0x88 => self.push(Value::Bool(true)),
                0x89 => self.push(Value::Bool(false)),
                b'K' => {
                    let x = self.byte()?;
                    self.push(Value::Int(i64::from(x)));
                }
                b'M' => {
                    let x = self.number(2)?;
                    self.push(Value::Int(x as i64));
                }
                b'J' => {
                    let x = self.number(4)? as u32 as i32;
                    self.push(Value::Int(i64::from(x)));
                }
                0x8a => self.long()?,
                b'G' => {
                    let raw = self.take(8)?;
                    let bits = raw.iter().fold(0_u64, |acc, b| (acc << 8) | u64::from(*b));
                    self.push(Value::Float(f64::from_bits(bits)));
                }
                b'X' | 0x8c => {
                    let length = self.number(if code == b'X' { 4 } else { 1 })? as usize;
                    let text = self.text(length)?;
                    self.push(Value::Text(text));
                }
                b'}' => self.push(Value::Dict(Vec::new())),
                b']' => self.push(Value::List(Vec::new())),
                b')' => self.push(Value::Tuple(Vec::new())),
                b't' => {
                    let items = self.above_mark()?;
                    self.push(Value::Tuple(items));
                }
                0x85..=0x87 => {
                    let count = usize::from(code - 0x84);
                    let from = self
                        .stack
                        .len()
                        .checked_sub(count)
                        .ok_or_else(|| self.refuse(start, "an empty stack"))?;
                    let items = self.stack.split_off(from);
                    self.push(Value::Tuple(items));
                }
                b'a' | b'e' => {
                    let items = if code == b'e' { self.above_mark()? } else { vec![self.pop()?] };
                    match self.top()? {
                        Value::List(list) => list.extend(items),
                        _ => return Err(self.refuse(start, "an append to what is no list")),
                    }
                }
                b's' | b'u' => self.set_items(start, code == b'u')?,
                b'q' | b'r' => {
                    let place = self.number(if code == b'q' { 1 } else { 4 })? as usize;
                    self.remember(start, place)?;
                }
                0x94 => self.remember(start, self.memo.len())?,
                b'h' | b'j' => {
                    let place = self.number(if code == b'h' { 1 } else { 4 })? as usize;
                    let id = self.memo.get(place).copied().flatten();
                    let id = id.ok_or_else(|| self.refuse(start, "a memo that was not stored"))?;
                    self.stack.push(id);
                }
                b'c' => {
                    let module = self.line()?;
                    let name = self.line()?;
                    self.name(start, &module, &name)?;
                }
                0x93 => {
                    let (name, module) = (self.pop()?, self.pop()?);
                    let text = |id: Id| match &self.values[id as usize] {
                        Value::Text(t) => t.clone(),
                        _ => String::new(),
                    };
                    let (module, name) = (text(module), text(name));
                    self.name(start, &module, &name)?;
                }
                b'Q' => {
                    let id = self.pop()?;
                    self.push(Value::Persistent(id));
                }
                b'R' => {
                    let (arguments, callee) = (self.pop()?, self.pop()?);
                    match self.values[callee as usize] {
                        Value::Name(name) if matches!(self.values[arguments as usize], Value::Tuple(_)) => {
                            self.push(Value::Call(name, arguments));
                        }
                        _ => return Err(self.refuse(start, "a call of what is no allowed name")),
                    }
                }
                other => return Err(self.refuse(start, &format!("operation 0x{other:02x}"))),
            }
        }
    }

    fn set_items(&mut self, start: usize, many: bool) -> Result<()> {
        let items = if many {
            self.above_mark()?
        } else {
            let (value, key) = (self.pop()?, self.pop()?);
            vec![key, value]
        };
        if items.len() % 2 != 0 {
            return Err(self.refuse(start, "a key without a value"));
        }
        match self.top()? {
            Value::Dict(pairs) => pairs.extend(items.chunks_exact(2).map(|c| (c[0], c[1]))),
            _ => return Err(self.refuse(start, "items for what is no dictionary")),
        }
        Ok(())
    }

    fn long(&mut self) -> Result<()> {
        let start = self.at;
        let length = usize::from(self.byte()?);
        if length > 8 {
            return Err(self.refuse(start, &format!("an integer of {length} bytes")));
        }
        let raw = self.take(length)?;
        let fill = if raw.last().is_some_and(|b| b & 0x80 != 0) { 0xff } else { 0 };
        let mut bytes = [fill; 8];
        bytes[..length].copy_from_slice(raw);
        self.push(Value::Int(i64::from_le_bytes(bytes)));
        Ok(())
    }

    fn name(&mut self, start: usize, module: &str, name: &str) -> Result<()> {
        let full = format!("{module} {name}");
        match ALLOWED.iter().find(|a| **a == full) {
            Some(allowed) => {
                self.push(Value::Name(allowed));
                Ok(())
            }
            None => Err(self
                .refuse(start, &format!("the name {}", super::sheet::shorten(&format!("{module}.{name}"))))),
        }
    }

    /// Places are given out in order by every writer; a jump ahead would buy memory for nothing.
    fn remember(&mut self, start: usize, place: usize) -> Result<()> {
        let id = *self.stack.last().ok_or_else(|| self.refuse(start, "an empty stack"))?;
        if place > self.memo.len() {
            return Err(self.refuse(start, &format!("memo {place} out of order")));
        }
        if place == self.memo.len() {
            self.memo.push(None);
        }
        self.memo[place] = Some(id);
        Ok(())
    }

    fn push(&mut self, value: Value) {
        self.stack.push(self.values.len() as Id);
        self.values.push(value);
    }

    fn pop(&mut self) -> Result<Id> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.pop() {
            Some(id) if self.stack.len() >= floor => Ok(id),
            _ => Err(self.refuse(self.at, "an empty stack")),
        }
    }

    fn top(&mut self) -> Result<&mut Value> {
        let place = self.at;
        match self.stack.last().map(|id| *id as usize) {
            Some(id) if id < self.values.len() => Ok(&mut self.values[id]),
            _ => Err(self.refuse(place, "an empty stack")),
        }
    }

    fn above_mark(&mut self) -> Result<Vec<Id>> {
        match self.marks.pop() {
            Some(mark) if mark <= self.stack.len() => Ok(self.stack.split_off(mark)),
            _ => Err(self.refuse(self.at, "no mark")),
        }
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    fn number(&mut self, bytes: usize) -> Result<u64> {
        Ok(self.take(bytes)?.iter().rev().fold(0, |acc, b| (acc << 8) | u64::from(*b)))
    }

    fn text(&mut self, length: usize) -> Result<String> {
        let start = self.at;
        let raw = self.take(length)?.to_vec();
        String::from_utf8(raw).map_err(|_| self.refuse(start, "text that is not UTF-8"))
    }

    fn line(&mut self) -> Result<String> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
        let text = self.text(length)?;
        self.take(1)?;
        Ok(text)
    }

    fn take(&mut self, count: usize) -> Result<&[u8]> {
        match self.bytes.get(self.at..self.at.saturating_add(count)) {
            Some(part) => {
                self.at += count;
                Ok(part)
            }
            None => Err(Error::format(self.path, format!("the pickle is cut short at byte {}", self.at))),
        }
    }

    fn refuse(&self, at: usize, what: &str) -> Error {
        Error::format(self.path, format!("byte {at} of the pickle: {what} is not allowed here"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(bytes: &[u8]) -> Result<Pickle> {
        Pickle::parse(Path::new("x.pt"), bytes)
    }

    fn refused(bytes: &[u8]) -> String {
        parse(bytes).unwrap_err().to_string()
    }

    #[test]
    fn plain_data_is_read() {
        // {'a': (1, -2, 2.5), 'b': [True, None]} as protocol 2 writes it
        let bytes = b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01K\x01J\xfe\xff\xff\xffG\x40\x04\0\0\0\0\0\0\x87q\x02X\x01\x00\x00\x00bq\x03]q\x04(\x88Neu.";
        let pickle = parse(bytes).unwrap();
        let tuple = pickle.entry(pickle.result(), "a").unwrap();
        let Value::Tuple(items) = pickle.get(tuple) else { panic!("{:?}", pickle.get(tuple)) };
        let values: Vec<&Value> = items.iter().map(|i| pickle.get(*i)).collect();
        assert_eq!(values, [&Value::Int(1), &Value::Int(-2), &Value::Float(2.5)]);
        let Value::List(items) = pickle.get(pickle.entry(pickle.result(), "b").unwrap()) else { panic!() };
        assert_eq!((pickle.get(items[0]), pickle.get(items[1])), (&Value::Bool(true), &Value::None));
    }

    #[test]
    fn programs_are_refused_by_name() {
        assert!(refused(b"\x80\x02cos\nsystem\n(X\x02\0\0\0lstR.").contains("os.system"));
        assert!(refused(b"\x80\x02cbuiltins\neval\n.").contains("builtins.eval"));
        assert!(refused(b"\x80\x04\x8c\x05posix\x8c\x06system\x93.").contains("posix.system"));
        // An allowed name that is called with what is no tuple, an instance, a build, an extension.
        assert!(refused(b"\x80\x02ccollections\nOrderedDict\n}R.").contains("no allowed name"));
        for code in
            [b'i', b'o', b'b', 0x81, 0x82, 0x92, b'S', b'I', b'L', b'2', b'g', b'p', b'l', b'd', 0x8b, 0x8e]
        {
            assert!(refused(&[0x80, 2, b')', b')', code, 0, b'.']).contains("byte 4"), "{code:02x}");
        }
        assert!(refused(b"\x80\x02Nr\xff\xff\xff\x7f.").contains("out of order"));
        assert!(refused(b"\x80\x02X\xff\xff\xff\xffabc.").contains("cut short"));
        assert!(refused(b"\x80\x02h\x05.").contains("memo"));
        assert!(refused(b"\x80\x09N.").contains("protocol 9"));
        for bytes in [&b""[..], b"\x80\x02", b".", b"\x80\x02t.", b"\x80\x02Na.", b"\x80\x02}(Nu."] {
            assert!(parse(bytes).is_err(), "{bytes:?}");
        }
        // A list that holds itself is a value like any other: nothing walks it.
        assert!(parse(b"\x80\x02]q\x00h\x00a.").is_ok());
    }

    fn footprint(pickle: &Pickle) -> usize {
        let inner = |v: &Value| match v {
            Value::Text(t) => t.len(),
            Value::List(i) | Value::Tuple(i) => 4 * i.len(),
            Value::Dict(p) => 8 * p.len(),
            _ => 0,
        };
        pickle.values.iter().map(|v| size_of::<Value>() + inner(v)).sum()
    }

    proptest! {
        #[test]
        fn random_programs_end_in_a_value_or_an_error(
            body in prop::collection::vec(
                prop_oneof![
                    prop::sample::select(b"(NKMJGX}])tauesqrhjcQR.0\x85\x86\x87\x88\x89\x8a\x8c\x93\x94\x95".to_vec()),
                    any::<u8>(),
                ],
                0..200,
            ),
        ) {
            let mut bytes = vec![0x80, 2];
            bytes.extend(&body);
            if let Ok(pickle) = parse(&bytes) {
                prop_assert!(footprint(&pickle) <= BYTES_PER_BYTE * bytes.len());
            }
        }
    }
}
