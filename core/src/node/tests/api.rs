//! Tests of the node's further doors: looking inside, own messages of the host, another signer, an
//! orderly stop.

use super::*;
use crate::{
    consensus::RoundState,
    node::{MAX_WAITING_OWN, OfferError},
    types::{Address, BlockId, Hash, PartSetHeader, Proposal, Signature, ValidatorIndex, Vote},
};

/// A network whose nodes stand at the beginning of a round of height 3.
fn at_height_three() -> Net {
    let mut net = Net::new(4);
    net.run_to(2);
    for _ in 0..1_000 {
        let id = (0..4).find(|id| net.hosts[*id].node.consensus().at().step == Step::NewHeight);
        let Some(id) = id else { return net };
        net.now = Time(net.now.0 + 20_000_000);
        net.input(id, Input::Fire(Timer::Consensus));
    }
    panic!("a node does not begin its round");
}

fn nil_vote(net: &Net, id: usize, kind: VoteKind, round: u32) -> Vote {
    let (node, key) = (&net.hosts[id].node, signer(id));
    let mut vote = Vote {
        kind,
        height: node.consensus().at().height,
        round: Round(round),
        block: None,
        index: node.consensus().index().unwrap(),
        address: key.public_key().address(),
        signature: Signature([0; 64]),
    };
    vote.signature = key.sign(&vote.sign_bytes(&node.state().chain));
    vote
}

fn signer(id: usize) -> Arc<dyn Sign> {
    keys(u8::try_from(id).unwrap()).sign.unwrap()
}

fn counted(net: &Net, id: usize, vote: &Vote) -> bool {
    let votes = net.hosts[id].node.consensus().votes();
    let set = votes.get(vote.round).map(|round| round.of(vote.kind));
    set.is_some_and(|set| set.vote(vote.index.get()) == Some(vote))
}

#[test]
fn a_snapshot_does_not_change_with_the_node() {
    let mut net = Net::new(4);
    net.run_to(2);
    let before = net.hosts[0].node.round_state();
    let kept: RoundState = before.clone();
    net.run_to(4);
    assert_eq!(before, kept);
    assert_ne!(before, net.hosts[0].node.round_state());
    assert!(before.last_commit.is_some() && before.last_validators.is_some());
    assert!(before.commit_time.unwrap() <= before.start_time);
}

#[test]
fn state_and_validators_are_those_of_the_last_durable_height() {
    let mut net = Net::new(4);
    net.run_to(3);
    let node = &net.hosts[1].node;
    assert_eq!(node.state(), node.consensus().chain());
    let (height, validators) = node.validators();
    assert_eq!((height, validators.len()), (node.state().height, 4));
    assert!(height >= Height(3));
}

#[test]
fn a_node_shows_itself_in_one_line_or_many() {
    let net = at_height_three();
    let node = &net.hosts[0].node;
    let index = node.consensus().index().unwrap().0;
    let at = node.consensus().at();
    assert_eq!(node.to_string(), format!("validator v{index} at {at}"));
    let many = format!("{node:#}");
    assert!(many.contains("\n  locked_round none\n"), "{many}");
    assert!(many.ends_with(&format!("app_height {}", at.height.0 - 1)));
}

#[test]
fn the_commit_of_the_last_block_is_the_one_seen_and_of_others_the_one_on_the_chain() {
    let mut net = Net::new(4);
    net.run_to(4);
    let Host {
        store, disk, node, ..
    } = &mut net.hosts[0];
    let top = node.state().height;
    let seen = store.load(disk, top).unwrap().unwrap().commit;
    assert_eq!(store.load_commit(disk, top).unwrap(), Some(seen));
    let commit = store.load_commit(disk, Height(2)).unwrap().unwrap();
    assert_eq!(commit.height, Height(2));
    assert_eq!(store.load_commit(disk, Height::ZERO).unwrap(), None);
    assert_eq!(store.load_commit(disk, top.next()).unwrap(), None);
}

#[test]
fn an_own_vote_of_the_host_is_sent_and_counted_when_it_is_durable() {
    let mut net = at_height_three();
    let vote = nil_vote(&net, 0, VoteKind::Precommit, 5);
    let mut out = Vec::new();
    let offered = vec![Message::Vote(vote.clone())];
    net.hosts[0].node.offer(net.now, offered, &mut out).unwrap();
    assert!(!counted(&net, 0, &vote), "not before its record is durable");
    assert!(!out.iter().any(|o| matches!(o, Output::Send { .. })));
    let mail = net.hosts[0].carry_out(net.now, PeerId(0), out);
    assert!(counted(&net, 0, &vote));
    assert_eq!(mail.len(), 3, "one frame for every peer");
}

