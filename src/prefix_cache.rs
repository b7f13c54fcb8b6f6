//! Conversations whose beginnings need not be computed again.
//!
//! One session is *active*: it has room for a whole context and is what the network runs on. Others are *parked*: exact
//! copies, as long as they need to be, which nothing changes until the least recently used is dropped. A prompt goes on
//! from whichever session shares most with it. So an aborted or failed call can spoil nothing but the active session,
//! which knows what it holds.

use crate::error::Result;
use crate::network::Network;
use crate::session::Session;

/// Fewer tokens than this are sooner computed than kept.
const LEAST_PARKED: usize = 16;

/// The active session and the parked ones.
#[derive(Debug)]
pub struct PrefixCache {
    active: Session,
    /// How many of the active session's tokens came as a prompt; an answer follows them.
    prompt: usize,
    /// Most recently used last.
    parked: Vec<Session>,
}

impl PrefixCache {
    /// An empty cache.
    ///
    /// # Errors
    /// `out_of_memory`
    pub async fn open(network: &mut Network) -> Result<Self> {
        let active = Session::open(network, network.context_length).await?;
        Ok(Self { active, prompt: 0, parked: Vec::new() })
    }

    /// Starts afresh on a network that was built anew and knows none of the sessions.
    ///
    /// # Errors
    /// `out_of_memory`
    pub async fn reset(&mut self, network: &mut Network) -> Result<()> {
        self.active = Session::open(network, network.context_length).await?;
        self.parked.clear();
        Ok(())
    }

    /// The session to run on.
    pub fn active(&mut self) -> &mut Session {
        &mut self.active
    }

    /// Tokens held, of all sessions.
    pub fn len(&self) -> usize {
        self.active.len() + self.parked.iter().map(Session::len).sum::<usize>()
    }

    /// Whether no tokens are held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Makes the active session hold as much of the beginning of `prompt` as any session does, but for its last token,
    /// whose logits are wanted; returns how many tokens that are.
    ///
    /// # Errors
    /// What the engine's device fails with; the cache stays usable.
    pub async fn begin(&mut self, prompt: &[u32], network: &mut Network) -> Result<usize> {
        let here = self.active.reusable(prompt, network);
        let reusable = self.parked.iter().map(|parked| parked.reusable(prompt, network));
        let best = (0..).zip(reusable).max_by_key(|&(_, tokens)| tokens).filter(|&(_, tokens)| tokens > here);
        // Out of the list, so that parking does not drop it.
        let source = best.map(|(position, tokens)| (self.parked.remove(position), tokens));
        // A prompt that differs within the answer repeats or rewrites it; one that differs earlier is another conversation.
        let parked =
            if self.active.shared(prompt) + 1 < self.prompt { self.park(network).await } else { Ok(()) };
        self.prompt = prompt.len();
        let Some((source, tokens)) = source else {
            self.active.truncate(here);
            return parked.map(|()| here);
        };
        let copied = parked.and_then(|()| self.active.copy_from(&source, tokens, network));
        if copied.is_ok() && tokens + 1 >= source.len() {
            source.close(network); // nothing is in it that is not active now
        } else {
            self.parked.push(source);
            self.make_room(0, network);
        }
        copied.map(|()| tokens)
    }

    /// Empties the active session, for a text that no prompt will repeat.
    ///
    /// # Errors
    /// What the engine's device fails with; the cache stays usable.
    pub async fn begin_anew(&mut self, network: &mut Network) -> Result<()> {
        if self.prompt > 0 {
            self.park(network).await?;
        }
        self.prompt = 0;
        self.active.truncate(0);
        Ok(())
    }

    /// Keeps a copy of the active session as it is now, if there is room for it and it holds what no other does.
    ///
    /// # Errors
    /// What the engine's device fails with; the cache stays usable.
    pub async fn park(&mut self, network: &mut Network) -> Result<()> {
        let tokens = self.active.len();
        let needed = tokens + network.parking.overhead;
        if tokens < LEAST_PARKED || needed > network.parking.tokens || self.is_parked(network) {
            return Ok(());
        }
        while let Some(position) = self.superseded(network) {
            self.parked.remove(position).close(network);
        }
        self.make_room(needed, network);
        // Memory that cannot be had is no reason to refuse an answer.
        let Ok(mut copy) = Session::open(network, tokens).await else { return Ok(()) };
        if let Err(error) = copy.copy_from(&self.active, tokens, network) {
            copy.close(network);
            return Err(error);
        }
        self.parked.push(copy);
        Ok(())
    }

    /// Drops sessions, the least recently used first, until `needed` more tokens find room.
    fn make_room(&mut self, needed: usize, network: &mut Network) {
        let weight = |session: &Session| session.len() + network.parking.overhead;
        let mut taken: usize = self.parked.iter().map(weight).sum();
        while taken + needed > network.parking.tokens && !self.parked.is_empty() {
            let dropped = self.parked.remove(0);
            taken -= dropped.len() + network.parking.overhead;
            dropped.close(network);
        }
    }

    /// Whether a parked session can do all that the active one can.
    fn is_parked(&self, network: &Network) -> bool {
        let tokens = self.active.tokens();
        self.parked.iter().any(|parked| match network.can_rewind() {
            true => parked.tokens().starts_with(tokens),
            false => parked.tokens() == tokens,
        })
    }

    /// A parked session that the active one begins with, where a sequence can be cut back to it.
    fn superseded(&self, network: &Network) -> Option<usize> {
        let tokens = self.active.tokens();
        self.parked.iter().position(|parked| network.can_rewind() && tokens.starts_with(parked.tokens()))
    }
}
