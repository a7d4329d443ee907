//! Tests of changes: validators come, go and weigh differently, parameters change, and what is
//! impossible does not happen.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::chain::{Chain, app_power, config_power, configure, public};
use crate::{
    app::App,
    crypto::Ed25519,
    ledger::{Genesis, GenesisError, InvalidBlock, State},
    types::{
        ChainId, ConfigChange, MAX_DATA_BYTES, MAX_TOTAL_POWER, Params, ParamsError, Time, Tx,
        ValidatorError, ValidatorUpdate,
    },
};

fn chain(powers: &[u64]) -> Chain {
    Chain::new(powers, Params::default())
}

fn powers<const N: usize>(of: [(u8, u64); N]) -> BTreeMap<u8, u64> {
    BTreeMap::from(of)
}

#[test]
fn a_change_takes_effect_at_the_next_height_whichever_way_it_comes() {
    for tx in [app_power(4, 7), config_power(0, 4, 7)] {
        let mut chain = chain(&[1, 2, 3]);
        let before = chain.state.validators.clone();
        chain.grow(vec![tx], Vec::new());
        assert_eq!(chain.state.last_validators, Some(before));
        assert_eq!(chain.powers(), powers([(0, 1), (1, 2), (2, 3), (4, 7)]));
        chain.grow(Vec::new(), Vec::new());
    }
}

#[test]
fn the_whole_validator_set_is_replaced_step_by_step() {
    let mut chain = chain(&[5, 5, 5, 5]);
    for step in 0..4u8 {
        let sequence = u64::from(step) * 2;
        chain.grow(vec![config_power(sequence, 4 + step, 5)], Vec::new());
        chain.grow(vec![config_power(sequence + 1, step, 0)], Vec::new());
        assert_eq!(chain.powers().len(), 4);
        assert!(!chain.powers().contains_key(&step));
    }
    assert_eq!(chain.powers(), powers([(4, 5), (5, 5), (6, 5), (7, 5)]));
    chain.grow_until_next_is(20);
    assert_eq!(chain.state.config_sequence, 8);
}

#[test]
fn all_validators_are_replaced_in_one_block() {
    let mut chain = chain(&[5, 5]);
    let leave = [app_power(0, 0), app_power(1, 0)];
    let come = [app_power(2, 1), app_power(3, 1)];
    chain.grow([leave, come].concat(), Vec::new());
    assert_eq!(chain.powers(), powers([(2, 1), (3, 1)]));
    chain.grow_until_next_is(5);
}

#[test]
fn a_proposer_may_propose_its_own_removal() {
    let mut chain = chain(&[1, 1, 1, 1]);
    let set = &chain.state.validators;
    let address = set.get(set.proposer()).unwrap().address;
    let me = (0..4).find(|id| public(*id).address() == address).unwrap();
    chain.grow(vec![app_power(me, 0)], Vec::new());
    assert_eq!(chain.powers().len(), 3);
    let next = &chain.state.validators;
    assert!(next.get(next.proposer()).is_some());
    let mut from_outside = chain.block(Vec::new(), Vec::new());
    from_outside.header.proposer = address;
    let judged = chain.state.validate(&Ed25519, &from_outside);
    assert_eq!(judged, Err(InvalidBlock::Field("proposer")));
    chain.grow_until_next_is(6);
}

#[test]
fn a_validator_comes_back_and_one_changes_its_weight() {
    let mut chain = chain(&[4, 4, 4]);
    chain.grow(vec![app_power(2, 0)], Vec::new());
    assert_eq!(chain.powers(), powers([(0, 4), (1, 4)]));
    chain.grow(vec![config_power(0, 2, 9), app_power(0, 6)], Vec::new());
    assert_eq!(chain.powers(), powers([(0, 6), (1, 4), (2, 9)]));
    assert_eq!(chain.state.validators.total_power(), 19);
    chain.grow_until_next_is(6);
}