#[test]
fn own_proposal_and_parts_of_the_host_are_taken_in_order() {
    let mut net = at_height_three();
    let node = &net.hosts[0].node;
    let (chain, height) = (node.state(), node.consensus().at().height);
    let turn = node.consensus().index().unwrap();
    let validators = node.consensus().validators();
    let round = (1..5)
        .map(Round)
        .find(|r| validators.proposer_at(*r) == turn);
    let round = round.unwrap();
    let seen = node.consensus().last_commit().and_then(|set| set.commit());
    let block = chain.next_block(net.now, Address::default(), Vec::new(), Vec::new(), seen);
    let (id, parts) = block.cut();
    let mut proposal = Proposal {
        height,
        round,
        pol_round: None,
        block: id,
        signature: Signature([0; 64]),
    };
    proposal.signature = signer(0).sign(&proposal.sign_bytes(&chain.chain));
    let part = Arc::clone(parts.part(0).unwrap());
    let part = Message::BlockPart {
        height,
        round,
        part,
    };
    let mut out = Vec::new();
    let offered = vec![Message::Proposal(proposal), part.clone()];
    let (now, node) = (net.now, &mut net.hosts[0].node);
    node.offer(now, offered, &mut out).unwrap();
    node.offer(now, vec![part], &mut out).unwrap();
    let record = |output: &Output| {
        let Output::Append { entry, .. } = output else {
            return None;
        };
        let Record::Own { messages } = &entry.record else {
            return None;
        };
        Some(messages.iter().map(Message::name).collect())
    };
    let records: Vec<Vec<&str>> = out.iter().filter_map(record).collect();
    assert_eq!(records, [vec!["Proposal", "BlockPart"], vec!["BlockPart"]]);
}

#[test]
fn what_is_not_the_nodes_own_is_not_taken() {
    let mut net = at_height_three();
    let good = nil_vote(&net, 0, VoteKind::Precommit, 5);
    let other = nil_vote(&net, 1, VoteKind::Precommit, 5);
    let mut forged = good.clone();
    forged.signature = Signature([7; 64]);
    let mut old = good.clone();
    old.height = Height(1);
    let hint = Message::HasVote {
        height: good.height,
        round: good.round,
        kind: good.kind,
        index: good.index,
    };
    let cases = [
        (Message::Vote(other), OfferError::NotOwn("Vote")),
        (Message::Vote(forged), OfferError::NotOwn("Vote")),
        (Message::Vote(old), OfferError::Unfit("Vote")),
        (hint, OfferError::Unfit("HasVote")),
    ];
    for (message, why) in cases {
        let mut out = Vec::new();
        let before = net.hosts[0].node.clone();
        let refused = net.hosts[0].node.offer(net.now, vec![message], &mut out);
        assert_eq!(refused, Err(why));
        assert_eq!((net.hosts[0].node.clone(), out), (before, Vec::new()));
    }
}

#[test]
fn an_own_vote_that_contradicts_a_signed_one_is_not_taken() {
    let mut net = at_height_three();
    let nil = nil_vote(&net, 0, VoteKind::Precommit, 5);
    let hash = Hash([9; 32]);
    let parts = PartSetHeader { total: 1, hash };
    let mut block = Vote {
        block: Some(BlockId { hash, parts }),
        ..nil.clone()
    };
    block.signature = signer(0).sign(&block.sign_bytes(&net.hosts[0].node.state().chain));
    let mut out = Vec::new();
    let (now, node) = (net.now, &mut net.hosts[0].node);
    node.offer(now, vec![Message::Vote(nil)], &mut out).unwrap();
    let refused = node.offer(now, vec![Message::Vote(block)], &mut out);
    assert!(
        matches!(refused, Err(OfferError::Refused(_))),
        "{refused:?}"
    );
}

