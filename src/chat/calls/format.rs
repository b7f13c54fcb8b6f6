//! How models write what is no plain answer: reasoning, and calls of tools. Data only.

/// The texts between which a model thinks aloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReasoningFormat {
    /// Begins the thoughts.
    pub open: &'static str,
    /// Ends them.
    pub close: &'static str,
}

/// All ways of thinking aloud. They are looked for at the beginning of an answer and after a call, in every model:
/// none of them begins an ordinary text.
pub const REASONING: &[ReasoningFormat] = &[
    ReasoningFormat { open: "<think>", close: "</think>" },
    ReasoningFormat { open: "[THINK]", close: "[/THINK]" },
    ReasoningFormat { open: "<|channel>thought\n", close: "<channel|>" },
    ReasoningFormat { open: "<thinking>", close: "</thinking>" },
    ReasoningFormat { open: "<|START_THINKING|>", close: "<|END_THINKING|>" },
];

/// How a family writes calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallFormat {
    /// Its name, for people.
    pub name: &'static str,
    /// A chat template that holds all of these was written for this format.
    marks: &'static [&'static str],
    /// Begins a call, or a list of calls.
    pub open: &'static str,
    /// Ends it; nothing if the call's own text tells.
    pub close: &'static str,
    /// An answer that begins with `{` is a call, without `open`.
    pub bare: bool,
    /// What stands between.
    pub body: Body,
}

/// The text of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// `{"name": NAME, ARGUMENTS: {…}}`, in a list if `list`.
    Objects {
        /// The key of the arguments.
        arguments: &'static str,
        /// Whether even a single call is written as a list.
        list: bool,
    },
    /// `NAME separator {…}`
    Named {
        /// Between name and arguments.
        separator: &'static str,
        /// Between the name and the call's id, which follow it if the model gives one.
        id: &'static str,
    },
    /// `<function=NAME>\n<parameter=KEY>\nVALUE\n</parameter>\n</function>`; strings stand for themselves.
    Tagged,
    /// `[NAME(KEY=VALUE, …), …]`, as Python writes it.
    Python,
    /// `call:NAME{KEY:VALUE,…}`
    Braces {
        /// Stands on both sides of strings, in which nothing is escaped.
        quote: &'static str,
    },
}

/// All formats; the first that fits a template is its own.
pub const CALL_FORMATS: &[CallFormat] = &[
    CallFormat {
        name: "gemma4",
        marks: &["<|tool_call>call:"],
        open: "<|tool_call>",
        close: "<tool_call|>",
        bare: false,
        body: Body::Braces { quote: "<|\"|>" },
    },
    CallFormat {
        name: "functiongemma",
        marks: &["<start_function_call>"],
        open: "<start_function_call>",
        close: "<end_function_call>",
        bare: false,
        body: Body::Braces { quote: "<escape>" },
    },
    CallFormat {
        name: "lfm2",
        marks: &["List of tools: "],
        open: "<|tool_call_start|>",
        close: "<|tool_call_end|>",
        bare: false,
        body: Body::Python,
    },
    CallFormat {
        name: "qwen3.5",
        marks: &["<tool_call>", "<function=", "<parameter="],
        open: "<tool_call>",
        close: "</tool_call>",
        bare: false,
        body: Body::Tagged,
    },
    CallFormat {
        name: "mistral",
        marks: &["[TOOL_CALLS]", "[ARGS]", "[CALL_ID]"],
        open: "[TOOL_CALLS]",
        close: "",
        bare: false,
        body: Body::Named { separator: "[ARGS]", id: "[CALL_ID]" },
    },
    CallFormat {
        name: "ministral",
        marks: &["[TOOL_CALLS]", "[ARGS]"],
        open: "[TOOL_CALLS]",
        close: "",
        bare: false,
        body: Body::Named { separator: "[ARGS]", id: "" },
    },
    CallFormat {
        name: "mistral-v3",
        marks: &["[TOOL_CALLS]"],
        open: "[TOOL_CALLS]",
        close: "",
        bare: false,
        body: Body::Objects { arguments: "arguments", list: true },
    },
    CallFormat {
        name: "phi4",
        marks: &["<|tool|>"],
        open: "<|tool_call|>",
        close: "<|/tool_call|>",
        bare: false,
        body: Body::Objects { arguments: "arguments", list: true },
    },
    CallFormat {
        name: "functionary",
        marks: &["<function=", "</function>"],
        open: "<function=",
        close: "</function>",
        bare: false,
        body: Body::Named { separator: ">", id: "" },
    },
    CallFormat {
        name: "llama3",
        marks: &["\"parameters\": dictionary"],
        open: "<|python_tag|>",
        close: "",
        bare: true,
        body: Body::Objects { arguments: "parameters", list: false },
    },
    // Last, for most others have learned it too: Qwen 2.5 and 3, Hermes, SmolLM3, Granite 4.
    CallFormat {
        name: "hermes",
        marks: &[],
        open: "<tool_call>",
        close: "</tool_call>",
        bare: false,
        body: Body::Objects { arguments: "arguments", list: false },
    },
];

/// The format that a chat template was written for.
pub fn of_template(source: &str) -> Option<&'static CallFormat> {
    CALL_FORMATS.iter().find(|format| format.marks.iter().all(|mark| source.contains(mark)))
}

impl CallFormat {
    /// Texts that tell calls from the rest. A vocabulary may have them as control tokens, which are no text otherwise.
    pub fn markers(&self) -> impl Iterator<Item = &'static str> {
        let (inner, quote) = match self.body {
            Body::Named { separator, id } => (separator, id),
            Body::Braces { quote } => (quote, ""),
            Body::Objects { .. } | Body::Tagged | Body::Python => ("", ""),
        };
        [self.open, self.close, inner, quote].into_iter().filter(|marker| !marker.is_empty())
    }
}
