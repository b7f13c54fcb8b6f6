//! A model's vocabulary as the grammar library wants it: a trie of byte strings.

use std::sync::Arc;

use llguidance::ParserFactory;
use llguidance::earley::SlicedBiasComputer;
use llguidance::toktrie::{INVALID_TOKEN, InferenceCapabilities, TokEnv, TokRxInfo, TokTrie, TokenizerEnv};

use super::limits;
use crate::error::{Error, ErrorKind, Result};
use crate::tokenizer::Tokenizer;

/// Arranges the tokens of `tokenizer` and computes what serves all constraints: about 100 ms for 50,000 tokens.
///
/// Only tokens that are text can be allowed as text: control tokens, placeholders and everything that ends a
/// generation are reachable by nothing but a grammar that names them (`<|tool|>`, `<[151657]>`).
///
/// # Errors
/// `corrupt_file` if the vocabulary cannot be used.
pub(super) fn factory(tokenizer: Arc<Tokenizer>) -> Result<ParserFactory> {
    let unusable = |error| Error::new(ErrorKind::CorruptFile, format!("the vocabulary: {error}"));
    let environment: TokEnv = Arc::new(Environment::new(tokenizer));
    let capabilities = InferenceCapabilities { ff_tokens: true, ..InferenceCapabilities::default() };
    let slices = SlicedBiasComputer::json_slices();
    let mut factory = ParserFactory::new(&environment, capabilities, &slices).map_err(unusable)?;
    factory.quiet();
    *factory.limits_mut() = limits::parser();
    Ok(factory)
}

/// How the library asks about tokens.
struct Environment {
    tokenizer: Arc<Tokenizer>,
    trie: TokTrie,
}

impl Environment {
    fn new(tokenizer: Arc<Tokenizer>) -> Self {
        let mut words: Vec<Vec<u8>> =
            (0..tokenizer.vocab_size() as u32).map(|id| word(&tokenizer, id)).collect();
        // A grammar may ask which special tokens there are, and the library takes it for granted that there is one.
        words.push(b"\xFF<tabmind:none>".to_vec());
        let trie = TokTrie::from(&TokRxInfo::new(words.len() as u32, INVALID_TOKEN), &words);
        let eog = tokenizer.eog();
        let trie = if eog.is_empty() { trie } else { trie.with_eos_tokens(eog) };
        Self { tokenizer, trie }
    }

    /// The model's own way to write `text` after other text, if it writes it exactly.
    fn canonical(&self, text: &str) -> Option<Vec<u32>> {
        let ids = self.tokenizer.encode_continuing(text).ok()?;
        // A normaliser, a space put in front or an unknown character: these ids spell something else.
        let spelt: Vec<u8> = ids.iter().flat_map(|&id| self.trie.token(id)).copied().collect();
        (spelt == text.as_bytes()).then_some(ids)
    }
}

impl TokenizerEnv for Environment {
    fn tok_trie(&self) -> &TokTrie {
        &self.trie
    }

    fn tokenize_bytes(&self, bytes: &[u8]) -> Vec<u32> {
        self.trie.tokenize_with_greedy_fallback(bytes, |text| {
            self.canonical(text).unwrap_or_else(|| self.trie.greedy_tokenize(text.as_bytes()))
        })
    }
}

/// The bytes by which a grammar reaches a token: its text; behind the byte 0xFF, which begins no text, its name;
/// or nothing, if it can never be generated.
fn word(tokenizer: &Tokenizer, id: u32) -> Vec<u8> {
    if tokenizer.is_plain_text(id) {
        let bytes = tokenizer.token_bytes(id);
        // A token for the byte 0xFF itself would look like a name.
        return if bytes.contains(&TokTrie::SPECIAL_TOKEN_MARKER) { Vec::new() } else { bytes.to_vec() };
    }
    let name = tokenizer.token_text(id).as_bytes();
    if name.is_empty() {
        return Vec::new();
    }
    [&[TokTrie::SPECIAL_TOKEN_MARKER], name].concat()
}
