//! Malachite's `DecideNonProposerTest` as its model checker wrote it down, step by step on this
//! machine.
//!
//! The model is one process, which is never round 0's proposer at height 1 and is at height 2:
//! validator 1 of four. Two things differ on purpose. The model takes two steps from round to round
//! (timeout, then new round), we take one, so after its timeout there is nothing to compare yet.
//! And its inputs are whole conditions ("there is a polka"), so each becomes the messages that make
//! it true.

use super::{itf::Itf, *};

const OTHERS: [u16; 3] = [0, 2, 3];

/// The state of the one process.
fn process(state: &Itf) -> &Itf {
    state.get("system").map()[0].1
}

fn round_of(value: &Itf) -> u32 {
    u32::try_from(value.int()).expect("a round")
}

/// Brings about the condition that the model calls `name`.
fn bring_about(m: &mut Machine, name: &str, round: u32, value: &str) {
    let block = m.block(value);
    match name {
        "Initial" => m.wait_for_height(),
        "NewRound" | "NewRoundProposer" if round == 0 => m.timeout(Step::NewHeight, 0),
        "NewRound" => m.expect_at(round, Step::Propose),
        "Proposal" => m.proposed(round, &block, None),
        "ProposalInvalid" => m.proposed(round, &m.invalid_block("bad"), None),
        "ProposalAndPolkaAndValid" => m.prevotes(round, Some(&block), OTHERS),
        "ProposalAndCommitAndValid" => m.precommits(round, Some(&block), OTHERS),
        "NewHeight" => m.advance(),
        "PolkaAny" => {
            m.prevotes(round, Some(&block), [0]);
            m.prevotes(round, None, [2]);
        }
        "PolkaNil" => m.prevotes(round, None, [0, 2]),
        "PrecommitAny" => m.precommits(round, None, [0, 2]),
        "TimeoutPropose" => m.timeout(Step::Propose, round),
        "TimeoutPrevote" => m.timeout(Step::PrevoteWait, round),
        "TimeoutPrecommit" => m.timeout(Step::PrecommitWait, round),
        unknown => panic!("event {unknown} of the model is not known here"),
    }
}

/// What the model's process answers, this machine must have asked for.
fn expect_result(
    m: &mut Machine,
    result: &Itf,
    round: u32,
    blocks: &dyn Fn(&Machine, &str) -> Made,
) {
    match result.get("name").text() {
        "" => {}
        "timeout" => {
            let timeouts = &m.machine.timeouts;
            let wait = match result.get("timeout").text() {
                "timeoutPropose" => timeouts.propose(Round(round)),
                "timeoutPrevote" => timeouts.prevote(Round(round)),
                "timeoutPrecommit" => timeouts.precommit(Round(round)),
                unknown => panic!("timeout {unknown}"),
            };
            assert_eq!(m.record.wake, Some(m.now.after(wait)));
        }
        "votemessage" => {
            let vote = result.get("voteMessage");
            let id = vote.get("id").text();
            let block = (id != "nil").then(|| blocks(m, id));
            let kind = match vote.get("step").text() {
                "prevote" => Prevote,
                "precommit" => Precommit,
                unknown => panic!("vote {unknown}"),
            };
            m.expect_vote(kind, round_of(vote.get("round")), block.as_ref());
        }
        "proposal" => m.expect_propose(round_of(result.get("proposal").get("round")), None),
        "decided" => m.expect_decided(round, &blocks(m, result.get("decided").text())),
        "skipRound" => m.expect_at(round_of(result.get("skipRound")), Step::Propose),
        unknown => panic!("result {unknown}"),
    }
}

/// The model's process and the machine agree in height, round, step, lock and valid value.
fn expect_state(m: &Machine, process: &Itf, blocks: &dyn Fn(&Machine, &str) -> Made) {
    let at = m.machine.at();
    assert_eq!(u64::try_from(process.get("height").int()), Ok(at.height.0));
    assert_eq!(round_of(process.get("round")), at.round.0);
    let step = match at.step {
        Step::NewHeight | Step::NewRound => "newRound",
        Step::Propose => "propose",
        Step::Prevote | Step::PrevoteWait => "prevote",
        Step::Precommit | Step::PrecommitWait => "precommit",
        Step::Commit => "decided",
    };
    assert_eq!(process.get("step").text(), step);
    let pair = |value: &str, round: &str| {
        let value = process.get(value).text();
        (value != "nil").then(|| {
            let round = Round(round_of(process.get(round)));
            (round, blocks(m, value).id)
        })
    };
    assert_eq!(m.machine.locked(), pair("lockedValue", "lockedRound"));
    assert_eq!(m.machine.valid(), pair("validValue", "validRound"));
}

#[test]
fn the_model_checkers_trace_of_a_height_without_and_one_with_trouble_is_followed() {
    let states = itf::states("consensus_DecideNonProposerTest_0.itf.json");
    assert_eq!(states.len(), 36);
    let mut m = Machine::new(&[1, 1, 1, 1]).of_validator(1);
    let blocks = |m: &Machine, name: &str| m.block(name);
    let mut before: Option<&Itf> = None;
    let mut steps = 0;
    for state in &states {
        let event = state.get("_Event");
        // Every second state only asserts: its event is that of the state before.
        if before.replace(event) == Some(event) {
            continue;
        }
        let name = event.get("name").text();
        let round = u32::try_from(event.get("round").int()).unwrap_or(0);
        bring_about(&mut m, name, round, event.get("value").text());
        expect_result(&mut m, state.get("_Result"), round, &blocks);
        if name != "TimeoutPrecommit" {
            expect_state(&m, process(state), &blocks);
        }
        m.expect_no_vote();
        steps += 1;
    }
    assert_eq!(steps, 19);
    m.expect_no_propose();
}
