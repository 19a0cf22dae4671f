//! The contract with the host, version 1 (`crates/sandbox/ABI.md`). Nothing here knows a format.

use std::cell::RefCell;

thread_local! {
    // A guest has one thread; both buffers are used again for every batch.
    static REQUEST: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static RESULT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

#[unsafe(no_mangle)]
pub extern "C" fn haetae_abi_version() -> i32 {
    1
}

#[unsafe(no_mangle)]
pub extern "C" fn haetae_alloc(size: usize) -> *mut u8 {
    REQUEST.with_borrow_mut(|request| {
        request.clear();
        request.resize(size, 0);
        request.as_mut_ptr()
    })
}

/// The host has written into the buffer that `haetae_alloc` gave, so the place need not be looked at.
#[unsafe(no_mangle)]
pub extern "C" fn haetae_parse(_pointer: usize, _length: usize) -> u64 {
    REQUEST.with_borrow(|request| {
        RESULT.with_borrow_mut(|result| {
            result.clear();
            answer(request, result);
            ((result.as_ptr() as usize as u64) << 32) | result.len() as u64
        })
    })
}

fn answer(request: &[u8], result: &mut Vec<u8>) {
    let (words, _) = request.as_chunks::<4>();
    let count = u32::from_le_bytes(words[0]) as usize;
    result.extend(words[0]);
    let mut at = 4 * (count + 1);
    for word in &words[1..=count] {
        let end = at + u32::from_le_bytes(*word) as usize;
        record(&request[at..end], result);
        at = end;
    }
}

fn record(bytes: &[u8], result: &mut Vec<u8>) {
    let start = result.len();
    // Length of the body, status, number of fields: set when they are known.
    result.extend([0; 7]);
    let mut fields = Fields { out: result, count: 0 };
    match crate::parse(bytes, &mut fields) {
        Ok(()) => {
            let count = fields.count;
            result[start + 5..start + 7].copy_from_slice(&count.to_le_bytes());
        }
        Err(text) => {
            result.truncate(start + 4);
            result.push(1);
            result.extend(text.as_bytes());
        }
    }
    let len = (result.len() - start - 4) as u32;
    result[start..start + 4].copy_from_slice(&len.to_le_bytes());
}

/// Takes the fields of one record.
pub struct Fields<'a> {
    out: &'a mut Vec<u8>,
    count: u16,
}

impl Fields<'_> {
    pub fn text(&mut self, key: &str, value: &str) {
        self.put(0, key, value);
    }

    /// `value` is a number as JSON writes it.
    pub fn number(&mut self, key: &str, value: &str) {
        self.put(1, key, value);
    }

    pub fn bool(&mut self, key: &str, value: bool) {
        self.put(2, key, if value { "true" } else { "false" });
    }

    pub fn null(&mut self, key: &str) {
        self.put(3, key, "");
    }

    /// `value` is one JSON value.
    pub fn json(&mut self, key: &str, value: &str) {
        self.put(4, key, value);
    }

    fn put(&mut self, kind: u8, key: &str, value: &str) {
        self.count += 1;
        self.out.push(kind);
        self.out.extend((key.len() as u16).to_le_bytes());
        self.out.extend((value.len() as u32).to_le_bytes());
        self.out.extend(key.as_bytes());
        self.out.extend(value.as_bytes());
    }
}
