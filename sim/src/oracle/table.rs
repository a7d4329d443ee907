//! What is judged, in words: for documentation and reports. The files of the oracles say more.

/// Name, statement and source of every oracle.
pub const ORACLES: [(&str, &str, &str); 33] = [
    (
        "fails_stop",
        "a correct node does nothing more after a storage call that failed, until it has stopped",
        "D2; etcd treats every error of its log as fatal",
    ),
    (
        "no_silent_damage",
        "the log of a correct node never comes up without durable records of open heights",
        "D1; the repair of etcd's log took damage for a torn tail",
    ),
    (
        "commit_order",
        "a correct node makes log, block, end of height, application, state durable in order",
        "finalizeCommit of Tendermint and its fail points",
    ),
    (
        "sign_state_durable",
        "a correct node sends what it signed only after its sign state is durable",
        "D2; PrivValidator of Tendermint saves before it returns a signature",
    ),
    (
        "round_skip",
        "a correct node that hears more than 1/3 in the next round signs no more in its old one",
        "L55 of arXiv 1807.04938; L7; scenario NX04",
    ),
    (
        "bounded_memory",
        "a correct node holds no more of what others send it than it declares",
        "R1; MaxPendingEvidence, peer catch-up rounds and the pool's limits of Tendermint",
    ),
    (
        "bounded_answer",
        "one input makes a correct node send and write no more than the input's messages allow",
        "R2; amplification: who asks must not get the chain for one message",
    ),
    (
        "bounded_work",
        "a run takes no more events than its nodes and heights allow",
        "T4: no livelock",
    ),
    (
        "recovery",
        "a correct node goes on from what an honest crash left; it stops only if its disk fails",
        "D3; TestWALCrash of CometBFT",
    ),
    (
        "gossip",
        "after healing, a node of the core that stands still gets the votes that another has",
        "T2; GossipProperty of arXiv 1807.04938",
    ),
    (
        "round_skew",
        "after healing, a node of the core that is two rounds behind another leaves its round",
        "T3; lemma 7 of arXiv 1807.04938",
    ),
    (
        "catch_up",
        "after healing, a node of the core that is behind another gets nearer, height by height",
        "T5; catchup of Tendermint's gossip, and its block sync",
    ),
    (
        "evidence_committed",
        "a correct node that gets proof of an offence says it, and its next new block holds it",
        "E3; DetectionCompleteness; PendingEvidence of Tendermint",
    ),
    (
        "no_send_before_durable",
        "a correct node sends what it signed only after the record that holds it is durable",
        "D2; the write-ahead log of Tendermint",
    ),
    (
        "peer_blame",
        "a correct node says of no correct node that it broke the protocol",
        "accuracy of failure detectors; Tendermint stops a peer for an error",
    ),
    (
        "vote_once",
        "a correct node signs one value per height, round and step, and never for an earlier step",
        "L1, L2; classic_safety.ivy: prevote_unique_per_round",
    ),
    (
        "validator_only",
        "a correct node signs nothing at a height of which it is no validator",
        "validator sets of Tendermint: power changes at H count from H + 1 on",
    ),
    (
        "proposer_only",
        "a correct node proposes only in its own turn, once, and with the polka it names",
        "L3; abstract_tendermint.ivy: l_11",
    ),
    (
        "lock_safety",
        "a locked correct node prevotes another block only after a later polka for it",
        "L5; classic_safety.ivy: locks; lemma 3 of arXiv 1807.04938",
    ),
    (
        "valid_value",
        "a correct node that is locked proposes that block, or one with a later polka",
        "L9; TendermintAccInv_004_draft.tla: ValidRoundNotSmallerThanLockedRound",
    ),
    (
        "prevote_justified",
        "a correct node prevotes a block only after its proposal, and the polka that it names",
        "L4; abstract_tendermint.ivy: l_22, l_28",
    ),
    (
        "precommit_justified",
        "a correct node precommits a block only after a polka for it in the same round",
        "L6; classic_safety.ivy: precommitted_is_quorum_prevote",
    ),
    (
        "nil_precommit_justified",
        "a correct node precommits nil only after a polka for nil, or a timeout behind any polka",
        "L6; abstract_tendermint.ivy: l_44, l_61",
    ),
    (
        "decision_justified",
        "a correct node decides only what more than 2/3 precommitted in one round, and in full",
        "S4; classic_safety.ivy: decision_is_quorum_precommit",
    ),
    (
        "agreement",
        "correct nodes decide the same block at each height, each height once and in order",
        "S1, S2; TendermintAcc_004_draft.tla: Agreement",
    ),
    (
        "accountability",
        "a fork convicts more than one third of equivocation or amnesia; nobody correct ever is",
        "E2; TendermintAcc_004_draft.tla: Accountability",
    ),
    (
        "chain_integrity",
        "each decided block certifies the one before it with valid precommits of more than 2/3",
        "S5; LastCommit of Tendermint",
    ),
    (
        "validity",
        "a decided block follows from the chain before it, and its transactions from clients",
        "S3; TendermintAcc_004_draft.tla: Validity",
    ),
    (
        "evidence",
        "a block proves only offences that byzantine validators committed, each once and in time",
        "E1; accountable_safety_2.ivy: wb_never_punished; evidence of Tendermint",
    ),
    (
        "round_entry",
        "a correct node goes to a round that 1/3 is in, or when the round before came to nothing",
        "L7; L55 and L65 of arXiv 1807.04938",
    ),
    (
        "one_quorum",
        "over all votes of a run, one value has a polka in a round, one block a commit at a height",
        "G2; classic_safety.ivy: quorums intersect",
    ),
    (
        "lock_holds",
        "no other block gets a polka once correct nodes with 1/3 of the power precommitted one",
        "G1; TendermintAccInv_004_draft.tla: PrecommitsLockValue",
    ),
    (
        "liveness",
        "after healing, every node of the core decides the next heights inside the bound",
        "T1; TendermintPBT.tla: TimeLiveness; lemma 7 of arXiv 1807.04938",
    ),
];

