//! What is judged, in words: for documentation and reports. The files of the oracles say more.

/// Name, statement and source of every oracle.
pub const ORACLES: [(&str, &str, &str); 26] = [
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
