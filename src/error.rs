//! The one error type. `ErrorKind` is what a program matches on, `detail` what a person reads.

use std::fmt;

/// Result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

macro_rules! error_kinds {
    ($($(#[$doc:meta])* $kind:ident => $code:literal,)*) => {
        /// What went wrong. Its [`code`](ErrorKind::code) is stable and is what JavaScript sees.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorKind { $($(#[$doc])* $kind,)* }

        impl ErrorKind {
            /// Every kind, in declaration order.
            pub const ALL: &'static [ErrorKind] = &[$(ErrorKind::$kind,)*];

            /// The stable snake_case word; the TypeScript union `TabmindErrorCode` holds the same words.
            pub fn code(self) -> &'static str {
                match self { $(ErrorKind::$kind => $code,)* }
            }
        }
    };
}

error_kinds! {
    /// The bytes do not begin with the GGUF magic.
    NotGguf => "not_gguf",
    /// The file ends before the data that its header promises.
    TruncatedFile => "truncated_file",
    /// The file contradicts itself, or a length in it cannot be true.
    CorruptFile => "corrupt_file",
    /// The model needs something that this runtime does not implement; the detail names the key.
    UnsupportedArchitecture => "unsupported_architecture",
    /// A tensor has a type that this runtime does not read.
    UnsupportedQuantization => "unsupported_quantization",
    /// A GGUF version, or byte order, that this runtime does not read.
    UnsupportedVersion => "unsupported_version",
    /// The bytes are not the ones the caller asked for.
    HashMismatch => "hash_mismatch",
    /// The server could not be reached, or the connection broke.
    Network => "network",
    /// The server answered with an error status.
    HttpStatus => "http_status",
    /// The browser refuses to store more.
    QuotaExceeded => "quota_exceeded",
    /// The model does not fit into memory.
    OutOfMemory => "out_of_memory",
    /// WebGPU was asked for and is not there.
    WebgpuUnavailable => "webgpu_unavailable",
    /// The GPU went away and could not be brought back.
    DeviceLost => "device_lost",
    /// No kernel variant computes right results on this machine.
    SelfTestFailed => "self_test_failed",
    /// Prompt and answer do not fit into the context.
    ContextOverflow => "context_overflow",
    /// A parameter is unknown, of the wrong type or out of range; the detail names the field.
    InvalidRequest => "invalid_request",
    /// A JSON Schema keyword that cannot be enforced; the detail names it.
    UnsupportedSchema => "unsupported_schema",
    /// The chat template failed, or refused the messages.
    TemplateError => "template_error",
    /// The worker that ran the engine is gone.
    WorkerDied => "worker_died",
    /// NaN or infinity where logits should be.
    NumericError => "numeric_error",
    /// The engine was sealed off from the network.
    Sealed => "sealed",
    /// The engine was closed.
    Closed => "closed",
    /// The caller aborted; JavaScript sees the standard `AbortError`.
    Aborted => "aborted",
}

/// An error: a kind, what was found, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    detail: String,
    hint: Option<String>,
}

impl Error {
    /// An error of `kind`; `detail` says what was found and what was expected.
    pub fn new(kind: ErrorKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), hint: None }
    }

    /// Adds what the reader can do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The error of a call that its caller aborted.
    pub fn aborted() -> Self {
        Self::new(ErrorKind::Aborted, "the call was aborted")
    }

    /// What to match on.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What was found, for a person.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Whether the GPU failed, so that the CPU may go on.
    pub fn is_of_the_gpu(&self) -> bool {
        use ErrorKind::{DeviceLost, OutOfMemory, SelfTestFailed, WebgpuUnavailable};
        matches!(self.kind, DeviceLost | OutOfMemory | SelfTestFailed | WebgpuUnavailable)
    }

    /// What to do about it, if something can be done.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.code(), self.detail)
    }
}

impl std::error::Error for Error {}

/// `Err(Error::new(ErrorKind::$kind, format!(…)))`, returned at once.
macro_rules! bail {
    ($kind:ident, $($arg:tt)*) => {
        return Err($crate::error::Error::new($crate::error::ErrorKind::$kind, format!($($arg)*)))
    };
}
pub(crate) use bail;
