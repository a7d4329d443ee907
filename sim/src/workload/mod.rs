//! Clients: transactions that set keys of a small key space, each given to one node or more.

use engine::{
    app::{Call, Item, MAX_ITEM_BYTES},
    types::{MAX_TX_BYTES, PeerId, Tx},
};

use crate::{
    choice::{Choices, Draw, Stream},
    nemesis::{Clients, Plan},
};

/// How many different keys are written.
const KEYS: u64 = 64;

/// Draws transactions.
#[derive(Debug, Clone)]
pub struct Workload {
    choices: Choices,
    nodes: u64,
    clients: Clients,
}

impl Workload {
    /// The clients of a plan.
    #[must_use]
    pub fn new(plan: &Plan, choices: &Choices) -> Self {
        Self {
            choices: choices.clone(),
            nodes: plan.powers.len() as u64,
            clients: plan.clients,
        }
    }

    /// What clients submit at one time, and to whom. The first transaction is always a good one
    /// that was not there before; all good ones are different, for their values are their numbers.
    #[must_use]
    pub fn batch(&self, number: u64) -> Vec<(PeerId, Tx)> {
        let places = 0..=self.clients.burst;
        places.flat_map(|place| self.one(number, place)).collect()
    }

    fn one(&self, number: u64, place: u64) -> Vec<(PeerId, Tx)> {
        let coordinates = [0, number, place, 0];
        let mut draw = self.choices.draw(Stream::Workload, coordinates);
        let mut nodes = vec![self.node(&mut draw)];
        let key = draw.below(KEYS).to_le_bytes().to_vec();
        nodes.extend((0..self.clients.copies).map(|_| self.node(&mut draw)));
        let malformed = draw.below(1_000_000) < u64::from(self.clients.malformed_ppm);
        let large = draw.below(1_000_000) < u64::from(self.clients.large_ppm);
        let tx = if place > 0 && malformed {
            let len = draw.between(1..=MAX_TX_BYTES as u64);
            Tx::try_from(vec![0xff; usize::try_from(len).unwrap_or(1)]).unwrap_or_default()
        } else {
            let mut value = number.to_le_bytes().to_vec();
            if place > 0 {
                value.extend(place.to_le_bytes());
            }
            set(key, value, large)
        };
        nodes.into_iter().map(|node| (node, tx.clone())).collect()
    }

    fn node(&self, draw: &mut Draw) -> PeerId {
        PeerId(u16::try_from(draw.below(self.nodes)).unwrap_or(0))
    }
}

/// Sets a key; a large one fills key and value up.
fn set(mut key: Vec<u8>, mut value: Vec<u8>, large: bool) -> Tx {
    if large {
        key.resize(MAX_ITEM_BYTES, 0);
        value.resize(MAX_ITEM_BYTES, 0);
    }
    let item = |bytes| Item::try_from(bytes).unwrap_or_default();
    Call::Set {
        key: item(key),
        value: item(value),
    }
    .to_tx()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use engine::app::App;

    use super::*;
    use crate::nemesis::{Overrides, draw};

    #[test]
    fn the_first_of_a_batch_is_good_and_no_good_one_comes_twice() {
        let mut plan = draw(1, &Overrides::default()).unwrap();
        plan.clients = Clients {
            burst: 5,
            copies: 1,
            malformed_ppm: 500_000,
            large_ppm: 500_000,
        };
        let workload = Workload::new(&plan, &Choices::new(1));
        let (mut good, mut malformed) = (BTreeSet::new(), 0);
        for number in 0..50 {
            let batch = workload.batch(number);
            assert_eq!(batch.len(), 12, "six transactions, each at two nodes");
            assert!(App::check(&batch[0].1).is_ok());
            for pair in batch.chunks(2) {
                assert_eq!(pair[0].1, pair[1].1);
                match App::check(&pair[0].1) {
                    Ok(_) => assert!(good.insert(pair[0].1.to_vec())),
                    Err(_) => malformed += 1,
                }
            }
        }
        assert!(malformed > 50);
        assert!(good.iter().any(|tx| tx.len() > 2 * MAX_ITEM_BYTES));
    }
}