#[test]
fn own_messages_are_taken_up_to_the_bound_while_the_disk_is_behind() {
    let mut net = at_height_three();
    let waiting = net.hosts[0].node.unreleased.len();
    for round in 0..MAX_WAITING_OWN - waiting {
        let vote = nil_vote(
            &net,
            0,
            VoteKind::Prevote,
            5 + u32::try_from(round).unwrap(),
        );
        let taken = net.hosts[0]
            .node
            .offer(net.now, vec![Message::Vote(vote)], &mut Vec::new());
        assert_eq!(taken, Ok(()));
    }
    let vote = nil_vote(&net, 0, VoteKind::Prevote, 900);
    let (now, node) = (net.now, &mut net.hosts[0].node);
    let refused = node.offer(now, vec![Message::Vote(vote)], &mut Vec::new());
    assert_eq!(refused, Err(OfferError::Full));
}

#[test]
fn without_a_signer_a_node_observes_and_with_one_it_votes_again() {
    let mut net = Net::new(4);
    net.run_to(2);
    net.hosts[3].node.set_signer(None);
    assert_eq!(net.hosts[3].node.consensus().index(), None);
    assert!(net.hosts[3].node.to_string().starts_with("observer at "));
    let signed = |net: &Net| net.hosts[3].node.sign.last();
    let before = signed(&net);
    net.run_to(6);
    assert_eq!(signed(&net), before, "an observer signs nothing");
    net.hosts[3].node.set_signer(Some(signer(3)));
    net.run_to(9);
    assert!(signed(&net) > before);
}

#[test]
fn a_new_signer_does_not_use_a_signature_of_the_old_one() {
    let mut state = SignState::default();
    let slot = SignSlot {
        height: Height(1),
        round: Round(0),
        step: crate::privval::SignStep::Prevote,
    };
    let first = state.sign(&*signer(0), slot, b"vote".to_vec()).unwrap();
    let again = state.sign(&*signer(0), slot, b"vote".to_vec());
    assert_eq!(again, Ok(first));
    assert!(state.sign(&*signer(1), slot, b"vote".to_vec()).is_err());
}

#[test]
fn a_closed_store_has_given_up_its_locks_and_kept_its_records() {
    let mut net = Net::new(1);
    net.run_to(2);
    let Host {
        node,
        store,
        mut disk,
        ..
    } = net.hosts.remove(0);
    store.close(&mut disk).unwrap();
    // Without a restart of the disk: nothing holds a lock any more.
    let started = Store::start(&mut disk, "data", &genesis(1), StoreConfig::default());
    let (_, found) = started.unwrap();
    assert_eq!(&found.state, node.state());
    assert_eq!(found.next_lsn, node.next_lsn);
}

#[test]
fn the_log_names_the_version_and_the_chain() {
    assert!(crate::VERSION.starts_with("v1/"));
    let mut disk = MemoryStorage::default();
    let started = Store::start(&mut disk, "data", &genesis(1), StoreConfig::default());
    started.unwrap().0.close(&mut disk).unwrap();
    let found = crate::wal::Snapshot::default();
    let opened = crate::wal::open(&mut disk, "data/wal", found, crate::wal::Options::default());
    let (replayed, _) = opened.unwrap().read_all(&mut disk).unwrap();
    let named = format!("{} test", crate::VERSION);
    assert_eq!(String::from_utf8(replayed.metadata).unwrap(), named);
}

#[test]
fn a_host_sees_every_kind_of_event_of_good_days() {
    let mut net = Net::new(4);
    net.run_to(3);
    let said = |wanted: fn(&Notice) -> bool| net.hosts[2].notices.iter().any(wanted);
    assert!(said(|n| matches!(n, Notice::NewRoundStep(_))));
    assert!(said(|n| matches!(n, Notice::Vote { .. })));
    assert!(said(|n| matches!(n, Notice::CompleteProposal(_))));
    assert!(said(|n| matches!(n, Notice::Polka(_, Some(_)))));
    assert!(said(|n| matches!(n, Notice::Lock(..))));
    assert_eq!(net.hosts[2].decided[0].0, Height(1), "NewBlock is Decided");
}

#[test]
fn a_validator_index_of_nobody_is_nobodys_vote() {
    let net = at_height_three();
    let mut vote = nil_vote(&net, 0, VoteKind::Precommit, 5);
    vote.index = ValidatorIndex(40);
    let mut node = net.hosts[0].node.clone();
    let refused = node.offer(net.now, vec![Message::Vote(vote)], &mut Vec::new());
    assert_eq!(refused, Err(OfferError::NotOwn("Vote")));
}
