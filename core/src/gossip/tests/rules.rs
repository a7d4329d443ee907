//! Each rule by which something is learned of a peer (`PeerState.Apply...` of Tendermint v0.10),
//! and what is no peer's right to say.

use super::*;

fn header(total: u32) -> PartSetHeader {
    PartSetHeader {
        total,
        hash: Hash([9; 32]),
    }
}

fn proposal(round: u32, pol_round: Option<u32>) -> Message {
    let block = BlockId {
        hash: Hash([1; 32]),
        parts: header(3),
    };
    Message::Proposal(Proposal {
        height: Height(1),
        round: Round(round),
        pol_round: pol_round.map(Round),
        block,
        signature: Signature([0; 64]),
    })
}

fn has_part(round: u32, index: u32, total: u32) -> Message {
    let data = vec![0; total as usize * crate::types::PART_BYTES];
    let parts = PartSet::split(&data);
    let part = parts.part(index as usize).expect("a part");
    Message::BlockPart {
        height: Height(1),
        round: Round(round),
        part: std::sync::Arc::clone(part),
    }
}

fn has_precommit(height: u64, round: u32, index: u16) -> Message {
    Message::HasVote {
        height: Height(height),
        round: Round(round),
        kind: VoteKind::Precommit,
        index: ValidatorIndex(index),
    }
}

fn pol(height: u64, pol_round: u32, have: &str) -> Message {
    Message::ProposalPol {
        height: Height(height),
        pol_round: Round(pol_round),
        have: bits(have),
    }
}

fn valid(height: u64, round: u32, have: &str, is_commit: bool) -> Message {
    Message::NewValidBlock {
        height: Height(height),
        round: Round(round),
        parts: header(u32::try_from(have.len()).expect("few")),
        have: bits(have),
        is_commit,
    }
}

fn bits(text: &str) -> BitArray {
    text.chars().map(|c| c == 'x').collect()
}

fn shown(known: Option<&BitArray>) -> String {
    known.map_or_else(|| "?".to_owned(), BitArray::to_string)
}

/// A machine at height 1 and a peer in round 0, step prevote.
fn at_prevote() -> Talk {
    let mut talk = Talk::new(Small::at(1, 0, Step::Prevote, &[]));
    talk.hears(&[stands(1, 0, Step::Prevote)]);
    talk
}

#[test]
fn what_is_not_newer_is_ignored_and_the_same_is_counted() {
    let mut talk = Talk::new(Small::at(2, 3, Step::Prevote, &[]));
    talk.hears(&[stands(2, 3, Step::Prevote)]);
    talk.hears(&[has(2, 3, 1)]);
    for old in [
        stands(1, 9, Step::Commit),
        stands(2, 2, Step::Commit),
        stands(2, 3, Step::Propose),
    ] {
        assert_eq!(talk.objects(&[old]), Ok(()), "frames overtake each other");
    }
    assert_eq!(talk.peer().hrs(), Some(talk.view.at));
    assert_eq!(shown(talk.peer().prevotes.as_ref()), "_x__");
    assert_eq!(talk.peer().announced, 0);
    talk.hears(&[stands(2, 3, Step::Prevote)]);
    assert_eq!(talk.peer().announced, 1);
    talk.hears(&[stands(2, 3, Step::Precommit)]);
    assert_eq!(talk.peer().announced, 0, "it moved");
}

/// `ErrPeerStateHeightRegression`.
#[test]
fn a_step_back_inside_one_frame_is_reported() {
    let mut talk = Talk::new(Small::at(1, 0, Step::Prevote, &[]));
    let (ahead, back) = (stands(1, 3, Step::Prevote), stands(1, 2, Step::Prevote));
    let told = talk.objects(&[ahead.clone(), back.clone()]);
    let at = |round| Hrs {
        height: Height(1),
        round: Round(round),
        step: Step::Prevote,
    };
    let (from, to) = (at(3), at(2));
    assert_eq!(told, Err(PeerError::HeightRegression { from, to }));
    assert_eq!(talk.objects(&[back, ahead.clone(), ahead]), Ok(()));
}

/// `ErrPeerStateInvalidStartTime`.
#[test]
fn a_height_that_began_before_all_time_is_reported_and_not_believed() {
    let told = |seconds_since_start| Message::NewRoundStep {
        height: Height(1),
        round: Round(0),
        step: Step::Prevote,
        seconds_since_start,
        last_commit_round: None,
    };
    let century = round_state::MAX_HEIGHT_SECONDS;
    for seconds in [century + 1, u64::MAX] {
        let mut talk = Talk::new(Small::at(1, 0, Step::Prevote, &[]));
        let error = PeerError::InvalidStartTime { seconds };
        assert_eq!(talk.objects(&[told(seconds)]), Err(error));
        assert_eq!(talk.peer().hrs(), None);
    }
    let mut talk = Talk::new(Small::at(1, 0, Step::Prevote, &[]));
    assert_eq!(talk.objects(&[told(century)]), Ok(()));
    assert_eq!(
        talk.peer().start_time,
        Some(Time(0)),
        "our clock is younger"
    );
}