#[test]
fn a_change_to_what_is_already_so_changes_nothing() {
    let (mut idle, mut told) = (chain(&[4, 1, 3]), chain(&[4, 1, 3]));
    idle.grow(Vec::new(), Vec::new());
    told.grow(vec![app_power(0, 4), config_power(0, 1, 1)], Vec::new());
    assert_eq!(told.state.validators, idle.state.validators);
}

#[test]
fn a_configuration_change_counts_if_it_was_built_on_the_present_one() {
    let after = |txs: &[Tx]| {
        let mut chain = chain(&[1, 1, 1]);
        chain.grow(txs.to_vec(), Vec::new());
        (chain.state.config_sequence, chain.powers())
    };
    let (five, six) = (|s| config_power(s, 0, 5), |s| config_power(s, 1, 6));
    assert_eq!(
        after(&[five(0), six(1)]),
        (2, powers([(0, 5), (1, 6), (2, 1)]))
    );
    let one = (1, powers([(0, 5), (1, 1), (2, 1)]));
    assert_eq!(after(&[five(0), six(0)]), one, "built on the same: stale");
    assert_eq!(after(&[six(1), five(0)]), one, "came before its turn");
    assert_eq!(after(&[six(7), five(0), five(0)]), one);
    assert_eq!(after(&[six(u64::MAX)]).0, 0);
}

#[test]
fn a_stale_configuration_change_does_nothing_in_later_blocks() {
    let mut chain = chain(&[1, 1, 1]);
    chain.grow(vec![config_power(0, 0, 5)], Vec::new());
    chain.grow(vec![config_power(0, 0, 9)], Vec::new());
    assert_eq!(chain.powers(), powers([(0, 5), (1, 1), (2, 1)]));
    assert_eq!(chain.state.config_sequence, 1);
    let mut behind = chain.block(Vec::new(), Vec::new());
    behind.header.config_sequence = 0;
    let judged = chain.state.validate(&Ed25519, &behind);
    assert_eq!(judged, Err(InvalidBlock::Field("config_sequence")));
}

#[test]
fn an_impossible_change_does_not_swallow_a_possible_one() {
    let mut chain = chain(&[1, 1, 1]);
    let unknown = app_power(6, 0);
    chain.grow(
        vec![unknown, app_power(0, 9), config_power(0, 1, 5)],
        Vec::new(),
    );
    assert_eq!(chain.powers(), powers([(0, 1), (1, 5), (2, 1)]));
    chain.grow(vec![app_power(0, 9), config_power(1, 6, 0)], Vec::new());
    assert_eq!(chain.powers(), powers([(0, 9), (1, 5), (2, 1)]));
    assert_eq!(chain.state.config_sequence, 2, "a refused change counts");
    let too_strong = config_power(2, 2, MAX_TOTAL_POWER);
    chain.grow(vec![too_strong, config_power(3, 2, 2)], Vec::new());
    assert_eq!(chain.powers(), powers([(0, 9), (1, 5), (2, 2)]));
}

#[test]
fn configuration_transactions_come_after_the_application_and_the_last_word_counts() {
    let mut chain = chain(&[1, 1, 1]);
    let txs = vec![
        config_power(0, 0, 7),
        config_power(1, 1, 0),
        app_power(0, 3),
        config_power(2, 1, 4),
    ];
    chain.grow(txs, Vec::new());
    assert_eq!(chain.powers(), powers([(0, 7), (1, 4), (2, 1)]));
}

#[test]
fn the_last_validator_stays() {
    let mut chain = chain(&[1, 1]);
    chain.grow(vec![app_power(0, 0), app_power(1, 0)], Vec::new());
    assert_eq!(chain.powers().len(), 2);
    chain.grow(
        vec![config_power(0, 0, 0), config_power(1, 1, 0)],
        Vec::new(),
    );
    assert_eq!(chain.powers(), powers([(1, 1)]));
}

