//! One sequence: which tokens an engine's caches hold.

use crate::engine::{Pick, SequenceId};
use crate::error::{ErrorKind, Result};
use crate::network::Network;

/// Tokens whose keys and values are in an engine.
#[derive(Debug)]
pub struct Session {
    sequence: SequenceId,
    tokens: Vec<u32>,
}

impl Session {
    /// An empty session with room for `tokens` tokens.
    ///
    /// # Errors
    /// `out_of_memory`
    pub async fn open(network: &mut Network, tokens: usize) -> Result<Self> {
        Ok(Self { sequence: network.open(tokens).await?, tokens: Vec::new() })
    }

    /// Frees the caches.
    pub fn close(self, network: &mut Network) {
        network.close(self.sequence);
    }

    /// Tokens held.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Number of tokens held.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether no tokens are held.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Tokens that `prompt` begins with and that are held.
    pub fn shared(&self, prompt: &[u32]) -> usize {
        self.tokens.iter().zip(prompt).take_while(|(a, b)| a == b).count()
    }

    /// Those of them from which `prompt` can be continued: the last token of a prompt is always run, for its logits, and
    /// a recurrent state stands at the end of its sequence and nowhere else.
    pub fn reusable(&self, prompt: &[u32], network: &Network) -> usize {
        let keep = self.shared(prompt).min(prompt.len().saturating_sub(1));
        if network.can_rewind() || keep == self.tokens.len() { keep } else { 0 }
    }

    /// Forgets all but the first `keep` tokens, a number that [`reusable`](Self::reusable) gave.
    pub fn truncate(&mut self, keep: usize) {
        self.tokens.truncate(keep);
    }

    /// Takes over the first `tokens` tokens of `other`, a number that its [`reusable`](Self::reusable) gave.
    ///
    /// # Errors
    /// What the engine's device fails with; nothing is held then.
    pub fn copy_from(&mut self, other: &Session, tokens: usize, network: &mut Network) -> Result<()> {
        self.tokens.clear();
        network.copy(other.sequence, self.sequence, tokens)?;
        self.tokens.extend_from_slice(&other.tokens[..tokens]);
        Ok(())
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
        let can_rewind = network.can_rewind();
        let ran = network.run(self.sequence, tokens, self.tokens.len(), first_logits).await;
        self.note(tokens, ran, can_rewind)
    }

    /// Runs `tokens` after those held; returns the token to follow, chosen as `pick` says, and perhaps begins with those that
    /// are to be chosen `ahead`.
    ///
    /// # Errors
    /// As [`extend`](Self::extend).
    pub async fn extend_to_pick(
        &mut self,
        network: &mut Network,
        tokens: &[u32],
        pick: Pick,
        ahead: &[Pick],
    ) -> Result<u32> {
        let ran = network.run_to_pick(self.sequence, tokens, self.tokens.len(), pick, ahead).await;
        self.note(tokens, ran, network.can_rewind())
    }

    /// Takes note of tokens that ran, or failed to.
    fn note<T>(&mut self, tokens: &[u32], ran: Result<T>, can_rewind: bool) -> Result<T> {
        match &ran {
            Ok(_) => self.tokens.extend_from_slice(tokens),
            // A recurrent state that stopped half-way belongs to no position: start afresh. What a lost GPU held will
            // be run again.
            Err(error) if !can_rewind && error.kind() != ErrorKind::DeviceLost => self.tokens.clear(),
            Err(_) => {}
        }
        ran
    }
}