#[test]
fn the_start_of_a_peers_height_is_told_by_our_clock() {
    let mut talk = Talk::new(Small::at(1, 0, Step::Prevote, &[]));
    talk.now = Time(90_000_000_000);
    talk.hears(&[Message::NewRoundStep {
        height: Height(1),
        round: Round(0),
        step: Step::Prevote,
        seconds_since_start: 7,
        last_commit_round: None,
    }]);
    assert_eq!(talk.peer().start_time, Some(Time(83_000_000_000)));
}

#[test]
fn a_new_round_forgets_proposal_parts_polka_and_votes_of_the_old_one() {
    let mut talk = Talk::new(Small::at(1, 2, Step::Prevote, &[]));
    talk.hears(&[stands(1, 2, Step::Prevote)]);
    talk.hears(&[proposal(2, Some(1))]);
    talk.hears(&[pol(1, 1, "xx__"), has(1, 2, 2), has_precommit(1, 2, 3)]);
    let state = talk.peer().clone();
    assert!(state.proposal && state.pol.is_some() && state.parts.is_some());
    assert!(state.prevotes.is_some() && state.precommits.is_some());
    talk.hears(&[stands(1, 3, Step::Propose)]);
    let state = talk.peer();
    assert!(!state.proposal);
    assert_eq!((state.parts_header, state.pol_round), (None, None));
    let gone = [&state.parts, &state.pol, &state.prevotes, &state.precommits];
    assert!(gone.into_iter().all(Option::is_none));
}

#[test]
fn a_new_step_of_the_same_round_forgets_nothing() {
    let mut talk = at_prevote();
    talk.hears(&[has(1, 0, 2), proposal(0, None)]);
    talk.hears(&[stands(1, 0, Step::Precommit)]);
    assert_eq!(shown(talk.peer().prevotes.as_ref()), "__x_");
    assert!(talk.peer().proposal);
}

/// Tendermint lost them: it reset the precommits before it saved them (#9760).
#[test]
fn precommits_become_the_last_commit_at_the_next_height() {
    let mut talk = Talk::new(Small::at(2, 0, Step::NewHeight, &[]));
    talk.hears(&[stands(1, 0, Step::Precommit), has_precommit(1, 0, 3)]);
    talk.hears(&[stands(2, 0, Step::NewHeight)]);
    let state = talk.peer();
    assert_eq!(shown(state.last_commit.as_ref()), "___x");
    assert_eq!(state.last_commit_round, Some(Round(0)));
    assert_eq!(
        (&state.precommits, state.catchup_commit_round),
        (&None, None)
    );
}

#[test]
fn precommits_of_another_round_or_an_older_height_are_no_last_commit() {
    for (height, round) in [(2, 1), (3, 0)] {
        let mut talk = Talk::new(Small::at(3, 0, Step::NewHeight, &[]));
        talk.hears(&[stands(1, round, Step::Precommit)]);
        talk.hears(&[has_precommit(1, round, 3)]);
        talk.hears(&[stands(height, 0, Step::NewHeight)]);
        assert_eq!(talk.peer().last_commit, None);
        assert_eq!(talk.peer().last_commit_round, Some(Round(0)));
    }
}

#[test]
fn the_catch_up_commit_becomes_the_precommits_when_its_round_is_reached() {
    let mut peer = PeerState::default();
    let view = Small::at(1, 5, Step::Prevote, &[]);
    let hears = |peer: &mut PeerState, message| peer.apply(Time(0), &message, &view);
    assert_eq!(hears(&mut peer, stands(1, 0, Step::Prevote)), Ok(()));
    peer.ensure_catchup_commit(Round(5), 4);
    assert_eq!(hears(&mut peer, has_precommit(1, 5, 2)), Ok(()));
    assert_eq!(shown(peer.round_state().catchup_commit.as_ref()), "__x_");
    assert_eq!(hears(&mut peer, stands(1, 3, Step::Propose)), Ok(()));
    assert_eq!(peer.round_state().precommits, None, "another round");
    assert_eq!(hears(&mut peer, stands(1, 5, Step::Propose)), Ok(()));
    assert_eq!(shown(peer.round_state().precommits.as_ref()), "__x_");
    assert_eq!(hears(&mut peer, stands(2, 5, Step::Propose)), Ok(()));
    assert_eq!(peer.round_state().catchup_commit_round, None);
    assert_eq!(peer.round_state().catchup_commit, None);
}

