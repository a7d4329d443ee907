//! What the world knows of a validator: it takes inputs, gives outputs, and lives on a disk.
//! Another engine can be put under the same world by implementing [`Validator`].

use std::sync::Arc;

use engine::{
    crypto::Keys,
    ledger::Genesis,
    node::{Config, Input, Node, Output, Size, Store, StoreConfig},
    replay::{self, Owner},
    storage::Storage,
    types::{Height, Time},
};

/// A validator under test.
pub trait Validator: std::fmt::Debug {
    /// Starts from what the disk holds, perhaps nothing. Returns the height after which it goes on.
    ///
    /// # Errors
    /// Why it refuses to start.
    fn start(
        &mut self,
        disk: &mut dyn Storage,
        now: Time,
        out: &mut Vec<Output>,
    ) -> Result<Height, String>;

    /// Stops at once: everything in memory is gone.
    fn stop(&mut self);

    /// Consumes one input at local time `now`.
    fn step(&mut self, now: Time, input: Input, out: &mut Vec<Output>);

    /// How much it holds in memory, if it is running and can tell.
    fn size(&self) -> Option<Size> {
        None
    }

    /// Carries out an output that is about the disk, and returns the input that answers it.
    ///
    /// # Errors
    /// Why the disk could not do it. The validator must then stop.
    fn carry_out(
        &mut self,
        disk: &mut dyn Storage,
        output: &Output,
    ) -> Result<Option<Input>, String>;
}

/// Where a validator's files lie on its disk.
pub const DIR: &str = "data";

/// The engine of this project.
#[derive(Debug)]
pub struct EngineValidator {
    genesis: Genesis,
    config: Config,
    store_config: StoreConfig,
    keys: Keys,
    running: Option<Box<(Node, Store)>>,
}

impl EngineValidator {
    /// A validator that has not been started.
    #[must_use]
    pub fn new(genesis: Genesis, config: Config, store_config: StoreConfig, keys: Keys) -> Self {
        Self {
            genesis,
            config,
            store_config,
            keys,
            running: None,
        }
    }
}

impl Validator for EngineValidator {
    fn start(
        &mut self,
        disk: &mut dyn Storage,
        now: Time,
        out: &mut Vec<Output>,
    ) -> Result<Height, String> {
        // What is there is verified first, on a view that writes nothing.
        let owner = Owner {
            key: self.keys.sign.as_ref().map(|key| key.public_key()),
            verify: Arc::clone(&self.keys.verify),
        };
        replay::replay_for(disk, DIR, &self.genesis, &self.config, &owner)
            .map_err(|error| format!("verified start: {error}"))?;
        let (store, found) = Store::start(disk, DIR, &self.genesis, self.store_config)
            .map_err(|error| error.to_string())?;
        let height = found.state.height;
        let node = Node::recover(&self.config, self.keys.clone(), found, now, out);
        self.running = Some(Box::new((node, store)));
        Ok(height)
    }

    fn stop(&mut self) {
        self.running = None;
    }

    fn step(&mut self, now: Time, input: Input, out: &mut Vec<Output>) {
        if let Some(running) = &mut self.running {
            running.0.step(now, input, out);
        }
    }

    fn size(&self) -> Option<Size> {
        self.running.as_ref().map(|running| running.0.size())
    }

    fn carry_out(
        &mut self,
        disk: &mut dyn Storage,
        output: &Output,
    ) -> Result<Option<Input>, String> {
        let Some(running) = &mut self.running else {
            return Ok(None);
        };
        let done = running.1.carry_out(disk, output);
        done.map_err(|error| error.to_string())
    }
}