/// The table as `docs/INVARIANTS.md` holds it: `sim help invariants --markdown`.
#[must_use]
pub fn document() -> String {
    let rows =
        ORACLES.map(|(name, statement, source)| format!("| `{name}` | {statement} | {source} |\n"));
    format!(
        "| name | statement | source |\n|---|---|---|\n{}",
        rows.concat()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn written() -> String {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/INVARIANTS.md");
        std::fs::read_to_string(path).unwrap()
    }

    fn judged(name: &str) -> bool {
        ORACLES.iter().any(|(oracle, _, _)| *oracle == name)
    }

    #[test]
    fn the_document_holds_the_table() {
        assert!(
            written().contains(&document()),
            "docs/INVARIANTS.md differs from sim help invariants --markdown"
        );
    }

    #[test]
    fn each_property_says_what_judges_it_what_tests_it_and_what_kills_it() {
        let written = written();
        let (_, properties) = written.split_once("## All properties\n").unwrap();
        let (properties, _) = properties.split_once("\n## ").unwrap();
        let rows = properties
            .lines()
            .filter(|line| line.starts_with("| "))
            .skip(1);
        let bugs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus/bugs");
        let mut judges = String::new();
        for row in rows {
            let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
            assert_eq!(cells.len(), 4, "{row}");
            assert!(cells.iter().all(|cell| !cell.is_empty()), "{row}");
            let named = cells[3].split('`').skip(1).step_by(2);
            for bug in named.filter(|name| !judged(name)) {
                assert!(bugs.join(bug).is_dir(), "{bug} is no known bug: {row}");
            }
            judges += cells[1];
        }
        for (name, _, _) in ORACLES {
            assert!(
                judges.contains(&format!("`{name}`")),
                "{name} judges no property"
            );
        }
    }
}