/// `EnsureCatchupCommitRound`: the peer's own round shares its precommits.
#[test]
fn a_catch_up_commit_of_the_peers_round_begins_with_its_precommits() {
    let mut talk = at_prevote();
    talk.hears(&[has_precommit(1, 0, 1)]);
    let peer = talk.gossip.peers.get_mut(&PEER).expect("known");
    peer.ensure_catchup_commit(Round(0), 4);
    assert_eq!(shown(peer.round_state().catchup_commit.as_ref()), "_x__");
}

#[test]
fn a_proposal_is_noted_once_and_only_for_the_peers_round() {
    let mut talk = at_prevote();
    talk.hears(&[proposal(1, None)]);
    assert!(!talk.peer().proposal);
    talk.hears(&[proposal(0, None)]);
    assert!(talk.peer().proposal);
    assert_eq!(shown(talk.peer().parts.as_ref()), "___");
    assert_eq!(talk.peer().parts_header, Some(header(3)));
}

#[test]
fn a_part_is_noted_if_the_peer_collects_as_many_and_else_ignored() {
    let mut talk = at_prevote();
    talk.hears(&[has_part(0, 1, 3)]);
    assert_eq!(talk.peer().parts, None, "no proposal yet");
    talk.hears(&[proposal(0, None), has_part(0, 1, 2), has_part(1, 2, 3)]);
    assert_eq!(
        shown(talk.peer().parts.as_ref()),
        "___",
        "other total, other round"
    );
    talk.hears(&[has_part(0, 1, 3)]);
    assert_eq!(shown(talk.peer().parts.as_ref()), "_x_");
}

/// `ApplyCommitStepMessage`, and `ApplyNewValidBlockMessage` that replaced it.
#[test]
fn a_valid_block_counts_in_its_round_and_a_committed_one_in_any() {
    let mut talk = at_prevote();
    talk.hears(&[valid(1, 1, "xx", false), valid(2, 0, "xx", true)]);
    assert_eq!(talk.peer().parts, None);
    talk.hears(&[valid(1, 0, "x_", false)]);
    assert_eq!(shown(talk.peer().parts.as_ref()), "x_");
    talk.hears(&[valid(1, 7, "_xx", true)]);
    assert_eq!(shown(talk.peer().parts.as_ref()), "_xx");
    assert_eq!(talk.peer().parts_header, Some(header(3)));
}

#[test]
fn a_polka_is_noted_for_the_proposals_proof_of_lock_round_only() {
    let mut talk = Talk::new(Small::at(1, 2, Step::Prevote, &[]));
    talk.hears(&[stands(1, 2, Step::Prevote)]);
    talk.hears(&[pol(1, 1, "x___")]);
    assert_eq!(talk.peer().pol, None, "no proposal yet");
    talk.hears(&[proposal(2, Some(1)), pol(1, 0, "x___"), pol(2, 1, "x___")]);
    assert_eq!(talk.peer().pol, None);
    talk.hears(&[pol(1, 1, "xx__")]);
    assert_eq!(shown(talk.peer().pol.as_ref()), "xx__");
    let (got, expected) = (5, 4);
    let told = talk.objects(&[pol(1, 1, "x____")]);
    assert_eq!(told, Err(PeerError::WrongSize { got, expected }));
    assert_eq!(shown(talk.peer().pol.as_ref()), "xx__");
}

#[test]
fn a_hint_of_a_vote_counts_for_the_peers_height_and_inside_the_validators() {
    let mut talk = at_prevote();
    talk.hears(&[has(2, 0, 1), has(1, 1, 1), has(1, 0, 4), has(1, 0, 65_535)]);
    assert_eq!(shown(talk.peer().prevotes.as_ref()), "____");
    talk.hears(&[has(1, 0, 3), has_precommit(1, 0, 0)]);
    assert_eq!(shown(talk.peer().prevotes.as_ref()), "___x");
    assert_eq!(shown(talk.peer().precommits.as_ref()), "x___");
}

/// `EnsureVoteBitArrays`: nothing is sized by a guess.
#[test]
fn where_the_validators_are_not_known_nothing_is_learned_and_nobody_blamed() {
    let mut talk = Talk::new(Small::at(1, 0, Step::Prevote, &[]));
    talk.hears(&[
        stands(5, 0, Step::Prevote),
        has(5, 0, 1),
        has_precommit(5, 0, 1),
    ]);
    assert_eq!(
        (&talk.peer().prevotes, &talk.peer().precommits),
        (&None, &None)
    );
    let have = BitArray::new(7);
    let (height, round, kind) = (Height(5), Round(0), VoteKind::Prevote);
    let block = None;
    let answer = Message::VoteSetBits {
        height,
        round,
        kind,
        block,
        have,
    };
    assert_eq!(talk.objects(&[answer]), Ok(()));
    talk.view = Small::at(5, 0, Step::Prevote, &[]);
    talk.hears(&[has(5, 0, 1)]);
    assert_eq!(shown(talk.peer().prevotes.as_ref()), "_x__");
}

