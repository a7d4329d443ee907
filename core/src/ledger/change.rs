//! What the transactions of a block change for the next height: validators and parameters.
//!
//! The order is fixed. First the changes of power that the application hands over, all together: if
//! they are impossible as a whole, none of them happens. Then the configuration transactions, one
//! after the other in the order of the block, each on what those before have made of the chain. A
//! configuration transaction that was not built on the present configuration does nothing. One that
//! was is counted in the sequence even if what it asks for is impossible and does not happen: so a
//! sequence number is used once, nobody can repeat a refused change later, and the count follows
//! from the transactions alone.
//!
//! The validator set changes once for all of it: by the difference between the old set and what was
//! asked for. A change that gives a validator the power it has is no change.

use crate::{
    app::App,
    ledger::State,
    types::{ConfigChange, Params, Tx, ValidatorSet, ValidatorUpdate},
};

/// What holds from the next height on.
pub(super) struct Changed {
    /// The validators; the turn has not been passed on yet.
    pub(super) validators: ValidatorSet,
    pub(super) params: Params,
    pub(super) config_sequence: u64,
}

/// What these transactions, executed after `state`, leave.
pub(super) fn changed(state: &State, txs: &[Tx]) -> Changed {
    let asked = state.validators.with_updates(&App::updates(txs));
    let mut wanted = asked.unwrap_or_else(|_| state.validators.clone());
    let (mut params, mut config_sequence) = (state.params, state.config_sequence);
    for (sequence, change) in App::configurations(txs) {
        if sequence != config_sequence {
            continue;
        }
        config_sequence = config_sequence.saturating_add(1);
        match change {
            ConfigChange::Power { key, power } => {
                let update = ValidatorUpdate { key, power };
                wanted = wanted.with_updates(&[update]).unwrap_or(wanted);
            }
            ConfigChange::Params(new) => params = new.check().map_or(params, |()| new),
        }
    }
    let updates = difference(&state.validators, &wanted);
    let validators = state.validators.with_updates(&updates);
    Changed {
        validators: validators.unwrap_or_else(|_| state.validators.clone()),
        params,
        config_sequence,
    }
}

/// The updates that lead from one set to the keys and powers of another.
fn difference(from: &ValidatorSet, to: &ValidatorSet) -> Vec<ValidatorUpdate> {
    let power_in = |set: &ValidatorSet, address| {
        let validator = set.get(set.index_of(address)?)?;
        Some(validator.power)
    };
    let gone = from.validators().iter().filter_map(|old| {
        let key = old.key;
        let gone = to.index_of(&old.address).is_none();
        gone.then_some(ValidatorUpdate { key, power: 0 })
    });
    let set = to.validators().iter().filter_map(|new| {
        let (key, power) = (new.key, new.power);
        let changed = power_in(from, &new.address) != Some(power);
        changed.then_some(ValidatorUpdate { key, power })
    });
    gone.chain(set).collect()
}