#[test]
fn new_parameters_hold_from_the_next_height_on() {
    let mut chain = chain(&[1, 1, 1]);
    let small = Params {
        max_block_txs: 2,
        ..Params::default()
    };
    let txs = |n: u64| -> Vec<Tx> { (0..n).map(|i| app_power(0, 10 + i)).collect() };
    let change = configure(0, ConfigChange::Params(small));
    chain.grow([vec![change], txs(4)].concat(), Vec::new());
    assert_eq!(chain.state.params, small);
    let judge = |n| {
        chain
            .state
            .validate(&Ed25519, &chain.block(txs(n), Vec::new()))
    };
    assert_eq!(judge(2), Ok(()));
    assert_eq!(judge(3), Err(InvalidBlock::TooManyTxs { got: 3, max: 2 }));
}

#[test]
fn the_bytes_of_a_blocks_transactions_are_bounded() {
    let tight = Params {
        max_block_bytes: 1_024,
        ..Params::default()
    };
    let chain = Chain::new(&[1], tight);
    let tx = app_power(0, 10);
    let fit = 1_024 / tx.len();
    let judge = |n| {
        let block = chain.block(vec![tx.clone(); n], Vec::new());
        chain.state.validate(&Ed25519, &block)
    };
    assert_eq!(judge(fit), Ok(()));
    let (got, max) = ((fit + 1) * tx.len(), 1_024);
    assert_eq!(judge(fit + 1), Err(InvalidBlock::TooManyBytes { got, max }));
    // One byte is enough, and exactly as many as allowed are fine.
    let with = |max: usize| {
        let mut state = chain.state.clone();
        state.params.max_block_bytes = u32::try_from(max).unwrap();
        state.validate(&Ed25519, &chain.block(vec![tx.clone(); 3], Vec::new()))
    };
    let three = 3 * tx.len();
    assert_eq!(with(three), Ok(()));
    let max = u32::try_from(three - 1).unwrap();
    let refused = InvalidBlock::TooManyBytes { got: three, max };
    assert_eq!(with(three - 1), Err(refused));
}

#[test]
fn impossible_parameters_are_refused_as_a_whole_and_at_the_beginning() {
    let good = Params::default();
    let bad = |change: fn(&mut Params)| {
        let mut params = Params {
            max_block_txs: 9,
            ..good
        };
        change(&mut params);
        params
    };
    let absurd = [
        bad(|p| p.max_block_txs = 0),
        bad(|p| p.max_block_txs = u32::MAX),
        bad(|p| p.max_block_bytes = 1_023),
        bad(|p| p.max_block_bytes = MAX_DATA_BYTES + 1),
        bad(|p| p.evidence_max_age = 0),
        bad(|p| p.evidence_max_age = u64::MAX),
    ];
    let mut chain = chain(&[1]);
    for (sequence, params) in (0..).zip(absurd) {
        let change = configure(sequence, ConfigChange::Params(params));
        chain.grow(vec![change], Vec::new());
        assert_eq!(chain.state.params, good);
        assert_eq!(chain.state.config_sequence, sequence + 1);
    }
    let validators = vec![ValidatorUpdate {
        key: public(0),
        power: 1,
    }];
    let mut genesis = Genesis {
        chain: ChainId::default(),
        time: Time(1),
        validators,
        params: absurd[0],
    };
    let none = Err(GenesisError::Params(ParamsError::Txs(0)));
    assert_eq!(State::genesis(&genesis), none);
    genesis.params = good;
    genesis.validators.clear();
    let nobody = Err(GenesisError::Validators(ValidatorError::Empty));
    assert_eq!(State::genesis(&genesis), nobody);
}

/// The rules of `change`, written again over plain numbers.
#[derive(Debug)]
struct Model {
    powers: BTreeMap<u8, u64>,
    sequence: u64,
}