#[test]
fn bits_about_votes_replace_what_they_speak_of() {
    let mut talk = Talk::new(Small::at(1, 0, Step::Prevote, &[0, 1]));
    talk.hears(&[stands(1, 0, Step::Prevote), has(1, 0, 1), has(1, 0, 3)]);
    let answer = |block, have: &str| Message::VoteSetBits {
        height: Height(1),
        round: Round(0),
        kind: VoteKind::Prevote,
        block,
        have: bits(have),
    };
    // Of the votes for nil we have those of 0 and 1: of these it has 0 and not 1.
    talk.hears(&[answer(None, "x___")]);
    assert_eq!(shown(talk.peer().prevotes.as_ref()), "x__x");
    // We know nobody who voted for this block: the bits are all there is to know.
    let block = Some(BlockId {
        hash: Hash([1; 32]),
        parts: header(1),
    });
    talk.hears(&[answer(block, "_xx_")]);
    assert_eq!(shown(talk.peer().prevotes.as_ref()), "_xx_");
}

#[test]
fn a_vote_shows_that_its_sender_has_it_and_a_late_one_too() {
    let mut talk = Talk::new(Small::at(2, 0, Step::NewHeight, &[]));
    talk.hears(&[stands(2, 0, Step::NewHeight)]);
    let mut late = vote(1, 0, 3);
    late.kind = VoteKind::Precommit;
    talk.hears(&[Message::Vote(late), Message::Vote(vote(2, 0, 1))]);
    assert_eq!(shown(talk.peer().last_commit.as_ref()), "___x");
    assert_eq!(shown(talk.peer().prevotes.as_ref()), "_x__");
}

#[test]
fn a_peer_is_shown_in_one_line_and_in_full() {
    let mut talk = Talk::new(Small::at(2, 1, Step::Prevote, &[0]));
    assert_eq!(talk.peer().to_string(), "unknown");
    talk.hears(&[stands(2, 1, Step::Prevote), has(2, 1, 2)]);
    talk.hears(&[valid(2, 1, "x__", false)]);
    let peer = talk.gossip.peers.get_mut(&PEER).expect("known");
    peer.ensure_catchup_commit(Round(3), 4);
    let line = "2/1/RoundStepPrevote, parts 09090909 x__, prevotes __x_, precommits ?, \
                last commit 0 ?, catch-up 3 ____";
    assert_eq!(peer.round_state().to_string(), line);
    assert_eq!(peer.to_string(), format!("{line}; sent lately 1 votes"));
    insta::assert_snapshot!(format!("{:#}", peer.round_state()), @r"
    2/1/RoundStepPrevote
      began: 1000 ms
      parts: 09090909 x__
      prevotes: __x_
      precommits: ?
      last commit: 0 ?
      catch-up: 3 ____
    ");
    insta::assert_snapshot!(format!("{peer:#}"), @r"
    stands: 2/1/RoundStepPrevote
      began: 1000 ms
      parts: 09090909 x__
      prevotes: __x_
      precommits: ?
      last commit: 0 ?
      catch-up: 3 ____
    sent lately: prevotes 2/1 x
    ");
}

/// The largest block that can be: more parts than a frame may hold, and far longer than it.
#[test]
fn an_own_block_of_many_parts_is_pushed_in_frames_that_a_peer_takes() {
    let mut talk = Talk::new(Small::at(1, 0, Step::Propose, &[]));
    let parts = PartSet::split(&vec![0; crate::types::MAX_BLOCK_BYTES]);
    let part = |index| Message::BlockPart {
        height: Height(1),
        round: Round(0),
        part: std::sync::Arc::clone(parts.part(index).expect("a part")),
    };
    let total = parts.header().total as usize;
    let mut own = vec![proposal(0, None)];
    own.extend((0..total).map(part));
    let mut out = Vec::new();
    talk.gossip.push(talk.now, &own, &mut out);
    for wish in &out {
        let Out::Send { frame, .. } = wish else {
            continue;
        };
        assert!(frame.contents().is_ok(), "{:?}", frame.contents().err());
    }
    assert_eq!(messages_of(&out).len(), 1 + total);
    assert!(messages_of(&out) == own, "all of them, in order");
}
