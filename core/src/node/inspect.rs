//! Looking at a node, and telling it who signs.

use std::{fmt, sync::Arc};

use crate::{
    app::App,
    consensus::{Consensus, RoundState},
    crypto::Sign,
    ledger::State,
    node::Node,
    types::{Height, ValidatorSet},
};

impl Node {
    /// The consensus machine, for looking at.
    #[must_use]
    pub fn consensus(&self) -> &Consensus {
        &self.consensus
    }

    /// The application after the last durable height.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Why the node has stopped, if it has.
    #[must_use]
    pub fn halted(&self) -> Option<&str> {
        self.halted.as_deref()
    }

    /// Where the node stands and what it knows of its height, as a snapshot (`GetRoundState`).
    #[must_use]
    pub fn round_state(&self) -> RoundState {
        self.consensus.round_state()
    }

    /// The chain up to the last durable height (`GetState`).
    #[must_use]
    pub fn state(&self) -> &State {
        self.consensus.chain()
    }

    /// The last durable height, and the validators that decide the one after it
    /// (`GetValidators`).
    #[must_use]
    pub fn validators(&self) -> (Height, &Arc<ValidatorSet>) {
        (self.state().height, self.consensus.validators())
    }

    /// Signs with another key from now on, or not at all (`SetPrivValidator`): without a key, or
    /// with one that is no validator's, the node is an observer.
    ///
    /// The sign state stays: the new key signs nothing for a height, round and step that the old
    /// one has passed. Own messages that wait for the disk are still sent.
    pub fn set_signer(&mut self, signer: Option<Arc<dyn Sign>>) {
        let key = signer.as_ref().map(|signer| signer.public_key());
        self.consensus.set_address(key.map(|key| key.address()));
        self.keys.sign = signer;
    }
}

impl fmt::Display for Node {
    /// Where the node stands in one line; with `{:#}` its whole round state and application.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (at, own) = (self.consensus.at(), self.consensus.index());
        match own {
            Some(index) => write!(f, "validator v{} at {at}", index.0)?,
            None => write!(f, "observer at {at}")?,
        }
        if let Some(reason) = &self.halted {
            write!(f, ", halted: {reason}")?;
        }
        if f.alternate() {
            let rounds = format!("{:#}", self.consensus).replace('\n', "\n  ");
            write!(f, "\n  {rounds}\n  app_height {}", self.app.height())?;
        }
        Ok(())
    }
}
