//! One sequence: which tokens an engine's caches hold.

use crate::engine::SequenceId;
use crate::error::Result;
use crate::network::Network;

/// Tokens whose keys and values are in an engine.
#[derive(Debug)]
pub struct Session {
    sequence: SequenceId,
    tokens: Vec<u32>,
}

impl Session {
    /// An empty session.
    ///
    /// # Errors
    /// `out_of_memory`
    pub fn open(network: &mut Network) -> Result<Self> {
        Ok(Self { sequence: network.open()?, tokens: Vec::new() })
    }

    /// Tokens held.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether no tokens are held.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Keeps what `prompt` shares with the tokens held, but for its last token, whose logits are wanted; returns how many that are.
    pub fn rewind_to(&mut self, prompt: &[u32], network: &Network) -> usize {
        let shared = self.tokens.iter().zip(prompt).take_while(|(a, b)| a == b).count();
        let mut keep = shared.min(prompt.len().saturating_sub(1));
        if !network.can_rewind() && keep < self.tokens.len() {
            keep = 0;
        }
        self.tokens.truncate(keep);
        keep
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.tokens.clear();
    }

    /// Runs `tokens` after those held; returns the logits from token `first_logits` of them on, `[tokens, vocabulary]`.
    ///
    /// # Errors
    /// What [`Network::run`] fails with; the session stays usable.
    pub async fn extend<'a>(
        &mut self,
        network: &'a mut Network,
        tokens: &[u32],
        first_logits: usize,
    ) -> Result<&'a mut [f32]> {
        let position = self.tokens.len();
        let can_rewind = network.can_rewind();
        match network.run(self.sequence, tokens, position, first_logits).await {
            Ok(logits) => {
                self.tokens.extend_from_slice(tokens);
                Ok(logits)
            }
            Err(error) => {
                if !can_rewind {
                    // A recurrent state that stopped half-way belongs to no position: start afresh.
                    self.tokens.clear();
                }
                Err(error)
            }
        }
    }
}
