//! What broken scenario files are answered, and what short ones mean.

use std::path::Path;

use super::*;
use crate::{
    choice::{Decision, Stream},
    disk::Side,
    nemesis::{FaultKind, OwnMessage, Unsynced, When},
};

fn parsed(text: &str) -> Result<Scenario, String> {
    parse(Path::new("bad.toml"), text).map_err(|invalid| invalid.to_string())
}

fn complaint(text: &str) -> String {
    parsed(text).expect_err("the file is broken")
}

#[test]
fn omitted_keys_have_defaults() {
    let scenario = parsed("why = \"x\"\n").unwrap();
    assert_eq!(scenario.name, "bad");
    assert_eq!(scenario.plan.powers, [1, 1, 1, 1]);
    assert!(scenario.plan.faults.is_empty());
    assert_eq!(scenario.expect, Expect::default());
}

#[test]
fn a_table_that_is_given_in_part_keeps_the_other_defaults() {
    let scenario = parsed("why = \"x\"\nlink = { loss_ppm = 7 }\n[timeouts]\npropose = 9\n");
    let plan = scenario.unwrap().plan;
    assert_eq!((plan.link.loss_ppm, plan.link.duplicate_ppm), (7, 0));
    assert_eq!((plan.timeouts.propose, plan.timeouts.delta), (9, 100));
}

#[test]
fn all_ways_to_begin_a_fault_are_understood() {
    let text = r#"
why = "x"
[[fault]]
at = { ms = 5 }
kind = "one_way"
from = [0]
to = [1, 2]
for_ms = 10
[[fault]]
at = { node = 1, sends = "prevote", height = 2 }
kind = "crash"
[[fault]]
at = { proposal_height = 3, proposal_round = 1 }
kind = "crash"
off = true
[[fault]]
at = { node = 1, appends = "precommit", height = 2, round = 4 }
kind = "crash"
node = 2
disk = "lost"
[[fault]]
at = { node = 1, cuts = 2, side = "after" }
kind = "crash"
node = 1
"#;
    let faults = parsed(text).unwrap().plan.faults;
    assert_eq!(faults[0].at, When::Time { ms: 5 });
    let (node, height) = (1, 2);
    let own = When::Own {
        node,
        sends: OwnMessage::Prevote,
        height,
        round: 0,
    };
    assert_eq!(faults[1].at, own);
    assert!(faults[2].off);
    let append = When::Append {
        node,
        appends: OwnMessage::Precommit,
        height,
        round: 4,
    };
    assert_eq!(faults[3].at, append);
    let cut = When::Cut {
        node,
        cuts: 2,
        side: Side::After,
    };
    assert_eq!(faults[4].at, cut);
    let crash = FaultKind::Crash {
        node: Some(2),
        restart_after_ms: None,
        disk: Unsynced::Lost,
    };
    assert_eq!(faults[3].kind, crash);
}

