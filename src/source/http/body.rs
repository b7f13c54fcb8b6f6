//! The body of an answer, piece by piece: through one buffer that is used again and again where the browser lends its
//! bytes, for pieces of their own would pile up until the next garbage collection.

use js_sys::{ArrayBuffer, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use web_sys::{ReadableStream, ReadableStreamDefaultReader};

/// Bytes that are taken at once.
const BUFFER_BYTES: u32 = 512 << 10;

/// A body that is read to its end by one reader.
pub(super) enum Body {
    /// Fills our buffer, which is away while a read is under way.
    Lent(LentReader, ArrayBuffer),
    /// Gives a new buffer for each piece.
    Plain(ReadableStreamDefaultReader),
}

impl Body {
    /// Begins to read `stream`; none if somebody else does.
    pub fn new(stream: ReadableStream) -> Option<Self> {
        let options = Object::new();
        let _ = Reflect::set(&options, &"mode".into(), &"byob".into());
        // What is no stream of bytes, as in some browsers, refuses.
        if let Ok(reader) = stream.unchecked_ref::<ByteStream>().lend(&options) {
            return Some(Self::Lent(reader, ArrayBuffer::new(BUFFER_BYTES)));
        }
        stream.get_reader().dyn_into().ok().map(Self::Plain)
    }

    /// Asks for the next piece.
    pub fn read(&self) -> Promise {
        match self {
            Self::Lent(reader, buffer) => reader.read_into(&Uint8Array::new(buffer)),
            Self::Plain(reader) => reader.read(),
        }
    }

    /// The piece that a read gave; none at the end.
    pub fn take(&mut self, result: &JsValue) -> Option<Vec<u8>> {
        let field = |name: &str| Reflect::get(result, &name.into()).unwrap_or_default();
        if field("done").is_truthy() {
            return None;
        }
        let piece = field("value").dyn_into::<Uint8Array>().ok();
        if let (Self::Lent(_, buffer), Some(piece)) = (self, &piece) {
            *buffer = piece.buffer();
        }
        Some(piece.map(|piece| piece.to_vec()).unwrap_or_default())
    }
}

#[wasm_bindgen]
extern "C" {
    type ByteStream;

    #[wasm_bindgen(method, catch, js_name = getReader)]
    fn lend(this: &ByteStream, options: &Object) -> Result<LentReader, JsValue>;

    pub(super) type LentReader;

    #[wasm_bindgen(method, js_name = read)]
    fn read_into(this: &LentReader, piece: &Uint8Array) -> Promise;
}