#[derive(Debug, Clone)]
enum Ask {
    App { id: u8, power: u64 },
    Config { ahead: i8, id: u8, power: u64 },
}

impl Model {
    /// The powers after some changes, `None` if they cannot be.
    fn with(powers: &BTreeMap<u8, u64>, asked: &[(u8, u64)]) -> Option<BTreeMap<u8, u64>> {
        let mut powers = powers.clone();
        for (at, (id, power)) in asked.iter().enumerate() {
            let twice = asked[..at].iter().any(|(other, _)| other == id);
            let unknown = *power == 0 && !powers.contains_key(id);
            if twice || unknown {
                return None;
            }
            powers.insert(*id, *power);
            powers.retain(|_, power| *power > 0);
        }
        let total: u128 = powers.values().map(|p| u128::from(*p)).sum();
        let possible = !powers.is_empty() && total <= u128::from(MAX_TOTAL_POWER);
        possible.then_some(powers)
    }

    fn block(&mut self, asks: &[(u64, Ask)]) {
        let app = asks.iter().filter_map(|(_, ask)| match ask {
            Ask::App { id, power } => Some((*id, *power)),
            Ask::Config { .. } => None,
        });
        let app: Vec<_> = app.collect();
        self.powers = Self::with(&self.powers, &app).unwrap_or_else(|| self.powers.clone());
        for (sequence, ask) in asks {
            if let Ask::Config { id, power, .. } = ask
                && *sequence == self.sequence
            {
                self.sequence += 1;
                let changed = Self::with(&self.powers, &[(*id, *power)]);
                self.powers = changed.unwrap_or_else(|| self.powers.clone());
            }
        }
    }
}

fn ask() -> impl Strategy<Value = Ask> {
    let power = prop_oneof![3 => Just(0u64), 6 => 1u64..20, 1 => Just(MAX_TOTAL_POWER)];
    let id = 0u8..6;
    prop_oneof![
        (id.clone(), power.clone()).prop_map(|(id, power)| Ask::App { id, power }),
        (-1i8..4, id, power).prop_map(|(ahead, id, power)| Ask::Config { ahead, id, power }),
    ]
}

proptest! {
    #[test]
    fn validators_follow_the_model(
        blocks in prop::collection::vec(prop::collection::vec(ask(), 0..6), 1..12),
    ) {
        let mut state = chain(&[3, 3, 3]).state;
        let mut app = App::default();
        let mut model = Model { powers: powers([(0, 3), (1, 3), (2, 3)]), sequence: 0 };
        for asks in blocks {
            let sequence = |ask: &Ask| match ask {
                Ask::App { .. } => 0,
                Ask::Config { ahead, .. } => model.sequence.saturating_add_signed((*ahead).into()),
            };
            let asks: Vec<_> = asks.into_iter().map(|ask| (sequence(&ask), ask)).collect();
            let tx = |(sequence, ask): &(u64, Ask)| match ask {
                Ask::App { id, power } => app_power(*id, *power),
                Ask::Config { id, power, .. } => config_power(*sequence, *id, *power),
            };
            let txs = asks.iter().map(tx).collect();
            let proposer = state.validators.validators()[0].address;
            let block = state.next_block(Time(0), proposer, txs, Vec::new(), None);
            let before = model.powers.clone();
            model.block(&asks);
            let (after, executed) = state.apply(&app, block.cut().0, &block);
            let members = after.validators.validators().iter();
            let got: BTreeMap<_, _> = members.map(|v| (v.address, v.power)).collect();
            let wanted = model.powers.iter().map(|(id, p)| (public(*id).address(), *p));
            prop_assert_eq!(got, wanted.collect());
            prop_assert_eq!(after.config_sequence, model.sequence);
            if before == model.powers {
                prop_assert_eq!(&after.validators, &state.validators.clone().next_turn());
            }
            (state, app) = (after, executed);
        }
    }
}