#[test]
fn broken_files_are_answered_with_a_place_and_a_remedy() {
    let broken = [
        "why = ",
        "seed = 1\n",
        "why = \"x\"\nhieghts = 3\n",
        "why = \"x\"\nheights = \"three\"\n",
        "why = \"x\"\nbyzantine = [{ node = 1, behaviour = \"equivocat\" }]\n",
        "why = \"x\"\n\n[[fault]]\nat = { ms = 1 }\nkind = \"crsh\"\n",
        "why = \"x\"\n\n[[fault]]\nat = { ms = 1 }\nkind = \"crash\"\n  dsk = \"lost\"\n",
        "why = \"x\"\n\n[[fault]]\nat = { ms = 1 }\nkind = \"crash\"\ndisk = \"lots\"\n",
        "why = \"x\"\n[[fault]]\nat = { node = 1, sends = \"vote\", height = 1 }\n\
         kind = \"crash\"\n",
        "why = \"x\"\n[[fault]]\nkind = \"crash\"\n",
        "why = \"x\"\n[[fault]]\nat = { ms = 1 }\nkind = \"crash\"\nnode = 4\n",
        "why = \"x\"\n[[fault]]\nat = { ms = 1 }\nkind = \"partition\"\ngroups = [[0]]\n",
        "why = \"x\"\n[[fault]]\nat = { node = 1, cuts = 1, call = 2 }\nkind = \"crash\"\n",
        "why = \"x\"\n[[fault]]\nat = { node = 1, cuts = 1 }\nkind = \"isolate\"\n\
         node = 1\nfor_ms = 5\n",
        "why = \"x\"\n[timeouts]\npropse = 4\n",
        "why = \"x\"\n[expect]\nverdict = \"passes\"\n",
        "why = \"x\"\n[expect]\nsituations = [\"told_two_storys\"]\n",
        "why = \"x\"\npowers = []\n",
        "why = \"x\"\npowers = [2, 1, 1, 1]\n\
         byzantine = [{ node = 0, behaviour = \"silent\" }]\n",
        "why = \"x\"\nlink = { latency_us = { min = 5, max = 4 } }\n",
        "why = \"x\"\npowers = [0, 0]\n",
        "why = \"x\"\n[[change]]\nat_ms = 1\nnode = 4\npower = 1\nvia = \"app\"\n",
        "why = \"x\"\n[[change]]\nat_ms = 1\nnode = 3\npower = 1\nvia = \"fax\"\n",
        "why = \"x\"\nbeyond_one_third = true\n\
         [[change]]\nat_ms = 1\nnode = 3\npower = 1\nvia = \"app\"\n",
        "why = \"x\"\nbyzantine = [{ node = 0, behaviour = \"silent\" }]\n\
         [[change]]\nat_ms = 1\nnode = 3\npower = 0\nvia = \"config\"\n",
    ];
    let answers: Vec<_> = broken.iter().map(|text| complaint(text)).collect();
    insta::assert_snapshot!(answers.join("\n"));
}

#[test]
fn a_missing_file_is_named() {
    let invalid = load(Path::new("nowhere/x.toml")).unwrap_err();
    assert!(invalid.to_string().starts_with("nowhere/x.toml: "));
    assert_eq!(invalid.at, None);
}

#[test]
fn the_schedule_of_a_failed_run_can_be_read_again() {
    let mut outcome = crate::report::sample::failed();
    outcome.plan.seed = u64::MAX;
    outcome.plan.overrides = vec![
        Decision {
            stream: Stream::LinkLoss,
            at: [1, 2, 3, u64::MAX],
            value: 1,
        },
        Decision {
            stream: Stream::GossipPick,
            at: [0; 4],
            value: u64::MAX,
        },
    ];
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("schedule.toml");
    let text = schedule("a test", &outcome).unwrap();
    std::fs::write(&path, &text).unwrap();
    let read = load_schedule(&path).unwrap();
    assert_eq!(read.plan, outcome.plan);
    let recorded = read.recorded.unwrap();
    assert!(recorded.is_of_this_code());
    assert_eq!(recorded, Recorded::of(&outcome));
    let line = |(line, _): &(usize, usize)| text.lines().nth(line - 1).unwrap();
    let lines: Vec<&str> = read.places.iter().map(line).collect();
    assert_eq!(lines, ["[[override]]"; 2]);
}

#[test]
fn broken_overrides_are_answered_with_a_place_and_a_remedy() {
    let one = "[[override]]\nstream = \"net.loss\"\nat = [1, 1, 0, 0]\nvalue = 1\n";
    let broken = [
        "why = \"x\"\n[[override]]\nstream = \"net.los\"\nat = [0, 0, 0, 0]\nvalue = 1\n",
        "why = \"x\"\n[[override]]\nstream = \"tie\"\nat = [0, 0, 0]\nvalue = 1\n",
        "why = \"x\"\n[[override]]\nstream = \"tie\"\nat = [0, 0, 0, -1]\nvalue = 1\n",
        "why = \"x\"\n[[override]]\nstream = \"tie\"\nat = [0, 0, 0, 0]\nvale = 1\n",
        "why = \"x\"\n[[override]]\nstream = \"tie\"\nat = [0, 0, 0, 0]\n",
        &format!("why = \"x\"\n{one}{one}"),
        "why = \"x\"\n[recorded]\ndigset = \"ab\"\n",
    ];
    let answers: Vec<_> = broken.iter().map(|text| complaint(text)).collect();
    insta::assert_snapshot!(answers.join("\n"));
}

