//! What the world knows of a validator: it takes inputs, gives outputs, and lives on a disk.
//! Another engine can be put under the same world by implementing [`Validator`].

use engine::{
    crypto::Keys,
    ledger::Genesis,
    node::{Config, Input, Node, Output, Store, StoreConfig},
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

    fn carry_out(
        &mut self,
        disk: &mut dyn Storage,
        output: &Output,
    ) -> Result<Option<Input>, String> {
        let Some(running) = &mut self.running else {
            return Ok(None);
        };
        let store = &mut running.1;
        let done = match output {
            Output::Append { lsn, entry } => store.append(disk, *lsn, entry).map(|()| None),
            Output::SaveSignState(state) => {
                store.write_sign_state(state);
                Ok(None)
            }
            Output::Sync(lsn) => store.sync(disk).map(|()| Some(Input::Durable(*lsn))),
            Output::Commit {
                decision,
                validators,
                state,
                app,
            } => store
                .commit(disk, decision, validators, (state, app))
                .map(|()| Some(Input::Committed(state.height))),
            Output::Load { height } => store.load(disk, *height).map(|block| {
                Some(Input::Loaded {
                    height: *height,
                    block: block.map(Box::new),
                })
            }),
            Output::Send { .. }
            | Output::Arm { .. }
            | Output::Decided { .. }
            | Output::Rejected { .. }
            | Output::Refused { .. }
            | Output::Halted { .. }
            | Output::Notice(_) => Ok(None),
        };
        done.map_err(|error| error.to_string())
    }
}