#[test]
fn the_bugs_that_a_scenario_names_must_be_known() {
    let scenario = parsed("why = \"x\"\nbroken_by = [\"no_lock\", \"no_ruond_skip\"]\n").unwrap();
    assert!(scenario.is_broken_by("no_lock"));
    assert!(!scenario.is_broken_by("no_round_skip"));
    assert_eq!(scenario.check_bugs(&["no_lock", "no_ruond_skip"]), Ok(()));
    let unknown = scenario.check_bugs(&["no_lock", "no_round_skip"]);
    let place = "bad.toml:2:25: unknown bug \"no_ruond_skip\"; did you mean \"no_round_skip\"?";
    assert_eq!(unknown.unwrap_err().to_string(), place);
}

/// What is unmet in a run of four nodes that decide two heights, of which the proposer of the
/// second, node 1, follows a script.
fn unmet(lines: &str, expected: &str) -> Vec<String> {
    let text = format!(
        "why = \"x\"\nheights = 2\nbyzantine = [{{ node = 1, behaviour = \"scripted\" }}]\n\
         {lines}{expected}"
    );
    parsed(&text).unwrap().play(false).unmet
}

fn proposes(says: &str) -> String {
    format!(
        "[[script.say]]\nheight = 2\nround = 0\nslot = \"proposal\"\nto = [3]\nsays = \"{says}\"\n\
         [[script.say]]\nheight = 2\nround = 0\nslot = \"part\"\nto = [3]\nsays = \"nothing\"\n"
    )
}

fn voted(of: u16, kind: &str, says: &str) -> String {
    format!(
        "[[expect.vote]]\nof = [{of}]\nheight = 2\nround = 0\nslot = \"{kind}\"\n\
         says = \"{says}\"\n"
    )
}

#[test]
fn what_single_nodes_sign_and_decide_is_compared() {
    let met = [
        voted(0, "prevote", "first"),
        voted(2, "precommit", "first"),
        voted(2, "proposal", "nothing"),
        "[[expect.decided]]\nby = [0, 2, 3]\nheight = 2\nround = 0\nblock = \"first\"\n".to_owned(),
    ];
    assert_eq!(unmet("", &met.concat()), Vec::<String>::new());
    let not = [
        "[expect]\nmarkers = [\"round_5\"]\n".to_owned(),
        voted(0, "prevote", "nil"),
        voted(2, "proposal", "other"),
        "[[expect.decided]]\nby = [0]\nheight = 2\nround = 1\n".to_owned(),
        "[[expect.decided]]\nby = [0]\nheight = 2\nbefore_ms = 1\n".to_owned(),
        "[[expect.decided]]\nby = [0]\nheight = 99\n".to_owned(),
    ];
    let unmet = unmet("", &not.concat());
    let told: Vec<&str> = unmet.iter().map(String::as_str).collect();
    let [marker, prevote, proposal, round, late, never] = told[..] else {
        panic!("{told:?}");
    };
    assert_eq!(marker, "round_5 was not reached");
    assert_eq!(prevote, "n0 prevote 2/0: expected nil, got first");
    assert_eq!(proposal, "n2 proposal 2/0: expected other, got nothing");
    assert_eq!(round, "n0 decided 2 in round 0: first");
    assert!(late.starts_with("n0 decided 2 at "), "{late}");
    assert_eq!(never, "n0 did not decide height 99");
}

#[test]
fn a_script_may_propose_a_second_block_and_one_that_nobody_accepts() {
    let two = "[expect]\nsituations = [\"two_proposals\"]\n";
    let told = [
        two,
        &voted(0, "prevote", "first"),
        &voted(3, "prevote", "other"),
    ]
    .concat();
    assert_eq!(unmet(&proposes("second"), &told), Vec::<String>::new());
    let told = [
        two,
        &voted(0, "prevote", "first"),
        &voted(3, "prevote", "nil"),
    ]
    .concat();
    assert_eq!(unmet(&proposes("invalid"), &told), Vec::<String>::new());
}
